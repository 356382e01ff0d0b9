"""What the figures with a score axis share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.items import has_interval
from lcd_plugin.report.figures.looks import Series
from lcd_plugin.report.model import Row

LABEL_GAP = 14.5  # between the names of two lines, in pixels


@dataclass(frozen=True)
class Frame:
    """The plotting area inside a figure, in pixels."""

    height: float
    left: float
    right: float
    top: float
    bottom: float


def frame() -> Frame:
    """The plotting area of a figure whose names stand inside it."""
    return Frame(height=270, left=38, right=svg.WIDTH - 10, top=24, bottom=222)


def frame_with_names(series: Sequence[Series]) -> Frame:
    """The plotting area, with a right margin for the names at the ends of the lines."""
    longest = max(len(one.label) for one in series)
    margin = min(max(72.0, longest * svg.CHARACTER + 18), 124.0)
    height = max(270.0, LABEL_GAP * len(series) + 84)
    return Frame(height, 38, svg.WIDTH - margin, 24, height - 50)


def drawable(row: Row) -> bool:
    """Whether the numbers of a row have a place on a finite axis."""
    return math.isfinite(row.mean) and math.isfinite(row.pretrain_wall_s)


def row_values(rows: Sequence[Row]) -> list[float]:
    """What the score axis of some rows must hold: their means, and intervals where there are."""
    spans = [(row.ci_low, row.ci_high) for row in rows if has_interval(row)]
    return [*(row.mean for row in rows), *(end for span in spans for end in span)]


def score_scale(values: Sequence[float], frame: Frame) -> svg.Scale:
    """The score axis: all values and a little air, not from zero."""
    low, high = min(values), max(values)
    air = max((high - low) * 0.05, 0.005)
    return svg.Scale(low - air, high + air, frame.bottom, frame.top)


def score_axis(scale: svg.Scale, frame: Frame, title: str) -> Markup:
    """Grid lines with their scores, and the name of the metric on top, where it reads level."""
    shown = svg.ticks(scale.low, scale.high)
    grid = [svg.line(frame.left, scale(v), frame.right, scale(v), "grid") for v in shown]
    names = [
        svg.text(frame.left - 8, scale(v) + 4, svg.tick_text(v, shown), "tick", "end")
        for v in shown
    ]
    return Markup("").join([*grid, *names, svg.text(0, 12, title, "axis-title")])


def whisker(x: float, low: float, high: float, scale: svg.Scale) -> Markup:
    """An interval as an upright line with short ends."""
    ends = scale(low), scale(high)
    caps = "".join(f"M{x - 2:.1f} {y:.1f}h4" for y in ends)
    return svg.path(f"M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}{caps}", "whisker")


def name_at_end(name: str, at: tuple[float, float], label_y: float, frame: Frame) -> Markup:
    """The name of a line in the right margin, with a thin leader from the end of the line.

    Args:
        name: shortened to the room there is.
        at: where the line ends.
        label_y: height of the name, off those of other lines (`svg.spread`).
        frame: the plotting area.
    """
    start = frame.right + 15
    leader = [(at[0] + 6, at[1]), (frame.right + 2, label_y), (start - 4, label_y)]
    room = int((svg.WIDTH - start) / svg.CHARACTER)
    label = svg.text(start, label_y + 4, words.shorten(name, room), "name")
    return svg.polyline(leader, "leader") + label
