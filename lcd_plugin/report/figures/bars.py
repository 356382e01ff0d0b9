"""The small interval beside a score in the leaderboard: places in percent, drawn by style."""

from __future__ import annotations

import math

from lcd_plugin.report.figures import svg
from lcd_plugin.report.figures.items import has_interval, lower_is_better
from lcd_plugin.report.model import Row


def interval_bar(row: Row, low: float, high: float, random: float | None) -> str:
    """Interval and mean of one row on a scale from `low` to `high`; further right is better.

    Where less is better the scale is turned round. A row without an interval is a dot alone.

    Args:
        row: a row with a finite mean.
        low, high: the scale, shared by the rows that a reader compares.
        random: mean of the `random` that the row is compared with, drawn as a thin line.

    Returns:
        CSS variables: the places of the mean (`--m`), of the ends of the interval (`--l`, `--h`)
        and of `random` (`--r`), each in percent of the width; what there is not is left out.
    """
    start, end = (100.0, 0.0) if lower_is_better(row.metric) else (0.0, 100.0)
    scale = svg.Scale(low, high, start, end)
    at = {"m": scale(row.mean)}
    if has_interval(row):
        at["l"], at["h"] = sorted((scale(row.ci_low), scale(row.ci_high)))
    if random is not None and math.isfinite(random):
        at["r"] = scale(random)
    return ";".join(f"--{name}:{place:.0f}" for name, place in at.items())
