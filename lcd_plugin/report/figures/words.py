"""How numbers are written in the report: one place, so that a value reads alike everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lcd_plugin.report.model import METRIC_TITLES, Row

NOT_KNOWN = "n/a"


def score(value: float) -> str:
    """A score with three decimals; a value that is not finite is `n/a`."""
    return f"{value:.3f}" if math.isfinite(value) else NOT_KNOWN


def interval(row: Row) -> str:
    """The 95 % interval of a row in brackets."""
    return f"[{score(row.ci_low)}, {score(row.ci_high)}]"


def difference(value: float) -> str:
    """A signed difference of two scores, with a real minus sign."""
    if not math.isfinite(value):
        return NOT_KNOWN
    return f"{value:+.3f}".replace("-", "\u2212")


def figures(value: float) -> str:
    """Any quantity with four significant figures."""
    return f"{value:.4g}" if math.isfinite(value) else NOT_KNOWN


def share(fraction: float) -> str:
    """A label fraction as a percentage without needless zeros: 0.1 -> `10%`."""
    return f"{fraction * 100:.4g}%"


def labels(fraction: float) -> str:
    """A label fraction in prose."""
    return "all labels" if fraction == 1 else f"{share(fraction)} of the labels"


def count(value: float | None) -> str:
    """A whole number with thousands separators; a small rate keeps one decimal."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    return f"{value:,.1f}" if value < 10 and value != int(value) else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds in the unit a person would say: `0 s`, `42 s`, `12.5 min`, `3.2 h`."""
    if not math.isfinite(seconds):
        return NOT_KNOWN
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds > 0 else "0 s"
    # The edges sit below the unit so that 59.7 s does not read "60 s" beside "1.0 min".
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 59.95 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def memory(megabytes: float | None) -> str:
    """Megabytes, as gigabytes from 1,000 on."""
    if megabytes is None or not math.isfinite(megabytes):
        return NOT_KNOWN
    return f"{megabytes / 1000:,.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def metric_title(metric: str) -> str:
    """The written name of a metric; an unknown one is its own name."""
    return METRIC_TITLES.get(metric, metric.replace("_", " "))


def sentence(text: str) -> str:
    """Text with a capital to start a sentence; the rest keeps its own (`Macro AUROC`)."""
    return text[:1].upper() + text[1:]


def listing(names: Iterable[str]) -> str:
    """Names as a list in prose: `a, b and c`."""
    items = list(names)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def shorten(text: str, length: int) -> str:
    """Text cut to `length` characters with an ellipsis, for labels that have little room."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"
