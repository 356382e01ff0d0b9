"""How many times more labels a baseline needs to reach a method's score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.bootstrap import INTERVAL

Floats: TypeAlias = NDArray[np.float64]
Bound: TypeAlias = Literal["exact", "more", "less"]

# Scores closer than this are equal: a mean of equal scores differs from them in its last digit.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Factors:
    """Label factors of several draws.

    Attributes:
        factor: labels of the baseline over labels of the method, shape (draws,); where the score
            lies beyond the baseline's curve, the factor at the curve's end. NaN for NaN scores.
        more: whether the score is above the whole curve, shape (draws,).
        less: whether it is below.
    """

    factor: Floats
    more: NDArray[np.bool_]
    less: NDArray[np.bool_]


@dataclass(frozen=True)
class FactorEstimate:
    """A label factor with its 95 % interval; the fields are those of the report's `LabelFactor`.

    The ends are NaN where there are too few patients for an interval.
    """

    factor: float
    ci_low: float
    ci_high: float
    bound: Bound
    low_bound: Bound
    high_bound: Bound


def monotone(scores: Floats) -> Floats:
    """Isotonic regression of every row: the closest scores that do not fall with more labels.

    By the max-min formula (Robertson, Wright & Dykstra, 1988): each value is the largest, over
    stretches that start at or before it, of the smallest mean over stretches that end at or after
    it.

    Args:
        scores: shape (draws, numbers of labels).
    """
    points = scores.shape[1]
    best = np.full(scores.shape, -np.inf)
    for start in range(points):
        means = np.cumsum(scores[:, start:], axis=1) / np.arange(1, points - start + 1)
        smallest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        best[:, start:] = np.maximum(best[:, start:], smallest)
    return best


def label_factor(
    n_labels: int, scores: Floats, baseline_labels: NDArray[np.int64], baseline_scores: Floats
) -> Factors:
    """Labels with which the baseline reaches a method's scores, over the method's labels.

    The baseline's curve is made monotone and interpolated on a logarithmic axis of labels; where
    it is flat, the smallest number of labels that reaches the score counts.

    Args:
        n_labels: labels of the method.
        scores: of the method, higher is better, shape (draws,).
        baseline_labels: ascending, shape (numbers of labels,).
        baseline_scores: of the baseline at each, in the same draws, shape (draws, numbers of
            labels).

    Raises:
        ValueError: numbers of labels that are not positive or do not ascend.
    """
    labels = np.asarray(baseline_labels, dtype=np.float64)
    if n_labels < 1 or not len(labels) or labels[0] < 1 or (np.diff(labels) <= 0).any():
        raise ValueError(f"Numbers of labels must be positive and ascend: {n_labels}, {labels}.")
    curve = monotone(baseline_scores)
    draws = np.arange(len(scores))
    # The first point of the curve that reaches the score, and the one before it.
    reached = (curve < scores[:, None] - ROUNDING).sum(axis=1)
    upper = np.minimum(reached, len(labels) - 1)
    lower = np.maximum(upper - 1, 0)
    step = curve[draws, upper] - curve[draws, lower]
    way = np.divide(scores - curve[draws, lower], step, out=np.ones(len(scores)), where=step > 0)
    # Below the first point and above the last one the factor stays at the curve's end.
    way = np.where(reached == 0, 0, np.minimum(way, 1))
    factor = labels[lower] * (labels[upper] / labels[lower]) ** way / n_labels
    unknown = np.isnan(scores) | np.isnan(curve).any(axis=1)
    factor = np.where(unknown, np.nan, factor)
    more = scores > curve[:, -1] + ROUNDING
    return Factors(factor, more, less=scores < curve[:, 0] - ROUNDING)


def estimate_factor(
    n_labels: int,
    score: float,
    score_draws: Floats,
    baseline_labels: NDArray[np.int64],
    baseline: Floats,
    baseline_draws: Floats,
) -> FactorEstimate:
    """Label factor on the test set, with the interval of its paired bootstrap.

    Args:
        n_labels: labels of the method.
        score: of the method on the test set.
        score_draws: in each bootstrap draw, shape (draws,).
        baseline_labels: ascending, shape (numbers of labels,).
        baseline: scores of the baseline on the test set, shape (numbers of labels,).
        baseline_draws: in each draw, shape (draws, numbers of labels).
    """
    point = label_factor(n_labels, np.array([score]), baseline_labels, baseline[None])
    factors = label_factor(n_labels, score_draws, baseline_labels, baseline_draws)
    factor, bound = float(point.factor[0]), _bound(point, 0)
    known = np.flatnonzero(~np.isnan(factors.factor))
    if not len(known):
        return FactorEstimate(factor, math.nan, math.nan, bound, "exact", "exact")
    # The ends are draws themselves, so that each of them is known to lie beyond the curve or not.
    # Of equal factors those below the curve come first and those above it last.
    side = factors.more.astype(int) - factors.less
    order = known[np.lexsort((side[known], factors.factor[known]))]
    low, high = np.percentile(np.arange(len(order)), INTERVAL)
    low_draw, high_draw = order[math.floor(low)], order[math.ceil(high)]
    return FactorEstimate(
        factor=factor,
        ci_low=float(factors.factor[low_draw]),
        ci_high=float(factors.factor[high_draw]),
        bound=bound,
        low_bound=_bound(factors, low_draw),
        high_bound=_bound(factors, high_draw),
    )


def _bound(factors: Factors, draw: int) -> Bound:
    return "more" if factors.more[draw] else "less" if factors.less[draw] else "exact"
