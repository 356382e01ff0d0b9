"""Which of two scores is better: more, but for an error."""

from __future__ import annotations

from lcd_plugin.evaluate.metrics import LOWER_IS_BETTER


def lower_is_better(metric: str) -> bool:
    """Whether the metric is an error."""
    return metric in LOWER_IS_BETTER


def merit(metric: str, value: float) -> float:
    """The score with the sign that makes more better; differences of it are gains."""
    return -value if lower_is_better(metric) else value
