"""The small interval beside a score in the leaderboard."""

from __future__ import annotations

from lcd_plugin.report.figures import svg
from lcd_plugin.report.figures.intervals import has_interval
from lcd_plugin.report.figures.looks import Look
from lcd_plugin.report.figures.merit import lower_is_better
from lcd_plugin.report.model import Row

WIDTH, HEIGHT = 150.0, 16.0


def interval_bar(row: Row, low: float, high: float, look: Look, random: float | None) -> str:
    """Interval and mean of one row on a scale from `low` to `high`; further right is better.

    Where less is better the scale is turned round. A row without an interval is a dot alone.

    Args:
        row: a row with a finite mean.
        low, high: the scale, shared by the rows that a reader compares.
        look: colour and marker of the method.
        random: mean of the `random` that the row is compared with, drawn as a thin line.
    """
    start, end = (WIDTH - 5, 5.0) if lower_is_better(row.metric) else (5.0, WIDTH - 5)
    scale = svg.Scale(low, high, start, end)
    middle = HEIGHT / 2
    parts = [svg.line(0, middle, WIDTH, middle, "track")]
    if random is not None:
        parts.append(svg.line(scale(random), 1, scale(random), HEIGHT - 1, "reference"))
    if has_interval(row):
        parts.append(svg.line(scale(row.ci_low), middle, scale(row.ci_high), middle, "span"))
    parts.append(svg.marker(look, scale(row.mean), middle, 3.4))
    # The numbers stand right beside it: a screen reader need not hear them twice.
    return svg.element(
        "svg",
        *parts,
        class_=f"bar {look.css}",
        width=WIDTH,
        height=HEIGHT,
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        aria_hidden="true",
    )
