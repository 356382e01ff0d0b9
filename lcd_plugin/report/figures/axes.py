"""Axes that the two score figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg
from lcd_plugin.report.model import Row

NARROW = 420.0  # below this width (a phone) labels are shorter and margins smaller


@dataclass(frozen=True)
class Frame:
    """The plotting area inside a figure, in pixels."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


def drawable(row: Row) -> bool:
    """Whether the numbers of a row have a place on a finite axis."""
    return all(math.isfinite(v) for v in (row.mean, row.ci_low, row.ci_high, row.pretrain_wall_s))


def score_scale(rows: Sequence[Row], frame: Frame) -> svg.Scale:
    """The score axis: all intervals and a little air, not from zero."""
    low = min(min(row.ci_low, row.mean) for row in rows)
    high = max(max(row.ci_high, row.mean) for row in rows)
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


def whisker(x: float, row: Row, scale: svg.Scale) -> Markup:
    """The 95 % interval as a line with short ends."""
    low, high = scale(row.ci_low), scale(row.ci_high)
    parts = [svg.line(x, low, x, high, "whisker")]
    parts += [svg.line(x - 2.5, y, x + 2.5, y, "whisker") for y in (low, high)]
    return Markup("").join(parts)
