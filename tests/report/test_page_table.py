from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import assign_looks, class_table, cost_front, interval_bar
from lcd_plugin.report.model import Leaderboard, Pair, Row
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page_groups import comparisons, own_random
from lcd_plugin.report.page_summary import summarise
from lcd_plugin.report.page_table import ANY, make_entries, make_facets

Builder = Callable[..., Leaderboard]
HOSTILE = "<script>alert(1)</script>"


def as_error(board: Leaderboard) -> Leaderboard:
    """The board with AUROC alone, as if it were an error: one minus it."""
    rows = tuple(
        row.model_copy(
            update={
                "metric": "ece",
                "mean": 1 - row.mean,
                "ci_low": 1 - row.ci_high,
                "ci_high": 1 - row.ci_low,
            }
        )
        for row in board.rows
        if row.metric == "auroc"
    )
    return board.model_copy(update={"rows": rows})


def text_of(board: Leaderboard) -> str:
    source = render_page(board)
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def test_an_error_is_ordered_the_other_way(sample_board: Builder) -> None:
    board = sample_board()
    plain, turned = (comparisons(b.rows)[0] for b in (board, as_error(board)))
    order = [row.method for row in plain.select("auroc", 1.0)]
    shuffled = turned.__class__(**{**vars(turned), "rows": turned.rows[::-1]})
    assert [row.method for row in shuffled.select("ece", 1.0)] == order


def test_being_over_random_is_being_lower_for_an_error(sample_board: Builder) -> None:
    board = sample_board()
    gains = [
        {
            (e.row.method, e.row.label_fraction): e.over_random
            for e in make_entries(comparisons(b.rows)[:1], assign_looks(b.rows))
            if e.row.metric in {"auroc", "ece"} and e.over_random is not None
        }
        for b in (board, as_error(board))
    ]
    assert gains[0]["lcd", 1.0] == pytest.approx(0.912 - 0.836)
    assert gains[1] == pytest.approx(gains[0])
    assert "it says how much lower it is" in text_of(as_error(board))
    assert "how much lower" not in text_of(board)


def test_bars_of_an_error_are_turned_round(sample_board: Builder) -> None:
    row = next(r for r in as_error(sample_board()).rows if r.method == "lcd")
    look = assign_looks([row])["lcd"]

    def dot(mean: float, metric: str) -> float:
        one = row.model_copy(update={"mean": mean, "metric": metric})
        node = next(ElementTree.fromstring(interval_bar(one, 0.0, 1.0, look, 0.5)).iter("circle"))
        return float(node.attrib["cx"])

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


def test_summary_of_an_error_speaks_of_the_lowest(sample_board: Builder) -> None:
    summary = summarise(comparisons(as_error(sample_board()).rows)[0])
    text = " ".join(part.striptags() for part in (summary.lead, *summary.more))
    assert "supervised has the lowest expected calibration error, 0.079" in text
    assert "lcd beats the untrained encoder of random (0.164) by 0.076." in text
    assert "highest" not in text


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
    entries = make_entries(comparisons(board.rows), assign_looks(board.rows))
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
    assert 'class="c-leads"' in source
    assert 'class="c-leads"' not in render_page(board)
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
        (e.row.method, e.row.pretrain_dataset): e.facets[place]
        for e in make_entries(groups, assign_looks(rows))
    }
    assert values["supervised", ""] == ANY
    assert (values["lcd", "ptbxl"], values["lcd", "mimic"]) == (0, 1)


def test_random_of_the_same_recipe_is_the_one_to_beat(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].select("auroc", 1.0)
    lcd, random = (next(r for r in rows if r.method == name) for name in ("lcd", "random"))
    best = random.model_copy(update={"recipe": "best", "mean": 0.7})
    paper = random.model_copy(update={"recipe": "paper"})
    assert own_random(lcd.model_copy(update={"recipe": "best"}), [paper, best]) == best
    assert own_random(lcd.model_copy(update={"recipe": "paper"}), [best, paper]) == paper
    assert own_random(lcd.model_copy(update={"recipe": "third"}), [random]) == random
    assert own_random(lcd.model_copy(update={"pretrain_dataset": "mimic"}), [random]) is None


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
    assert "lcd simclr +0.012 [\u22120.004, +0.028] 0.021 0.13" in text
    differing = f"lcd {HOSTILE} \u22120.200 [\u22120.004, +0.028] < 0.001 0.001 differ"
    assert text.index(differing) < text.index("lcd simclr +0.012")  # smallest p first
    assert "few" not in text.split("All 2 pairs")[1].split("Training")[0].split()
    assert " pairs with " not in text_of(sample_board(pairs=()))


def test_ties_are_explained_by_the_permutation_test(sample_board: Builder) -> None:
    text = text_of(sample_board())
    assert "better by the paired permutation test over patients, corrected after Holm" in text
