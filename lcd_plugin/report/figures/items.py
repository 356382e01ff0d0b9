"""What a number of the document tells of itself: its line, its interval, which way is better."""

from __future__ import annotations

import math

from lcd_plugin.evaluate.metrics import LOWER_IS_BETTER
from lcd_plugin.report.model import LabelFactor, Pair, Place, Row, SpeedCurve


def place_of(item: LabelFactor | SpeedCurve) -> Place:
    """The line that a label factor or a speed curve is of."""
    return Place(item.method, item.recipe, item.pretrain_dataset)


def has_interval(item: Row | Pair | LabelFactor) -> bool:
    """Whether both ends are numbers; `ece` has none, nor have scores of very few patients."""
    return math.isfinite(item.ci_low) and math.isfinite(item.ci_high)


def lower_is_better(metric: str) -> bool:
    """Whether the metric is an error."""
    return metric in LOWER_IS_BETTER


def merit(metric: str, value: float) -> float:
    """The score with the sign that makes more better; differences of it are gains."""
    return -value if lower_is_better(metric) else value
