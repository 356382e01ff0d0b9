"""How many labels pretraining saves: figure, table and sentence of the label factors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import Series, factor_figure, has_interval, place_of, words
from lcd_plugin.report.model import LabelFactor, Place, Row

# What the labels of a baseline are the labels of.
LABELS_OF = {"supervised": "training from scratch", "random": "the untrained encoder"}


@dataclass(frozen=True)
class FactorView:
    """Label factors of one comparison against one baseline.

    Attributes:
        baseline: its name.
        labels_of: the same in words.
        picture: the figure.
        fractions: label fractions with their numbers of records, smallest first.
        lines: the factor of every line at each of the fractions; None where it has none.
    """

    baseline: str
    labels_of: str
    picture: Markup
    fractions: tuple[tuple[float, int], ...]
    lines: Mapping[Place, tuple[LabelFactor | None, ...]]


def factor_views(
    factors: Sequence[LabelFactor], series: Mapping[Place, Series]
) -> list[FactorView]:
    """One view a baseline, `supervised` first.

    Args:
        factors: of one comparison.
        series: how its lines are called and drawn.
    """
    baselines = dict.fromkeys(factor.baseline for factor in factors)
    return [
        _factor_view(baseline, [f for f in factors if f.baseline == baseline], series)
        for baseline in sorted(baselines, key=lambda name: name != "supervised")
    ]


def _factor_view(
    baseline: str, factors: Sequence[LabelFactor], series: Mapping[Place, Series]
) -> FactorView:
    n_labels = {factor.label_fraction: factor.n_labels for factor in factors}
    fractions = sorted(n_labels.items())
    found = {(place_of(factor), factor.label_fraction): factor for factor in factors}
    return FactorView(
        baseline=baseline,
        labels_of=LABELS_OF.get(baseline, baseline),
        picture=Markup(factor_figure(factors, series)),
        fractions=tuple(fractions),
        lines={
            place: tuple(found.get((place, fraction)) for fraction, _ in fractions)
            for place in dict.fromkeys(map(place_of, factors))
        },
    )


def labels_saved(best: Row, factors: Sequence[LabelFactor], name: Markup) -> list[Markup]:
    """What a line's labels are worth where it has fewest, in a sentence.

    Args:
        best: the line, at any fraction.
        factors: of its comparison.
        name: of the line, as it is to be written.
    """
    own = [factor for factor in factors if place_of(factor) == best.place]
    against = [f for f in own if f.baseline == "supervised"] or own
    if not against:
        return []
    factor = min(against, key=lambda f: f.label_fraction)
    if not math.isfinite(factor.factor):
        return []
    return [
        Markup("At {} ({} records) {} is worth {} as many labels of {}{}.").format(
            words.labels(factor.label_fraction),
            words.count(factor.n_labels),
            name,
            f"{_end(factor.factor, factor.bound)} times",
            LABELS_OF.get(factor.baseline, factor.baseline),
            f", {_interval(factor)}{_doubt(factor)}" if has_interval(factor) else "",
        )
    ]


def _end(value: float, bound: words.Bound) -> str:
    return {"exact": "", "more": "more than ", "less": "less than "}[bound] + words.number(value)


def _interval(factor: LabelFactor) -> str:
    low = _end(factor.ci_low, factor.low_bound)
    high = _end(factor.ci_high, factor.high_bound)
    return f"with its whole 95% interval {low}" if low == high else f"95% interval {low} to {high}"


def _doubt(factor: LabelFactor) -> str:
    if _side_of_one(factor.ci_low, factor.low_bound) > 0:
        return ""
    if _side_of_one(factor.ci_high, factor.high_bound) < 0:
        return ", so it saves none"
    return ", so it is not settled that it saves any"


def _side_of_one(end: float, bound: words.Bound) -> int:
    """Whether an end of an interval is surely above 1 (1), below it (-1) or neither (0).

    With the fewest labels a score below the baseline's curve gives exactly 1, and less is meant.
    """
    side = 0 if math.isclose(end, 1) else 1 if end > 1 else -1
    beyond = {"exact": 0, "more": 1, "less": -1}[bound]
    return max(-1, min(1, side + beyond))
