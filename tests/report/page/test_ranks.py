from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import rank_groups, ranks_figure
from lcd_plugin.report.figures.svg import WIDTH
from lcd_plugin.report.model import AverageRanks, Leaderboard
from lcd_plugin.report.page import render_page

Builder = Callable[..., Leaderboard]
HOSTILE = "<script>alert(1)</script>"


def ranks(**changes: Any) -> AverageRanks:
    fields: dict[str, Any] = {
        "encoder": "vgg16_1d",
        "protocol": "linear",
        "label_fraction": None,
        "metric": "auroc",
        "comparisons": tuple(f"cohort{i} / rhythm" for i in range(12)),
        "names": ("lcd", "simclr", "byol", "random"),
        "average_rank": (1.2, 2.0, 3.1, 3.7),
        "friedman_p": 0.0002,
        "critical_difference": 1.2,
    }
    return AverageRanks(**{**fields, **changes})


def text_of(board: Leaderboard) -> str:
    source = re.sub("</?bdi>", "", render_page(board))  # isolates a name, and is no space
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def test_diagram_puts_ranks_in_proportion_and_bars_over_groups() -> None:
    one = ranks()
    drawn = ElementTree.fromstring(ranks_figure(one, {}))
    tips = [title.text for title in drawn.iter("title")]
    assert tips == [
        f"{name}: average rank {rank:.2f}"
        for name, rank in zip(one.names, one.average_rank, strict=True)
    ]
    drops = [node for node in drawn.iter("polyline") if node.attrib["class"] == "drop"]
    at = [float(node.attrib["points"].split(",")[0]) for node in drops]
    unit = (at[3] - at[0]) / (3.7 - 1.2)
    assert at[1] - at[0] == pytest.approx(0.8 * unit, abs=0.1)
    # Within 1.2 of each other: lcd and simclr, simclr and byol, byol and random.
    bars = [
        (float(node.attrib["x1"]), float(node.attrib["x2"]))
        for node in drawn.iter("line")
        if node.attrib["class"] == "clique"
    ]
    assert [(a + 5, b - 5) for a, b in bars] == [
        pytest.approx((at[i], at[i + 1]), abs=0.2) for i in range(3)
    ]
    for node in drawn.iter("text"):
        assert 0 <= float(node.attrib["x"]) <= WIDTH


def test_names_are_left_and_right_and_no_two_share_a_place() -> None:
    names = tuple("abcdefg")
    one = ranks(names=names, average_rank=tuple(map(float, range(1, 8))))
    drawn = ElementTree.fromstring(ranks_figure(one, {}))
    placed = [
        (node.text, node.attrib.get("text-anchor", "start"), node.attrib["y"])
        for node in drawn.iter("text")
        if node.attrib["class"] == "name"
    ]
    assert [name for name, anchor, _ in placed if anchor == "end"] == list("abcd")
    assert [name for name, anchor, _ in placed if anchor == "start"] == list("efg")
    assert len({(anchor, y) for _, anchor, y in placed}) == 7


def test_groups_are_those_within_the_critical_difference() -> None:
    assert rank_groups(ranks()) == [("lcd", "simclr"), ("simclr", "byol"), ("byol", "random")]
    assert rank_groups(ranks(critical_difference=0.1)) == []
    assert rank_groups(ranks(critical_difference=9.0)) == [ranks().names]


def test_page_tells_friedman_and_warns_of_few_comparisons(sample_board: Builder) -> None:
    text = text_of(sample_board(ranks=(ranks(),)))
    assert "Friedman test that all are equal: p < 0.001." in text
    assert "can hardly tell" not in text
    assert "byol 3.10 simclr and random" in text
    few = ranks(
        comparisons=("ptbxl / superclass", "ptbxl / rhythm"),
        friedman_p=None,
        critical_difference=3.32,
    )
    text = text_of(sample_board(ranks=(few,)))
    assert "Only 2 comparisons are behind these ranks." in text
    assert "can hardly tell anything apart" in text
    assert "No Friedman test that all are equal is given: below five comparisons" in text
    assert "same records are not independent, so the critical difference is too sure" in text
    chance = text_of(sample_board(ranks=(ranks(friedman_p=0.0756),)))
    assert "p = 0.076, so the differences may all be chance." in chance
    two = ranks(names=("lcd", "random"), average_rank=(1.0, 2.0), friedman_p=None)
    assert "Friedman" not in text_of(sample_board(ranks=(two,)))


def test_page_names_the_lines_that_are_not_in_every_comparison(sample_board: Builder) -> None:
    text = text_of(sample_board(ranks=(ranks(left_out=("vicreg", "supervised")),)))
    assert "not in every one of these comparisons: vicreg and supervised." in text
    assert "Left out" not in text_of(sample_board(ranks=(ranks(),)))


def test_further_diagrams_are_folded_and_none_is_no_section(sample_board: Builder) -> None:
    source = render_page(sample_board(ranks=(ranks(), ranks(label_fraction=0.1), ranks())))
    assert "2 more: other settings" in source
    assert source.count('class="ranks"') == 3
    assert "Average ranks" not in render_page(sample_board())


def test_hostile_names_are_escaped(sample_board: Builder) -> None:
    one = ranks(
        names=(HOSTILE, "simclr", "byol", "random"),
        comparisons=(HOSTILE,),
        encoder=HOSTILE,
        metric=HOSTILE,
    )
    source = render_page(sample_board(ranks=(one,)))
    assert HOSTILE not in source
    assert html.escape(HOSTILE) in source
