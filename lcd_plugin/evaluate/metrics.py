"""Scores of predictions, for one test set or for many weighted versions of it at once.

A column of weights is one version of the test set: how often each record counts in it, as in a draw
of a bootstrap. Without weights the value is the plain one, equal to
scikit-learn's. Records come first in `weights`, so that putting them in another order moves whole
rows of memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.ranking import Floats, Weights, ranking, ratio

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
    """Several metrics of the predictions of one or more runs, which share their work.

    Args:
        metrics: names from `METRICS`; those of decisions (`DECIDING`) judge each class against the
            rest at its own threshold, also where every record has one class.
        targets: 0 or 1, shape (records, classes).
        scores: the same shape, or (runs, records, classes); probabilities for `ece`.
        thresholds: from `choose_thresholds`, shape (classes,) or (runs, classes); only metrics of
            decisions need them.
        weights: not negative, shape (records, draws); their type is that of the computation
            (float32 is exact for counts whose sums stay below 2**24). None for the plain value.

    Returns:
        For each metric an array of shape (draws, classes), with one draw for no weights, or
        (runs, draws, classes). NaN where a class has no positive (but for `ece`), or for AUROC and
        balanced accuracy no negative.

    Raises:
        ValueError: an unknown metric, a score that is NaN, or decisions without thresholds.
    """
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown:
        raise ValueError(f"Unknown metric '{unknown[0]}'; there are {', '.join(METRICS)}.")
    if np.isnan(scores).any():
        bad = int(np.isnan(scores).any(axis=-1).sum())
        raise ValueError(f"{bad} of {len(scores)} records have scores that are not a number.")
    if weights is None:
        weights = np.ones((len(targets), 1))
    runs = scores.reshape(-1, *targets.shape)
    found: dict[str, Floats] = {}
    of_order = [metric for metric in metrics if metric in RANKING]
    if of_order:
        found |= ranking(of_order, targets, runs, weights)
    if set(metrics) & set(DECIDING):
        if thresholds is None:
            raise ValueError("F1 and balanced accuracy need thresholds.")
        limits = np.atleast_2d(thresholds)[:, None]
        found |= _deciding(targets, runs >= limits, weights)
    if "ece" in metrics:
        found["ece"] = np.stack([_calibration_error(targets, run, weights) for run in runs])
    own = slice(None) if scores.ndim == 3 else 0
    return {metric: found[metric][own] for metric in metrics}


def macro(values: Floats) -> Floats:
    """Mean over classes, the last axis, without those that are NaN; NaN where all are."""
    return ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1).astype(np.float64))


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


def _deciding(
    targets: NDArray[np.int8], decisions: NDArray[np.bool_], weights: Weights
) -> dict[str, Floats]:
    """F1 and balanced accuracy, each of shape (runs, draws, classes), from counts of decisions.

    F1 is 0 where nothing is found. Balanced accuracy of one class is the mean of its sensitivity
    and specificity (Brodersen et al., ICPR 2010).

    Args:
        targets: shape (records, classes).
        decisions: shape (runs, records, classes).
        weights: shape (records, draws).
    """
    truth = targets == 1
    rows = np.concatenate([*(truth & decisions), *decisions, truth], axis=1)
    # One product, of shape (draws, columns): hits and decisions of every run, then positives.
    counted = (weights.T @ rows.astype(weights.dtype)).astype(np.float64)
    columns = np.split(counted, 2 * len(decisions) + 1, axis=1)
    hits, decided = np.stack(columns[:-1]).reshape(2, len(decisions), *columns[0].shape)
    positives = columns[-1]
    negatives = weights.sum(axis=0, dtype=np.float64)[:, None] - positives
    sensitivity = ratio(hits, positives)
    specificity = ratio(negatives - (decided - hits), negatives)
    f1 = ratio(2 * hits, decided + positives)
    f1[:, positives == 0] = np.nan
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
    return ratio(distance, np.broadcast_to(total, distance.shape))
