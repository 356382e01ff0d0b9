"""How numbers are written in the report: one place, so that a value reads alike everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from lcd_plugin.report.figures.items import has_interval, lower_is_better
from lcd_plugin.report.model import METRIC_TITLES, LabelFactor, Pair, Row

NOT_KNOWN = "n/a"
NONE = "\u2013"  # for what is not there at all
Bound = Literal["exact", "more", "less"]


def score(value: float) -> str:
    """A score with three decimals; a value that is not finite is `n/a`."""
    return f"{value:.3f}" if math.isfinite(value) else NOT_KNOWN


def interval(row: Row) -> str:
    """The 95 % interval of a row in brackets; "" where it has none."""
    return f"[{score(row.ci_low)}, {score(row.ci_high)}]" if has_interval(row) else ""


def score_with_interval(row: Row) -> str:
    """A score, followed by its interval where it has one."""
    return f"{score(row.mean)} {interval(row)}".rstrip()


def differences(pair: Pair) -> str:
    """The 95 % interval of a difference; "" where it has none."""
    if not has_interval(pair):
        return ""
    return f"[{difference(pair.ci_low)}, {difference(pair.ci_high)}]"


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


def p_value(p: float | None) -> str:
    """A p-value with two figures, and no smaller than 0.001."""
    if p is None or not math.isfinite(p):
        return NOT_KNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_said(p: float) -> str:
    """A p-value in prose: `p = 0.012`, `p < 0.001`."""
    return f"p {'= ' * (p >= 0.001)}{p_value(p)}"


def number(value: float) -> str:
    """A factor with two figures, or as a whole number from 10 on."""
    if not math.isfinite(value):
        return NOT_KNOWN
    return f"{value:.2g}" if value < 9.95 else f"{value:,.0f}"


def times(value: float, bound: Bound) -> str:
    """A label factor: `3.2×`, `more than 10×`, `less than 0.5×`."""
    before = {"exact": "", "more": "more than ", "less": "less than "}[bound]
    return f"{before}{number(value)}\u00d7"


def factor_interval(factor: LabelFactor) -> str:
    """The 95 % interval of a label factor; `>` and `<` mark an end beyond the baseline's curve.

    It is "" where there is none, and where all of it lies beyond the same end, since the factor's
    own bound says that.
    """
    if not has_interval(factor) or factor.low_bound == factor.high_bound != "exact":
        return ""
    signs = {"exact": "", "more": "> ", "less": "< "}
    low = signs[factor.low_bound] + number(factor.ci_low)
    high = signs[factor.high_bound] + number(factor.ci_high)
    return f"[{low}, {high}]"


def standing(row: Row) -> str:
    """The rank of a row, with `=` where it cannot be told apart from another one."""
    if row.rank is None:
        return NONE
    return f"{row.rank}=" if row.tied_with else str(row.rank)


def rank(value: float) -> str:
    """An average rank, or a difference of two."""
    return f"{value:.2f}" if math.isfinite(value) else NOT_KNOWN


def leads(name: str) -> str:
    """Which leads an encoder was shown, as the suite calls them."""
    return "all leads" if name == "all" else f"leads {name}"


def metric_title(metric: str) -> str:
    """The written name of a metric; an unknown one is its own name."""
    return METRIC_TITLES.get(metric, metric.replace("_", " "))


def metric_with_sense(metric: str) -> str:
    """The same, with a word where less is better, which no reader would expect."""
    return metric_title(metric) + (", lower is better" if lower_is_better(metric) else "")


def metric_remark(metric: str) -> str:
    """What a reader must know of an error, of which there is one (`ece`); "" for a score."""
    if not lower_is_better(metric):
        return ""
    return "lower is better; biased upwards, for orientation only"


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
