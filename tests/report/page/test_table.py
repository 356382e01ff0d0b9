from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import (
    assign_looks,
    class_table,
    cost_figure,
    cost_front,
    efficiency_figure,
    interval_bar,
    series_of,
    words,
)
from lcd_plugin.report.model import Leaderboard, Pair, Row
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page.groups import Comparison, comparisons
from lcd_plugin.report.page.summary import summarise
from lcd_plugin.report.page.table import ANY, Entry, make_blocks, make_facets

Builder = Callable[..., Leaderboard]
HOSTILE = "<script>alert(1)</script>"


def as_error(board: Leaderboard) -> Leaderboard:
    """The board with AUROC alone, as if it were the calibration error: one minus it."""
    untested = {
        "metric": "ece",
        "ci_low": math.nan,
        "ci_high": math.nan,
        "rank": None,
        "tied_with": (),
        "beats_random": None,
        "compared_random": None,
    }
    rows = tuple(
        row.model_copy(update={**untested, "mean": 1 - row.mean})
        for row in board.rows
        if row.metric == "auroc"
    )
    return board.model_copy(update={"rows": rows})


def entries_of(groups: Sequence[Comparison], rows: Iterable[Row]) -> list[Entry]:
    blocks = make_blocks(groups, assign_looks(rows))
    return [entry for block in blocks for entry in block.entries]


def text_of(board: Leaderboard) -> str:
    source = re.sub("</?bdi>", "", render_page(board))  # isolates a name, and is no space
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def test_an_error_is_ordered_the_other_way(sample_board: Builder) -> None:
    board = sample_board()
    plain, turned = (comparisons(b.rows)[0] for b in (board, as_error(board)))
    order = [row.method for row in plain.select("auroc", 1.0)]
    shuffled = turned.__class__(**{**vars(turned), "rows": turned.rows[::-1]})
    assert [row.method for row in shuffled.select("ece", 1.0)] == order


def test_an_error_has_no_rank_no_interval_and_is_not_judged(sample_board: Builder) -> None:
    board = as_error(sample_board())
    entries = entries_of(comparisons(board.rows)[:1], board.rows)
    means = [entry.row.mean for entry in entries if entry.row.label_fraction == 1]
    assert means == sorted(means)  # lowest first
    assert {words.standing(entry.row) for entry in entries} == {"\u2013"}
    assert {entry.over_random for entry in entries} == {None}
    for entry in entries:  # a dot, and neither an interval nor `random`
        assert re.fullmatch(r"--m:\d+", entry.bar)
    text = text_of(board)
    assert "lower is better; biased upwards, for orientation only" in text
    assert "[n/a" not in text
    assert "\u2013 supervised baseline 0.079 \u2013 6.9 min" in text
    assert "biased upwards" not in text_of(sample_board())


def test_a_score_without_an_interval_is_drawn_as_a_point(sample_board: Builder) -> None:
    board = sample_board()
    few = {"ci_low": math.nan, "ci_high": math.nan}
    rows = [
        row.model_copy(update=few) if row.method == "lcd" else row
        for row in comparisons(board.rows)[0].select("auroc")
    ]
    looks = assign_looks(rows)
    top = [row for row in rows if row.label_fraction == 1]
    for figure in (
        efficiency_figure(rows, series_of(rows, looks)),
        cost_figure(top, series_of(top, looks)),
    ):
        ElementTree.fromstring(figure)
        assert "nan" not in figure
        assert "n/a" not in figure
        assert "lcd: 0.912 with" in figure or "lcd: 0.912 for" in figure
        assert "simclr: 0.905 [" in figure
    summary = summarise(comparisons(rows)[0])
    assert (
        "0.912 with all labels"
        in summarise(comparisons([row for row in rows if row.method != "supervised"])[0]).lead
    )
    assert "[n/a" not in summary.lead


def test_bars_of_an_error_are_turned_round(sample_board: Builder) -> None:
    row = next(r for r in as_error(sample_board()).rows if r.method == "lcd")

    def dot(mean: float, metric: str) -> int:
        one = row.model_copy(update={"mean": mean, "metric": metric})
        return int(interval_bar(one, 0.0, 1.0, 0.5).split(";")[0].removeprefix("--m:"))

    assert dot(0.1, "ece") > dot(0.4, "ece")
    assert dot(0.1, "auroc") < dot(0.4, "auroc")


def test_pareto_front_and_best_of_a_class_follow_the_metric(sample_board: Builder) -> None:
    board = sample_board()
    fronts, bests = [], []
    for one in (board, as_error(board)):
        group = comparisons(one.rows)[0]
        rows = group.select(group.metrics[0], 1.0)
        fronts.append([rows[index].method for index in cost_front(rows)])
        table = class_table(rows, {})
        assert table is not None
        bests.append([cell.value for line in table.rows for cell in line.cells if cell.best])
        values = [[cell.value for cell in line.cells] for line in table.rows]
        assert bests[-1] == [(max, min)[len(bests) - 1](line) for line in values]
    assert fronts[0] == fronts[1]


def test_summary_of_an_error_names_the_lowest_and_judges_nothing(sample_board: Builder) -> None:
    summary = summarise(comparisons(as_error(sample_board()).rows)[0])
    assert summary.lead.striptags() == (
        "supervised has the lowest expected calibration error, 0.079 with all labels (lower is "
        "better; biased upwards, for orientation only)."
    )
    assert [part.striptags()[:15] for part in summary.more] == ["Pretraining lcd"]


def test_blocks_of_an_error_tell_the_script_that_low_is_best(sample_board: Builder) -> None:
    board = sample_board()
    assert "data-low" not in render_page(board).split("</head>")[1]
    error = as_error(board)
    blocks = make_blocks(comparisons(error.rows), assign_looks(error.rows))
    assert render_page(error).split("</head>")[1].count("data-low") == len(blocks) == 6


def recipes(board: Leaderboard, **random: Any) -> Leaderboard:
    """Everything pretrained under two recipes, `best` a little better; baselines under one."""
    rows: list[Row] = []
    for row in board.rows:
        if row.kind == "pretraining":
            better = {"mean": row.mean + 0.01, "tied_with": (), "recipe": "best"}
            rows += [row.model_copy(update={"recipe": "paper"}), row.model_copy(update=better)]
        else:
            rows.append(row)
    return board.model_copy(
        update={
            "rows": tuple(rows),
            "recipes": {"paper": {}, "best": {"data": {"normalisation": "lead"}}},
        }
    )


def test_recipes_are_lines_with_a_select_box_and_their_settings(sample_board: Builder) -> None:
    board = recipes(sample_board())
    entries = entries_of(comparisons(board.rows), board.rows)
    told = {(e.row.method, e.row.recipe): e.source for e in entries}
    assert told["lcd", "best"] == "best"
    assert told["lcd", "paper"] == "paper"
    assert told["random", ""] == ""
    facet = next(f for f in make_facets(comparisons(board.rows)) if f.key == "recipe")
    assert set(facet.options) == {"paper", "best"}
    place = make_facets(comparisons(board.rows)).index(facet)
    shown = {(e.row.method, e.row.recipe): e.facets[place] for e in entries}
    assert shown["random", ""] == shown["supervised", ""] == ANY
    assert shown["lcd", "paper"] != shown["lcd", "best"]
    assert facet.chosen is None  # lines of one comparison: all are shown at first
    text = text_of(board)
    assert "lcd (best)" in text
    assert "What best changes Setting Value data.normalisation lead" in text
    assert "paper Changes nothing" in text
    plain = render_page(sample_board())
    assert 'id="recipes"' not in plain
    assert 'data-key="recipe"' not in plain


def test_leads_make_comparisons_of_their_own(sample_board: Builder) -> None:
    board = sample_board()
    single = tuple(row.model_copy(update={"leads": HOSTILE}) for row in board.rows)
    both = board.model_copy(update={"rows": (*board.rows, *single)})
    assert len(comparisons(both.rows)) == 2 * len(comparisons(board.rows))
    facet = next(f for f in make_facets(comparisons(both.rows)) if f.key == "leads")
    assert facet.options == ("all leads", f"leads {HOSTILE}")
    assert facet.chosen == 0
    source = render_page(both)
    assert HOSTILE not in source
    assert "linear, leads &lt;script&gt;" in source
    assert 'data-key="leads"' in source
    assert 'data-key="leads"' not in render_page(board)
    assert "all leads" not in render_page(board)


def test_supervised_stands_beside_every_pretraining_dataset(sample_board: Builder) -> None:
    rows = []
    for row in sample_board().rows:
        if row.kind == "supervised":
            rows.append(row.model_copy(update={"pretrain_dataset": ""}))
        else:
            rows += [row, row.model_copy(update={"pretrain_dataset": "mimic"})]
    groups = comparisons(rows)
    facets = make_facets(groups)
    place = [facet.key for facet in facets].index("source")
    assert facets[place].options == ("ptbxl", "mimic")
    values = {
        (e.row.method, e.row.pretrain_dataset): e.facets[place] for e in entries_of(groups, rows)
    }
    assert values["supervised", ""] == ANY
    assert (values["lcd", "ptbxl"], values["lcd", "mimic"]) == (0, 1)


def test_random_to_beat_is_the_one_that_was_tested(sample_board: Builder) -> None:
    """Recipes prepare the records in two ways; `gamma` has the records of `paper`."""
    sample = sample_board().rows
    rows: list[Row] = []
    for row in sample:
        if row.kind == "random":  # that of other records is far better
            rows.append(row.model_copy(update={"recipe": "paper"}))
            rows.append(row.model_copy(update={"recipe": "lead", "mean": row.mean + 0.05}))
        elif row.method == "lcd":
            rows.append(
                row.model_copy(update={"recipe": "gamma", "compared_random": "random (paper)"})
            )
        elif row.method == "simclr":
            rows.append(row.model_copy(update={"recipe": "third", "compared_random": None}))
        elif row.kind == "supervised":
            rows.append(row.model_copy(update={"compared_random": "random (lead)"}))
    group = comparisons(rows)[0]
    few = {row.method: row for row in group.select("auroc", 0.01) if row.kind != "random"}
    for method, mean in (("lcd", 0.744), ("supervised", 0.744 + 0.05)):
        found = group.own_random(few[method], group.select("auroc", 0.01))
        assert found is not None
        assert (found.mean, found.label_fraction) == (pytest.approx(mean), 0.01)
    assert group.own_random(few["simclr"], group.select("auroc", 0.01)) is None
    entries = {
        e.row.method: e.over_random
        for e in entries_of([group], rows)
        if e.row.metric == "auroc" and e.row.label_fraction == 1
    }
    assert entries["lcd"] == pytest.approx(0.912 - 0.836)
    assert entries["supervised"] == pytest.approx(0.921 - 0.886)
    assert (entries["simclr"], entries["random"]) == (None, None)
    more = " ".join(part.striptags() for part in summarise(group).more)
    assert "lcd (gamma) beats the untrained encoder random (paper) (0.836) by 0.076." in more


def test_a_mean_without_rare_classes_is_told_only_where_there_is_one(sample_board: Builder) -> None:
    board = sample_board()
    classes = tuple(board.rows[0].per_class)

    def text(mean: float, rare: tuple[str, ...]) -> str:
        changes = {"mean_without_rare": mean, "rare_classes": rare}
        rows = tuple(row.model_copy(update=changes) for row in board.rows)
        return text_of(board.model_copy(update={"rows": rows}))

    one = text(0.875, ("HYP",))
    assert re.search(r"\] 0.875 ", one)
    assert "macro AUROC 1 rare class (HYP)" in one
    assert "a second mean leaves them out" in one
    every = text(math.nan, classes)
    assert "Without rare" not in every
    assert "second mean" not in every


def test_spread_over_label_subsets_has_a_column_where_known(sample_board: Builder) -> None:
    board = sample_board()
    rows = tuple(row.model_copy(update={"label_seed_std": 0.0123}) for row in board.rows)
    text = text_of(board.model_copy(update={"rows": rows}))
    assert "\u00b1 0.012" in text
    assert "over the label subsets of one encoder" in text
    none = tuple(row.model_copy(update={"label_seed_std": None}) for row in board.rows)
    assert "Label subsets" not in text_of(board.model_copy(update={"rows": none}))


def pair(a: str, b: str, **changes: Any) -> Pair:
    fields: dict[str, Any] = {
        "dataset": "ptbxl",
        "task": "superclass",
        "encoder": "vgg16_1d",
        "protocol": "linear",
        "label_fraction": 1.0,
        "metric": "auroc",
        "a": a,
        "b": b,
        "difference": 0.0123,
        "ci_low": -0.004,
        "ci_high": 0.028,
        "p": 0.021,
        "p_holm": 0.126,
    }
    return Pair(**{**fields, **changes})


def test_pairs_of_the_largest_fraction_and_first_metric_are_listed(sample_board: Builder) -> None:
    pairs = (
        pair("lcd", "simclr"),
        pair("lcd", HOSTILE, difference=-0.2, p=0.0002, p_holm=0.0012),
        pair("byol", "few", label_fraction=0.1),
        pair("byol", "other", metric="f1"),
    )
    board = sample_board(pairs=pairs)
    source, text = render_page(board), text_of(board)
    assert HOSTILE not in source
    assert "All 2 pairs with all labels" in text
    assert "lcd simclr +0.012 [\u22120.004, +0.028] \u2013 0.021 0.13" in text
    differing = f"lcd {HOSTILE} \u22120.200 [\u22120.004, +0.028] \u2013 < 0.001 0.001 differ"
    assert text.index(differing) < text.index("lcd simclr +0.012")  # smallest p first
    assert "few" not in text.split("All 2 pairs")[1].split("Training")[0].split()
    assert " pairs with " not in text_of(sample_board(pairs=()))


def test_pairs_tell_the_spread_over_seeds_and_leave_out_an_interval_that_is_not_there(
    sample_board: Builder,
) -> None:
    pairs = (
        pair("lcd", "simclr", seed_std=0.0042),
        pair("lcd", "byol", ci_low=math.nan, ci_high=math.nan, p=0.2, p_holm=0.4),
    )
    text = text_of(sample_board(pairs=pairs))
    assert "95% interval Over seeds p p after Holm" in text
    assert "lcd simclr +0.012 [\u22120.004, +0.028] \u00b1 0.004 0.021 0.13" in text
    assert "lcd byol +0.012 \u2013 \u2013 0.20 0.40" in text


def test_how_to_read_tells_what_rank_tie_interval_and_spread_are(sample_board: Builder) -> None:
    text = text_of(sample_board())
    read = text[text.index("How to read") : text.index("Leaderboard", text.index("How to read"))]
    assert "number of methods that are better by the paired permutation test" in read
    assert "after Holm over all pairs of one label fraction and metric" in read
    assert "cannot be told apart from another one, whatever the ranks of the two" in read
    assert "of the same rank" not in read
    assert "speak of test patients only" in read
    assert "hold the trained encoders and the label subsets as they are" in read
    assert "Standard deviation over pretraining seeds" in read
