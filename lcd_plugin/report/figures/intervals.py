"""Whether a number has an interval."""

from __future__ import annotations

import math

from lcd_plugin.report.model import LabelFactor, Pair, Row


def has_interval(item: Row | Pair | LabelFactor) -> bool:
    """Whether both ends are numbers; `ece` has none, nor have scores of very few patients."""
    return math.isfinite(item.ci_low) and math.isfinite(item.ci_high)
