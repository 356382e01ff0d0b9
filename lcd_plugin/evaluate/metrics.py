"""Scores of predictions, for one test set or for many weighted versions of it at once.

A column of weights is one version of the test set: how often each record counts in it. A bootstrap
draw and a permutation are such columns. Without weights the value is the plain one, equal to
scikit-learn's. Records come first in `weights`, so that putting them in another order moves whole
rows of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats: TypeAlias = NDArray[np.float64]
Weights: TypeAlias = NDArray[np.floating]

RANKING = ("auroc", "auprc")
DECIDING = ("f1", "balanced_accuracy")
# What methods are ranked by. The calibration error only describes: its estimate is biased upwards
# by the noise in its bins (Kumar et al., NeurIPS 2019), so that no bootstrap interval covers the
# truth, and two methods that swap predictions mix their scores in a bin, which no null has.
TESTED = (*RANKING, *DECIDING)
METRICS = (*TESTED, "ece")
LOWER_IS_BETTER = frozenset({"ece"})
# Classes with fewer test positives are left out of the second macro mean.
RARE = 10
# Bins of the calibration error, as in Naeini et al. (AAAI 2015) and most work since.
BINS = 15


def per_class(
    metric: str,
    targets: NDArray[np.int8],
    scores: NDArray[np.floating],
    thresholds: NDArray[np.floating] | None = None,
    weights: Weights | None = None,
) -> Floats:
    """A metric for every class and every column of weights; see `per_class_many`."""
    return per_class_many((metric,), targets, scores, thresholds, weights)[metric]


def per_class_many(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    scores: NDArray[np.floating],
    thresholds: NDArray[np.floating] | None = None,
    weights: Weights | None = None,
) -> dict[str, Floats]:
    """Several metrics of the same predictions, which share their work.

    Args:
        metrics: names from `METRICS`; those of decisions (`DECIDING`) judge each class against the
            rest at its own threshold, also where every record has one class.
        targets: 0 or 1, shape (records, classes).
        scores: the same shape; probabilities for `ece`.
        thresholds: from `choose_thresholds`, shape (classes,); only metrics of decisions need them.
        weights: not negative, shape (records, draws); their type is that of the computation
            (float32 is exact for counts whose sums stay below 2**24). None for the plain value.

    Returns:
        For each metric an array of shape (draws, classes), with one draw for no weights. NaN where
        a class has no positive (but for `ece`), or for AUROC and balanced accuracy no negative.

    Raises:
        ValueError: an unknown metric, a score that is NaN, or decisions without thresholds.
    """
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown:
        raise ValueError(f"Unknown metric '{unknown[0]}'; there are {', '.join(METRICS)}.")
    if np.isnan(scores).any():
        bad = int(np.isnan(scores).any(axis=1).sum())
        raise ValueError(f"{bad} of {len(scores)} records have scores that are not a number.")
    if weights is None:
        weights = np.ones((len(targets), 1))
    found: dict[str, Floats] = {}
    ranking = [metric for metric in metrics if metric in RANKING]
    if ranking:
        classes = zip(targets.T, scores.T, strict=True)
        columns = [_ranking(ranking, target, score, weights) for target, score in classes]
        found |= {metric: np.stack([c[metric] for c in columns], axis=-1) for metric in ranking}
    if set(metrics) & set(DECIDING):
        if thresholds is None:
            raise ValueError("F1 and balanced accuracy need thresholds.")
        found |= _deciding(targets, scores >= thresholds, weights)
    if "ece" in metrics:
        found["ece"] = _calibration_error(targets, scores, weights)
    return {metric: found[metric] for metric in metrics}


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
        order = np.argsort(-scores[:, k], kind="stable")
        ordered = scores[order, k]
        # Decisions at a threshold are all records down to the last one with its score.
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        hits = np.cumsum(targets[order, k], dtype=np.float64)[ends]
        best = 2 * hits / (ends + 1 + targets[:, k].sum())
        thresholds[k] = ordered[ends[int(np.argmax(best))]]
    return thresholds


def _ranking(
    metrics: Sequence[str],
    target: NDArray[np.int8],
    score: NDArray[np.floating],
    weights: Weights,
) -> dict[str, Floats]:
    """AUROC, average precision or both of one class, each of shape (draws,).

    Walks down the distinct scores that a positive has, the steps. AUROC is the chance that a
    positive scores above a negative, a tie counting half (Hanley & McNeil, Radiology 1982);
    average precision is the mean over positives of the precision at their score. Both follow from
    the weight of positives at each step and of records down to it.
    """
    steps = np.unique(score[target == 1])
    if not len(steps):
        return {metric: np.full(weights.shape[1], np.nan) for metric in metrics}
    # Steps go down; a record is taken at the first that is not above it, or after all of them.
    step = len(steps) - np.searchsorted(steps, score, side="right")
    positive = _sums(weights, step, target == 1, len(steps))
    taken = _cumulated(_sums(weights, step, np.ones(len(score), bool), len(steps) + 1))
    found = _cumulated(positive.copy())
    positives = found[-1].astype(np.float64)
    negatives = taken[-1] - positives
    taken = taken[:-1]

    values: dict[str, Floats] = {}
    if "auprc" in metrics:
        # A precision of nothing taken is never read: no positive is at such a step.
        precision = found / np.maximum(taken, np.finfo(taken.dtype).tiny)
        area = np.einsum("gd,gd->d", positive, precision, dtype=np.float64)
        values["auprc"] = _ratio(area, positives)
    if "auroc" in metrics:
        above = np.subtract(taken, found, out=taken)
        tied = (target == 0) & np.isin(score, steps)
        if tied.any():
            above -= _sums(weights, step, tied, len(steps)) / 2
        losses = np.einsum("gd,gd->d", positive, above, dtype=np.float64)
        pairs = positives * negatives
        values["auroc"] = _ratio(pairs - losses, pairs)
    return values


def _deciding(
    targets: NDArray[np.int8], decisions: NDArray[np.bool_], weights: Weights
) -> dict[str, Floats]:
    """F1 and balanced accuracy, each of shape (draws, classes), from counts of decisions.

    F1 is 0 where nothing is found. Balanced accuracy of one class is the mean of its sensitivity
    and specificity (Brodersen et al., ICPR 2010).
    """
    truth = targets == 1
    rows = [truth & decisions, decisions, truth, np.ones_like(truth)]
    counted = np.concatenate(rows, axis=1).astype(weights.dtype).T @ weights
    hits, decided, positives, total = np.split(counted.T.astype(np.float64), len(rows), axis=1)
    negatives = total - positives
    sensitivity = _ratio(hits, positives)
    specificity = _ratio(negatives - (decided - hits), negatives)
    f1 = _ratio(2 * hits, decided + positives)
    f1[positives == 0] = np.nan
    return {"f1": f1, "balanced_accuracy": (sensitivity + specificity) / 2}


def _calibration_error(
    targets: NDArray[np.int8], scores: NDArray[np.floating], weights: Weights
) -> Floats:
    """Expected calibration error of each class against the rest, shape (draws, classes).

    The distance of mean score and share of positives in bins of equal width, averaged over records
    (Naeini et al., AAAI 2015; class by class as in Kull et al., NeurIPS 2019).
    """
    records, classes = targets.shape
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    # One row a class and bin, so that one matrix product adds up all of them.
    excess = np.zeros((classes, BINS, records), weights.dtype)
    columns = np.arange(classes)
    excess[columns, bins, np.arange(records)[:, None]] = targets - scores.astype(np.float64)
    off = np.abs(excess.reshape(classes * BINS, records) @ weights)
    distance = off.reshape(classes, BINS, -1).sum(axis=1, dtype=np.float64).T
    total = weights.sum(axis=0, dtype=np.float64)[:, None]
    return _ratio(distance, np.broadcast_to(total, distance.shape))


def _sums(
    weights: Weights, group: NDArray[np.int64], chosen: NDArray[np.bool_], groups: int
) -> NDArray[Any]:
    """Sums of the weights of chosen records over each group, shape (groups, draws)."""
    rows = np.flatnonzero(chosen)
    ones = np.ones(len(rows), weights.dtype)
    # A sparse product sorts and adds up in one pass over the weights.
    members = sparse.csr_array((ones, (group[rows], rows)), shape=(groups, len(weights)))
    return np.asarray(members @ weights)


def _cumulated(rows: NDArray[Any]) -> NDArray[Any]:
    """Running sums down the first axis, in place; numpy's cumsum is ten times slower along it."""
    for above, row in pairwise(rows):
        row += above
    return rows


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
