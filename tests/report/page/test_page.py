from __future__ import annotations

import base64
import hashlib
import itertools
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import (
    assign_looks,
    cost_figure,
    efficiency_figure,
    interval_bar,
    pareto_front,
    series_names,
    series_of,
    training_panels,
    words,
)
from lcd_plugin.report.figures.svg import WIDTH, spread
from lcd_plugin.report.model import Leaderboard, Place, Row
from lcd_plugin.report.page.groups import comparisons
from lcd_plugin.report.page.render import flatten, render_page
from lcd_plugin.report.page.summary import summarise
from lcd_plugin.report.page.table import Entry, make_blocks

Builder = Callable[..., Leaderboard]
HOSTILE = """</title></style></script><script>alert(1)</script><img src=x onerror="alert(1)">'&"""
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(re.sub("</?bdi>", "", source))  # isolates a name, and is no space
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def entries_of(board: Leaderboard) -> list[Entry]:
    blocks = make_blocks(comparisons(board.rows), assign_looks(board.rows))
    return [entry for block in blocks for entry in block.entries]


def primary(board: Leaderboard, task: str = "superclass") -> list[Row]:
    return [row for row in board.rows if row.metric == "auroc" and row.task == task]


def change(board: Leaderboard, keep: Callable[[Row], bool], **fields: object) -> Leaderboard:
    """The board with only the rows to keep, each with other fields."""
    rows = tuple(row.model_copy(update=fields) for row in board.rows if keep(row))
    return board.model_copy(update={"rows": rows})


def said(board: Leaderboard) -> str:
    """The summary of the first comparison as plain text."""
    summary = summarise(comparisons(board.rows)[0])
    return " ".join(part.striptags() for part in (summary.lead, *summary.more))


def test_page_is_one_balanced_document_that_loads_nothing(sample_board: Builder) -> None:
    source = render_page(sample_board())
    page = Page(source)
    assert source.lstrip().startswith("<!DOCTYPE html>")
    assert "http:" not in source
    assert "https:" not in source
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", source)
    for tag, attrs in page.elements:
        assert "src" not in attrs, tag
        if "href" in attrs:
            assert str(attrs["href"]).startswith(("#", "data:,")), attrs
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [str(a["href"])[1:] for a in page.all("a")]
    assert set(targets) <= set(ids)
    labelled = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert set(labelled) <= set(ids)


def test_every_row_is_in_the_page_without_script(sample_board: Builder) -> None:
    board = sample_board()
    source = render_page(board)
    table = source[source.index('id="board"') : source.index("</table>")]
    assert len(re.findall(r"<tr class=\"(?!g\")", table)) == len(board.rows)
    assert "hidden" not in table
    text = Page(table[table.index(">") + 1 :]).text
    for row in board.rows:
        assert f"{row.mean:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]" in text


def test_tables_have_captions_and_scopes(sample_board: Builder) -> None:
    page = Page(render_page(sample_board()))
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(attrs.get("scope") in {"row", "col", "rowgroup"} for attrs in page.all("th"))
    assert len(page.all("figcaption")) >= 5
    for attrs in page.all("svg"):
        assert attrs.get("aria-hidden") == "true" or attrs.get("aria-label")


def test_the_script_is_the_one_that_the_page_allows(sample_board: Builder) -> None:
    source = render_page(sample_board())
    script = source[source.index("<script>") + 8 : source.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source
    assert source.count("<script") == 1


def test_hostile_text_is_inert_everywhere(sample_board: Builder) -> None:
    board = sample_board()
    swap = {"lcd": HOSTILE, "simclr": "a\x00\x1b\ufffeb"}
    rows = tuple(
        row.model_copy(
            update={
                "method": swap.get(row.method, row.method),
                "tied_with": tuple(swap.get(m, m) for m in row.tied_with),
                "per_class": {HOSTILE + name: v for name, v in row.per_class.items()},
                "rare_classes": (HOSTILE + "MI",),
                **dict.fromkeys(("task", "dataset", "encoder", "protocol", "machine"), HOSTILE),
                "leads": HOSTILE,
                "recipe": HOSTILE if row.method == "byol" else "",
                "metric": HOSTILE if row.metric == "f1" else row.metric,
                "pretrain_dataset": HOSTILE + "2",
            }
        )
        for row in board.rows
    )
    fields = {"encoder": HOSTILE, "dataset": HOSTILE}
    hostile = board.model_copy(
        update={
            "rows": rows,
            "suite": HOSTILE,
            "created": HOSTILE,
            "curves": tuple(
                c.model_copy(update={**fields, "method": swap.get(c.method, c.method)})
                for c in board.curves
            ),
            "unfinished": tuple(
                cell.model_copy(update={"title": HOSTILE, "reason": f"{HOSTILE}\n{HOSTILE}"})
                for cell in board.unfinished
            ),
            "data": tuple(
                data.model_copy(
                    update={
                        "dataset": HOSTILE,
                        "fingerprint": HOSTILE,
                        "left_out": ((HOSTILE, HOSTILE),),
                        "settings": {HOSTILE: [HOSTILE]},
                        "tasks": {HOSTILE: {HOSTILE + "MI": 3}},
                    }
                )
                for data in board.data
            ),
            "notes": (HOSTILE,),
            "recipes": {HOSTILE: {HOSTILE: HOSTILE}},
            "provenance": {HOSTILE: {HOSTILE: HOSTILE}},
        }
    )
    source = render_page(hostile)
    page = Page(source)
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert "alert(1)</script>" not in source
    assert "alert(1)" in page.text
    looks = assign_looks(rows, hostile.curves)
    same = [row for row in rows if row.metric == "auroc"]
    for figure in (
        efficiency_figure(same, series_of(same, looks)),
        cost_figure(same, series_of(same, looks)),
    ):
        assert "alert(1)" in "".join(ElementTree.fromstring(figure).itertext())
    for panel in training_panels(hostile.curves, looks):
        ElementTree.fromstring(panel.figure)


def test_figures_are_well_formed_and_hold_every_number(sample_board: Builder) -> None:
    board = sample_board()
    looks = assign_looks(board.rows, board.curves)
    rows = primary(board)
    drawn = ElementTree.fromstring(efficiency_figure(rows, series_of(rows, looks)))
    tips = [title.text or "" for title in drawn.iter("title")]
    assert len(tips) == len(rows)
    for row in rows:
        assert any(t.startswith(f"{row.method}: {row.mean:.3f} ") for t in tips)
    top = [row for row in rows if row.label_fraction == 1]
    cost = ElementTree.fromstring(cost_figure(top, series_of(top, looks)))
    assert len(list(cost.iter("title"))) == len(top)
    for figure in (drawn, cost):
        for node in figure.iter("circle"):
            assert 0 <= float(node.attrib["cx"]) <= WIDTH
    for row in rows:
        places = [float(part.partition(":")[2]) for part in interval_bar(row, 0, 1, 0.8).split(";")]
        wanted = (row.mean, row.ci_low, row.ci_high, 0.8)
        assert places == pytest.approx([100 * value for value in wanted], abs=0.5)
    for panel in training_panels(board.curves, looks):
        ElementTree.fromstring(panel.figure)


def test_labels_of_equal_scores_do_not_collide(sample_board: Builder) -> None:
    rows = [row.model_copy(update={"mean": 0.9}) for row in primary(sample_board())]
    looks = assign_looks(rows)
    drawn = ElementTree.fromstring(efficiency_figure(rows, series_of(rows, looks)))
    heights = sorted(
        float(node.attrib["y"]) for node in drawn.iter("text") if node.attrib["class"] == "name"
    )
    assert len(heights) == 6
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 14.4


def test_spread_keeps_order_gap_and_bounds_and_moves_little() -> None:
    assert spread([10, 50, 90], 15, 0, 100) == [10, 50, 90]
    assert spread([50, 50], 20, 0, 100) == [40, 60]
    assert spread([98, 99], 20, 0, 100) == [80, 100]
    assert spread([30, 10, 31], 10, 0, 100) == pytest.approx([25.5, 10, 35.5])


def test_pareto_front_against_brute_force() -> None:
    points = [(0.0, 0.70), (5.0, 0.80), (5.0, 0.82), (9.0, 0.82), (20.0, 0.90), (30.0, 0.89)]
    assert pareto_front(points) == [0, 2, 4]

    values = [((i * 7) % 11, (i * 5) % 13) for i in range(60)]
    points = [(float(a), float(b)) for a, b in values]
    expected = set()
    for i, (cost, score) in enumerate(points):
        rivals = [p for p in points if p[0] <= cost and p[1] >= score and p != (cost, score)]
        if not rivals:
            expected.add(i)
    assert set(pareto_front(points)) == expected
    costs = [points[i][0] for i in pareto_front(points)]
    assert costs == sorted(costs)


def test_front_in_the_page_is_that_of_the_means(sample_board: Builder) -> None:
    # supervised costs less than every pretraining and scores most; random costs nothing.
    text = Page(render_page(sample_board())).text
    table = text[text.index("and cost with all labels, ptbxl · superclass, vgg16_1d") :]
    front = re.findall(r"(\w+) [\d.]+ (?:s|min) \S+ [\d.]+ \[[^]]*\] (yes|no)", table)[:6]
    assert {name for name, on in front if on == "yes"} == {"supervised", "random"}
    assert len(front) == 6


def test_time_axis_has_a_slot_for_no_time_when_it_is_logarithmic(sample_board: Builder) -> None:
    rows = [row for row in primary(sample_board()) if row.label_fraction == 1]
    looks = assign_looks(rows)
    assert "&lt; 1 s" not in cost_figure(rows, series_of(rows, looks))
    wide = [
        row.model_copy(update={"pretrain_wall_s": 50_000.0}) if row.method == "lcd" else row
        for row in rows
    ]
    drawn = cost_figure(wide, series_of(wide, looks))
    assert "&lt; 1 s" in drawn
    assert "log scale" in drawn


def test_summary_says_ties_and_differences(sample_board: Builder) -> None:
    text = said(sample_board())
    assert "supervised has the highest macro AUROC, 0.921 [" in text
    assert "but cannot be told apart from lcd." in text
    assert "lcd beats the untrained encoder random (0.836) by 0.076." in text
    assert "vicreg is not shown to beat random." in text
    assert "With 1% of the labels (171 records) lcd is ahead at 0.842" in text
    assert "0.744 for random and 0.731 for supervised." in text
    assert "Pretraining lcd took 25.2 min a seed at 1,130 records/s" in text
    assert "simclr, which it cannot be told apart from, took 18.5 min." in text


def test_summary_says_ahead_only_without_ties(sample_board: Builder) -> None:
    board = change(sample_board(), lambda r: r.method in {"lcd", "random"}, tied_with=())
    text = said(board)
    assert "lcd is ahead with a macro AUROC of 0.912" in text
    assert "told apart" not in text


def test_summary_says_when_pretraining_bought_nothing(sample_board: Builder) -> None:
    board = change(sample_board(), lambda r: r.method in {"vicreg", "random"})
    text = said(board)
    assert (
        "vicreg is not shown to beat the untrained encoder random (0.836): "
        "the difference is +0.002." in text
    )
    assert "vicreg beats" not in text
    assert "not shown to beat random" in Page(render_page(board)).text


def test_ties_and_baselines_are_marked_in_words(sample_board: Builder) -> None:
    board = sample_board()
    entries = entries_of(board)
    top = {entry.row.method: entry for entry in entries[:6]}
    standings = [words.standing(top[name].row) for name in ("supervised", "lcd", "simclr")]
    assert standings == ["1=", "1=", "2="]  # lcd and simclr are tied though their ranks differ
    assert top["lcd"].over_random == pytest.approx(0.912 - 0.836)
    assert top["random"].over_random is None
    text = Page(render_page(board)).text
    assert "supervised baseline tied with lcd" in text
    assert "vicreg not shown to beat random tied with random" in text


def test_page_without_rows_says_so(sample_board: Builder) -> None:
    page = Page(render_page(sample_board(rows=(), curves=())))
    assert "No results yet." in page.text
    assert "the loss is not finite after update 212" in page.text
    assert "Leaderboard" not in page.text
    empty = Leaderboard(suite="x", created="2025-01-01T00:00:00Z", rows=())
    assert "nothing to compare" in Page(render_page(empty)).text


def test_page_with_one_method_one_seed_one_fraction(sample_board: Builder) -> None:
    board = change(
        sample_board(),
        lambda r: r.method == "lcd" and r.label_fraction == 1 and r.metric == "auroc",
        seed_std=None,
        n_seeds=1,
        rank=1,
        tied_with=(),
        beats_random=None,
        records_per_s=None,
        peak_memory_mb=None,
        updates=None,
    )
    page = Page(render_page(board))
    assert "Only lcd has a result" in page.text
    assert "one seed" in page.text
    assert "±" not in page.text.split("Leaderboard", 2)[2].split("Machine:")[0]
    assert "random baseline has no result here" in page.text


def test_page_without_random_does_not_claim_a_gain(sample_board: Builder) -> None:
    board = change(sample_board(), lambda r: r.method != "random", beats_random=None)
    text = said(board)
    assert "random baseline has no result here, so nothing shows" in text
    assert "beats" not in text
    Page(render_page(board))


def test_other_random_is_no_comparison_and_no_sentence(sample_board: Builder) -> None:
    board = change(sample_board(), lambda r: True, beats_random=None, compared_random=None)
    text = said(board)
    assert "untrained encoder" not in text
    assert "beat" not in text
    assert "no result here" not in text  # there is a `random`, of other data
    entries = entries_of(board)
    assert {entry.over_random for entry in entries} == {None}
    assert not any("--r" in entry.bar for entry in entries)


def test_two_machines_are_not_compared_in_time(sample_board: Builder) -> None:
    rows = tuple(
        row.model_copy(update={"machine": "laptop, 2 cores"}) if row.method == "byol" else row
        for row in sample_board().rows
    )
    board = sample_board().model_copy(update={"rows": rows})
    page = Page(render_page(board))
    assert "The rows come from 2 machines." in page.text
    assert "times cannot be compared" in page.text
    assert "told apart from, took" not in page.text
    costs = [a["aria-label"] or "" for a in page.all("svg") if "wall-time" in str(a)]
    assert any("for supervised, lcd, simclr" in label for label in costs)
    assert not any("for byol." in label for label in costs)  # alone there, with nothing beside it
    assert not any("byol" in label and "lcd" in label for label in costs)
    assert "2 machines" not in Page(render_page(sample_board())).text


def test_numbers_that_are_not_finite_do_not_break_the_page(sample_board: Builder) -> None:
    nan = math.nan
    board = sample_board()
    rows = tuple(
        row.model_copy(update={"mean": nan, "ci_low": nan, "ci_high": nan})
        if row.method == "byol"
        else row
        for row in board.rows
    )
    curves = tuple(
        curve.model_copy(update={"loss": (1.0, nan, nan), "epoch": (1.0, 2.0, 3.0)})
        if curve.method == "byol"
        else curve
        for curve in board.curves
    )
    source = render_page(board.model_copy(update={"rows": rows, "curves": curves}))
    assert "loss is not a finite number in seed 0, 1, 2" in Page(source).text
    assert not re.search(r"\bnan\b", source)


def test_training_panels_are_told_apart_by_recipe(sample_board: Builder) -> None:
    curves = sample_board().curves
    both = [c.model_copy(update={"recipe": name}) for name in ("paper", "best") for c in curves]
    looks = assign_looks(sample_board().rows, curves)
    panels = training_panels(both, looks)
    assert len(panels) == 2 * len(training_panels(curves, looks))
    assert {panel.name for panel in panels if panel.method == "lcd"} == {
        "lcd (paper)",
        "lcd (best)",
    }
    assert all(len({curve.recipe for curve in panel.curves}) == 1 for panel in panels)


def test_collapse_is_said_in_words(sample_board: Builder) -> None:
    assert "features look collapsed in seed 2" in Page(render_page(sample_board())).text


def test_a_method_keeps_its_look_when_ranks_change(sample_board: Builder) -> None:
    rows = sample_board().rows
    looks = assign_looks(rows)
    assert assign_looks(reversed(rows)) == looks
    pretraining = [look for look in looks.values() if not look.baseline]
    assert len({(look.css, look.shape) for look in pretraining}) == 4
    assert looks["random"].baseline


def test_values_are_written_for_people() -> None:
    assert [words.duration(s) for s in (0, 0.4, 42, 750, 11520)] == [
        "0 s",
        "0.4 s",
        "42 s",
        "12.5 min",
        "3.2 h",
    ]
    assert words.difference(-0.0123) == "\u22120.012"
    assert words.share(0.001) == "0.1%"
    assert words.memory(None) == "n/a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    nested = {"a": {"b": [1, 2]}, "c": [{"d": None}], "e": {}}
    assert list(flatten({"argv": ["run", "a b"]})) == [("argv", "run 'a b'")]
    assert list(flatten(nested)) == [("a.b", "1, 2"), ("c.0.d", "none"), ("e", "none")]


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_a_metric_that_is_missing_with_all_labels(sample_board: Builder, metric: str) -> None:
    board = change(sample_board(), lambda r: r.metric != metric or r.label_fraction < 1)
    assert ("with 10% of the labels" in said(board)) == (metric == "auroc")
    Page(render_page(board))


def two_sources(board: Leaderboard, task: str = "superclass") -> Leaderboard:
    """The board as if all but `supervised` had also been pretrained on MIMIC, a little worse."""
    rows = [row for row in board.rows if row.task == task]
    named = [
        row.model_copy(
            update={
                "tied_with": tuple(
                    name if name == "supervised" else f"{name} (pretrained on ptbxl)"
                    for name in row.tied_with
                ),
                "pretrain_dataset": "" if row.kind == "supervised" else "ptbxl",
                "compared_random": row.compared_random and "random (calibrated on ptbxl)",
            }
        )
        for row in rows
    ]
    other = [
        row.model_copy(
            update={
                "pretrain_dataset": "mimic",
                "mean": row.mean - 0.1,
                "ci_low": row.ci_low - 0.1,
                "ci_high": row.ci_high - 0.1,
                "rank": row.rank + 6,
                "tied_with": (),
                "compared_random": row.compared_random and "random (calibrated on mimic)",
            }
        )
        for row in rows
        if row.kind != "supervised"
    ]
    return board.model_copy(update={"rows": (*named, *other)})


def test_many_ties_are_told_in_short(sample_board: Builder) -> None:
    board = sample_board()
    others = [f"method{i}" for i in range(9)]
    lines = [board.rows[0].model_copy(update={"method": m, "tied_with": ()}) for m in others]

    def told(*tied: str) -> tuple[str, str]:
        first = lines[0].model_copy(update={"tied_with": tied})
        rows = board.model_copy(update={"rows": (first, *lines[1:])})
        entry = next(e for e in entries_of(rows) if e.row.method == "method0")
        return entry.tied.striptags(), entry.ties

    assert told(*others[1:3]) == ("method1 and method2", "")
    assert told(*others[1:]) == ("all others", "")
    assert told(*others[1:7]) == ("all but method7 and method8", "")
    assert told(*others[1:6])[0] == "all but method6, method7 and method8"
    assert told(*others[1:5], "elsewhere")[0] == "5 others"
    more = [f"method{i}" for i in range(9, 12)]
    lines += [lines[0].model_copy(update={"method": m}) for m in more]
    text, places = told(*others[1:7])
    assert text == "6 others"
    order = [entry.row.method for entry in entries_of(board.model_copy(update={"rows": lines}))]
    first = order.index("method1")
    assert order[first : first + 6] == others[1:7]
    assert places == f"{first}-{first + 5}"  # looked up on hovering


def test_page_tells_pretraining_datasets_apart(sample_board: Builder) -> None:
    board = two_sources(sample_board())
    text = Page(render_page(board)).text
    assert "lcd pretrained on mimic" in text  # in the leaderboard, below the name
    assert "random baseline calibrated on ptbxl" in text
    assert "tied with lcd (pretrained on ptbxl)" in text
    assert "supervised (" not in text.replace("supervised (from scratch", "")
    assert "lcd (pretrained on ptbxl) beats the untrained encoder random (calibrated" in text
    entries = entries_of(board)
    gains = {(e.row.method, e.row.pretrain_dataset): e.over_random for e in entries[:11]}
    # Each over the random encoder of its own records: the same gain, though scores differ.
    assert gains["lcd", "mimic"] == pytest.approx(gains["lcd", "ptbxl"])
    assert gains["supervised", ""] == pytest.approx(0.921 - 0.836)


def test_figures_draw_a_line_for_each_pretraining_dataset(sample_board: Builder) -> None:
    rows = primary(two_sources(sample_board()))
    looks = assign_looks(rows)
    series = series_of(rows, looks)
    ptbxl, mimic = (series[Place("lcd", "", source)].look for source in ("ptbxl", "mimic"))
    assert ptbxl.css == mimic.css
    assert ptbxl.shape != mimic.shape
    drawn = ElementTree.fromstring(efficiency_figure(rows, series_of(rows, looks)))
    tips = [title.text or "" for title in drawn.iter("title")]
    assert len(tips) == len(rows) == 33
    assert sum(t.startswith("lcd (pretrained on mimic): ") for t in tips) == 3
    # One machine's or one fraction's rows are called as in the whole comparison.
    few = [row for row in rows if row.pretrain_dataset == "ptbxl" and row.label_fraction == 1]
    cost = cost_figure(few, series_of(rows, looks))
    assert "lcd (pretrained on ptbxl): " in cost
    assert "lcd: " in cost_figure(few, series_of(few, looks))


def test_one_foreign_pretraining_dataset_is_told(sample_board: Builder) -> None:
    board = change(sample_board(), lambda row: row.kind != "supervised", dataset="ludb")
    names = set(series_names(comparisons(board.rows)[0].rows).values())
    assert "lcd (pretrained on ptbxl)" in names
    assert "random (calibrated on ptbxl)" in names
    own = series_names(comparisons(sample_board().rows)[0].rows)
    assert set(own.values()) == {"lcd", "simclr", "byol", "vicreg", "random", "supervised"}


def test_classes_that_were_left_out_are_marked(sample_board: Builder) -> None:
    board = sample_board()
    data = board.data[0].model_copy(update={"classes_left_out": {"superclass": ("HYP",)}})
    assert "left out" not in Page(render_page(board)).text.split("Classes")[-1].split("Notes")[0]
    text = Page(render_page(board.model_copy(update={"data": (data,)}))).text
    assert "HYP left out 2,649" in text
