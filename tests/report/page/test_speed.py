from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import assign_looks, series_of, speed_figure
from lcd_plugin.report.figures.svg import WIDTH
from lcd_plugin.report.model import Leaderboard, SpeedCurve
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page.groups import comparisons
from lcd_plugin.report.page.speed import speed_views

Builder = Callable[..., Leaderboard]


def curve(method: str = "lcd", **changes: Any) -> SpeedCurve:
    fields: dict[str, Any] = {
        "dataset": "ptbxl",
        "task": "superclass",
        "encoder": "vgg16_1d",
        "protocol": "linear",
        "method": method,
        "recipe": "",
        "pretrain_dataset": "ptbxl",
        "name": method,
        "share": (0.1, 0.5, 1.0),
        "seconds": (100.0, 500.0, 1000.0),
        "records": (1e5, 5e5, 1e6),
        "score": (0.80, 0.84, 0.90),
        "n_seeds": 3,
        "machine": "one GPU",
    }
    return SpeedCurve(**{**fields, **changes})


SLOW = curve("simclr", score=(0.70, 0.80, 0.85), seconds=(200.0, 1000.0, 2000.0))


def text_of(board: Leaderboard) -> str:
    source = re.sub("</?bdi>", "", render_page(board))  # isolates a name, and is no space
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def test_figure_has_every_snapshot_and_rings_the_finished_encoders(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    series = series_of(rows, assign_looks(rows))
    curves = [curve(seed_std=(0.01, 0.01, 0.0)), SLOW]
    drawn = ElementTree.fromstring(speed_figure(curves, series))
    tips = [title.text for title in drawn.iter("title")]
    assert len(tips) == 6
    assert "lcd: 0.800 after 1.7 min, 10% of the budget" in tips
    assert "simclr: 0.850 after 33.3 min, finished" in tips
    rings = [node for node in drawn.iter("circle") if node.attrib["class"] == "ring"]
    assert len(rings) == 2
    for node in drawn.iter("circle"):
        assert 0 <= float(node.attrib["cx"]) <= WIDTH
    # Spread over seeds: a stroke with two ends where there is one, nothing where it is zero.
    whiskers = [n.attrib["d"] for n in drawn.iter("path") if n.attrib["class"] == "whisker"]
    assert [(d.count("V"), d.count("h")) for d in whiskers] == [(1, 2), (1, 2)]
    assert speed_figure([], series) == ""


def test_page_names_the_machine_and_the_time_to_the_same_score(sample_board: Builder) -> None:
    text = text_of(sample_board(speed=(curve(), SLOW)))
    assert "share of its pretraining, on one GPU. The ring is the finished encoder." in text
    # simclr never gets beyond 0.85; lcd is there after 500 s + 1/6 of the last 500 s.
    assert "Pretraining until macro AUROC 0.850" in text
    assert "lcd 9.7 min 583,333 1\u00d7 simclr 33.3 min 1,000,000 3.4\u00d7" in text
    assert text.count("Time to the same score") == 1


def test_a_first_snapshot_that_is_good_enough_makes_times_bounds(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    quick = curve(score=(0.86, 0.88, 0.90))
    (view,) = speed_views([SLOW, quick], series_of(rows, assign_looks(rows)), comparisons(rows)[0])
    assert view.against_fastest == ("1\u00d7", "more than 20\u00d7")
    text = text_of(sample_board(speed=(quick, SLOW)))
    assert "lcd at most 1.7 min 100,000 1\u00d7" in text


@pytest.mark.parametrize("seconds", [(100.0, 80.0, 90.0), (100.0, 80.0, 2000.0)])
def test_no_ratio_where_the_fastest_is_not_known(
    sample_board: Builder, seconds: tuple[float, float, float]
) -> None:
    """Two lines are good enough at their first snapshot, or one is, but another is there sooner."""
    rows = comparisons(sample_board().rows)[0].rows
    first, second, until = seconds
    curves = [
        curve("byol", score=(0.70, 0.80, 0.85), seconds=(50.0, 70.0, until)),
        curve(score=(0.86, 0.88, 0.90), seconds=(first, 500.0, 1000.0)),
    ]
    if until > first:
        curves.append(curve("simclr", score=(0.86, 0.88, 0.90), seconds=(second, 500.0, 1000.0)))
    (view,) = speed_views(curves, series_of(rows, assign_looks(rows)), comparisons(rows)[0])
    assert not view.fastest_known
    assert view.against_fastest == ()
    at_most = [time.at_most for time in view.times]
    assert at_most == sorted(at_most, reverse=True)
    assert view.times[-1].curve.method == "byol"
    text = text_of(sample_board(speed=tuple(curves)))
    assert "which of these is the fastest is not known and no ratio is given" in text
    assert "Against the fastest" not in text
    assert "not known" not in text_of(sample_board(speed=(curve(), SLOW)))


def test_lines_that_learned_nothing_are_named_and_set_no_target(sample_board: Builder) -> None:
    flat = curve("vicreg", score=(0.79, 0.80, 0.80))  # `random` has 0.836
    text = text_of(sample_board(speed=(curve(), flat, SLOW)))
    assert "Pretraining until macro AUROC 0.850" in text
    assert "Left out, since they do not end above random : vicreg." in text
    assert "Left out" not in text_of(sample_board(speed=(curve(), SLOW)))
    assert "Time to the same score" not in text_of(sample_board(speed=(curve(), flat)))


def test_times_are_said_to_be_means_without_an_interval(sample_board: Builder) -> None:
    text = text_of(sample_board(speed=(curve(), SLOW)))
    assert "times of the mean over seeds, without an interval." in text


def test_machines_are_kept_apart_and_one_line_is_not_compared(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].rows
    series = series_of(rows, assign_looks(rows))
    views = speed_views(
        [curve(), SLOW.model_copy(update={"machine": "laptop"})], series, comparisons(rows)[0]
    )
    assert [view.machine for view in views] == ["one GPU", "laptop"]
    assert [view.times for view in views] == [(), ()]


def test_nothing_is_shown_without_curves(sample_board: Builder) -> None:
    for speed in ((), (curve(score=(0.8, math.nan, 0.9)),), (curve(task="other"),)):
        source = render_page(sample_board(speed=speed))
        assert "pretraining time" not in source.lower()
        assert "same score</h4>" not in source
