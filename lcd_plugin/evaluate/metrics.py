"""Scores of predictions, for one test set or for many bootstrap draws of it at once.

Every metric takes weights: a draw of records is how often each was drawn. Weights of one give the
plain value, equal to scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
# Classes with fewer test positives are left out of the second macro mean.
RARE = 10


def auroc(target: NDArray[np.int8], score: NDArray[np.floating], weights: Floats) -> Floats:
    """Area under the ROC curve: the chance that a positive scores above a negative.

    Args:
        target: 0 or 1, shape (records,).
        score: shape (records,).
        weights: shape (draws, records).

    Returns:
        Shape (draws,); NaN where a draw has no positive or no negative.
    """
    order, ends = _ties(score)
    positive = _sums_at(weights[:, order] * target[order], ends)
    negative = _sums_at(weights[:, order] * (1 - target[order]), ends)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + 0.5 * negative)).sum(axis=1)
    return _ratio(wins, positive.sum(axis=1) * negative.sum(axis=1))


def average_precision(
    target: NDArray[np.int8], score: NDArray[np.floating], weights: Floats
) -> Floats:
    """Area under the precision-recall curve as scikit-learn's average precision.

    Arguments and result are those of `auroc`.
    """
    order, ends = _ties(-score)
    positive = _sums_at(weights[:, order] * target[order], ends)
    all_records = _sums_at(weights[:, order], ends)
    precision = _ratio(np.cumsum(positive, axis=1), np.cumsum(all_records, axis=1))
    # Where nothing is drawn yet, no recall is gained either.
    area = (np.nan_to_num(precision) * positive).sum(axis=1)
    return _ratio(area, positive.sum(axis=1))


def f1(target: NDArray[np.int8], decision: NDArray[np.bool_], weights: Floats) -> Floats:
    """Harmonic mean of precision and recall; 0 where nothing is found.

    Args:
        target: 0 or 1, shape (records,).
        decision: what was predicted, shape (records,).
        weights: shape (draws, records).
    """
    hits = weights @ (target * decision).astype(np.float64)
    total = weights @ (target + decision.astype(np.int8)).astype(np.float64)
    scores = _ratio(2 * hits, total)
    scores[weights @ target.astype(np.float64) == 0] = np.nan
    return scores


def balanced_accuracy(
    target: NDArray[np.int8], decision: NDArray[np.bool_], weights: Floats
) -> Floats:
    """Mean of sensitivity and specificity of one class; arguments are those of `f1`."""
    truth = target.astype(np.float64)
    sensitivity = _ratio(weights @ (truth * decision), weights @ truth)
    specificity = _ratio(weights @ ((1 - truth) * ~decision), weights @ (1 - truth))
    return 0.5 * (sensitivity + specificity)


RANKING: dict[str, Callable[..., Floats]] = {"auroc": auroc, "auprc": average_precision}
DECIDING: dict[str, Callable[..., Floats]] = {"f1": f1, "balanced_accuracy": balanced_accuracy}
METRICS = (*RANKING, *DECIDING)


def per_class(
    metric: str,
    targets: NDArray[np.int8],
    scores: NDArray[np.floating],
    thresholds: NDArray[np.floating],
    weights: Floats,
) -> Floats:
    """A metric for every class and draw.

    Args:
        metric: one of `METRICS`.
        targets: shape (records, classes).
        scores: the same shape.
        thresholds: from `choose_thresholds`, shape (classes,).
        weights: shape (draws, records).

    Returns:
        Shape (draws, classes).
    """
    columns = []
    for k in range(targets.shape[1]):
        if metric in RANKING:
            columns.append(RANKING[metric](targets[:, k], scores[:, k], weights))
        else:
            decision = scores[:, k] >= thresholds[k]
            columns.append(DECIDING[metric](targets[:, k], decision, weights))
    return np.stack(columns, axis=1)


def macro(values: Floats) -> Floats:
    """Mean over classes, the last axis, without those that are NaN; NaN where all are."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1).astype(np.float64))


def choose_thresholds(
    targets: NDArray[np.int8], scores: NDArray[np.floating]
) -> NDArray[np.floating]:
    """For each class the threshold with the best F1 on validation records.

    A class that validation does not have gets 0.5.
    """
    thresholds = np.full(targets.shape[1], 0.5, dtype=scores.dtype)
    for k in range(targets.shape[1]):
        if not targets[:, k].any():
            continue
        order, ends = _ties(-scores[:, k])
        # Decisions at a threshold are all records down to the last one with its score.
        hits = np.cumsum(targets[order, k], dtype=np.float64)[ends]
        best = 2 * hits / (ends + 1 + targets[:, k].sum())
        thresholds[k] = scores[order[ends[int(np.argmax(best))]], k]
    return thresholds


def _ties(score: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending order of scores, and the last place of every run of equal ones."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return order, ends


def _sums_at(values: Floats, ends: NDArray[np.int64]) -> Floats:
    """Sums over runs that end at `ends`, along the last axis."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(values, starts, axis=1)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
