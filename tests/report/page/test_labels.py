from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from lcd_plugin.report.figures import assign_looks, factor_figure, series_of, words
from lcd_plugin.report.model import LabelFactor, Leaderboard, Row
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page.groups import comparisons
from lcd_plugin.report.page.labels import factor_views, labels_saved
from lcd_plugin.report.page.summary import summarise

Builder = Callable[..., Leaderboard]
HOSTILE = "<script>alert(1)</script>"


def factor(method: str = "lcd", fraction: float = 0.01, **changes: Any) -> LabelFactor:
    fields: dict[str, Any] = {
        "dataset": "ptbxl",
        "task": "superclass",
        "encoder": "vgg16_1d",
        "protocol": "linear",
        "method": method,
        "recipe": "",
        "pretrain_dataset": "ptbxl",
        "name": method,
        "baseline": "supervised",
        "label_fraction": fraction,
        "n_labels": round(fraction * 17111),
        "factor": 7.0,
        "ci_low": 3.0,
        "ci_high": 10.0,
        "bound": "exact",
        "low_bound": "exact",
        "high_bound": "more",
    }
    return LabelFactor(**{**fields, **changes})


def sentence(one: LabelFactor, rows: tuple[Row, ...]) -> str:
    best = next(row for row in rows if row.method == "lcd" and row.task == "superclass")
    said = labels_saved(best, [one], Markup("lcd"))
    return said[0].striptags() if said else ""


def test_factors_are_written_with_their_bounds() -> None:
    assert words.times(3.24, "exact") == "3.2\u00d7"
    assert words.times(10.0, "more") == "more than 10\u00d7"
    assert words.times(0.5, "less") == "less than 0.5\u00d7"
    assert words.number(9.97) == "10"
    assert words.number(1711.2) == "1,711"
    assert (
        words.factor_interval(factor(ci_low=1.1, ci_high=8.4, high_bound="exact")) == "[1.1, 8.4]"
    )
    assert words.factor_interval(factor(ci_low=0.5, low_bound="less")) == "[< 0.5, > 10]"
    # All of the interval beyond the curve: the bound of the factor itself says it.
    assert words.factor_interval(factor(ci_low=10, low_bound="more", bound="more")) == ""


def test_sentence_gives_the_interval(sample_board: Builder) -> None:
    rows = sample_board().rows
    assert sentence(factor(), rows) == (
        "At 1% of the labels (171 records) lcd is worth 7 times as many labels of training from "
        "scratch, 95% interval 3 to more than 10."
    )


def test_sentence_says_what_is_not_settled(sample_board: Builder) -> None:
    rows = sample_board().rows
    unsure = sentence(factor(factor=1.4, ci_low=0.6, ci_high=3.1, high_bound="exact"), rows)
    assert unsure.endswith("95% interval 0.6 to 3.1, so it is not settled that it saves any.")
    worse = sentence(factor(factor=0.5, ci_low=0.3, ci_high=0.8, high_bound="exact"), rows)
    assert worse.endswith(", so it saves none.")
    beyond = sentence(factor(factor=10, bound="more", ci_low=10, low_bound="more"), rows)
    assert "worth more than 10 times as many" in beyond
    assert beyond.endswith("with its whole 95% interval more than 10.")


def test_an_end_at_one_counts_on_the_side_of_its_bound(sample_board: Builder) -> None:
    rows = sample_board().rows
    below = {"factor": 1.0, "bound": "less", "ci_low": 1.0, "ci_high": 1.0}
    none = sentence(factor(**below, low_bound="less", high_bound="less"), rows)
    assert "worth less than 1 times" in none
    assert none.endswith("with its whole 95% interval less than 1, so it saves none.")
    open_ = sentence(factor(**below, low_bound="less", high_bound="exact"), rows)
    assert open_.endswith("not settled that it saves any.")
    # With all labels: above the whole curve; the division may miss 1 by its last digit.
    above = {"factor": 1.0, "bound": "more", "ci_low": 1 - 1e-16 - 1e-16, "ci_high": 1.0}
    assert above["ci_low"] < 1
    saves = sentence(factor(**above, low_bound="more", high_bound="more"), rows)
    assert saves.endswith("with its whole 95% interval more than 1.")


def test_a_bound_that_points_across_one_leaves_it_open(sample_board: Builder) -> None:
    rows = sample_board().rows
    # The curve of the baseline ends below, or begins above, the labels of the method.
    short = factor(factor=0.5, bound="more", ci_low=0.3, ci_high=0.5, high_bound="more")
    assert sentence(short, rows).endswith("not settled that it saves any.")
    late = factor(factor=2, bound="less", ci_low=2, low_bound="less", ci_high=3)
    assert sentence(late, rows).endswith("not settled that it saves any.")


def test_factor_without_an_interval_stands_alone(sample_board: Builder) -> None:
    group = comparisons(sample_board().rows)[0]
    one = factor(ci_low=math.nan, ci_high=math.nan)
    assert sentence(one, group.rows).endswith(
        "lcd is worth 7 times as many labels of training from scratch."
    )
    assert words.factor_interval(one) == ""
    series = series_of(group.rows, assign_looks(group.rows))
    drawn = ElementTree.fromstring(factor_figure([one], series))
    assert [title.text for title in drawn.iter("title")] == [
        "lcd: 7\u00d7 with 1% of the labels (171 records)"
    ]
    assert not any(node.attrib["class"] == "whisker" for node in drawn.iter("line"))
    assert sentence(factor(factor=math.nan), group.rows) == ""


def test_sentence_is_of_the_best_line_with_fewest_labels(sample_board: Builder) -> None:
    group = comparisons(sample_board().rows)[0]
    factors = [
        factor(fraction=0.1, factor=2),
        factor(factor=7),
        factor(baseline="random", factor=90),
        factor("simclr", factor=5),
    ]
    more = " ".join(part.striptags() for part in summarise(group, factors).more)
    assert more.count("as many labels") == 1
    assert "lcd is worth 7 times" in more
    only_random = summarise(group, [factor(baseline="random", factor=90)]).more
    assert any("90 times as many labels of the untrained encoder" in part for part in only_random)
    assert not any("as many labels" in part for part in summarise(group).more)
    assert not any("as many labels" in part for part in summarise(group, [factor("x")]).more)


def test_figure_has_every_factor_and_an_arrow_for_every_open_end(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    series = series_of(rows, assign_looks(rows))
    factors = [
        factor(),
        factor(fraction=0.1, factor=0.4, ci_low=0.1, low_bound="less", high_bound="exact"),
        factor("simclr", high_bound="exact", ci_high=9.0),
        factor("simclr", 0.1, factor=math.nan),
    ]
    drawn = ElementTree.fromstring(factor_figure(factors, series))
    tips = [title.text or "" for title in drawn.iter("title")]
    assert "lcd: 7\u00d7 [3, > 10] with 1% of the labels (171 records)" in tips
    assert len(tips) == 3  # what is not a number is not drawn
    steps = " ".join(node.attrib["d"] for node in drawn.iter("path"))
    arrows = re.findall(r"M\S+ ([\d.]+)L\S+ ([\d.]+)L", steps)
    assert len(arrows) == 2
    (base, up), (other_base, down) = [(float(base), float(tip)) for base, tip in arrows]
    assert up < base  # "more" points upwards, and y grows downwards
    assert down > other_base
    assert factor_figure([], series) == ""


def test_axis_is_logarithmic_and_marks_one(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    series = series_of(rows, assign_looks(rows))
    spans = {"ci_low": 0.09, "ci_high": 11.0, "high_bound": "exact"}
    drawn = ElementTree.fromstring(factor_figure([factor(**spans)], series))
    height = {
        node.text: float(node.attrib["y"]) for node in drawn.iter("text") if node.text is not None
    }
    assert height["0.1\u00d7"] - height["1\u00d7"] == pytest.approx(
        height["1\u00d7"] - height["10\u00d7"], abs=0.2
    )
    reference = [node for node in drawn.iter("line") if node.attrib["class"] == "reference"]
    assert len(reference) == 1


def test_table_has_a_cell_for_every_line_and_fraction(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    series = series_of(rows, assign_looks(rows))
    factors = [factor("simclr", 0.1), factor(), factor(baseline="random")]
    first, second = factor_views(factors, series)
    assert (first.baseline, second.baseline) == ("supervised", "random")
    assert first.fractions == ((0.01, 171), (0.1, 1711))
    lcd, simclr = (next(p for p in first.lines if p.method == name) for name in ("lcd", "simclr"))
    assert [cell is None for cell in first.lines[lcd]] == [False, True]
    assert [cell is None for cell in first.lines[simclr]] == [True, False]


def test_page_shows_factors_beside_their_comparison_only(sample_board: Builder) -> None:
    board = sample_board()
    assert "Label factor" not in render_page(board)
    source = render_page(board.model_copy(update={"label_factors": (factor(), factor("simclr"))}))
    text = " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())
    assert text.count("Label factor against supervised by share of labels") == 1
    assert "lcd 7\u00d7 [3, > 10] simclr 7\u00d7 [3, > 10]" in text
    other_leads = factor(leads="II")
    alone = render_page(board.model_copy(update={"label_factors": (other_leads,)}))
    assert "7\u00d7" not in alone


def test_hostile_baseline_is_escaped(sample_board: Builder) -> None:
    board = sample_board()
    source = render_page(
        board.model_copy(update={"label_factors": (factor(baseline=HOSTILE, name=HOSTILE),)})
    )
    assert HOSTILE not in source
    assert html.escape(HOSTILE) in source
