"""AUROC and average precision of many weighted versions of a test set, for several runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats: TypeAlias = NDArray[np.float64]
Weights: TypeAlias = NDArray[np.floating]

# Draws are computed so many at a time that a table of steps, runs and draws stays in the cache; in
# fewer at a time, walking down the steps would cost more than adding up.
TOGETHER, FEWEST_TOGETHER = 120_000, 64
# Steps whose products are added up in the type of the weights, before double precision takes over.
STEPS_TOGETHER = 64


def ranking(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    scores: NDArray[np.floating],
    weights: Weights,
) -> dict[str, Floats]:
    """AUROC, average precision or both.

    AUROC is the chance that a positive scores above a negative, a tie counting half (Hanley &
    McNeil, Radiology 1982); average precision is the mean over positives of the precision at their
    score.

    Args:
        metrics: which of `auroc` and `auprc`.
        targets: 0 or 1, shape (records, classes).
        scores: shape (runs, records, classes).
        weights: shape (records, draws).

    Returns:
        For each metric shape (runs, draws, classes); NaN where it is not defined.
    """
    runs, _, classes = scores.shape
    found = {metric: np.full((runs, weights.shape[1], classes), np.nan) for metric in metrics}
    steps = [_Steps(targets[:, k] == 1, scores[:, :, k]) for k in range(classes)]
    largest = runs * max(own.number for own in steps)
    size = max(FEWEST_TOGETHER, TOGETHER // max(largest, 1))
    for start in range(0, weights.shape[1], size):
        draws = slice(start, start + size)
        block = np.ascontiguousarray(weights[:, draws])
        total = block.sum(axis=0, dtype=np.float64)
        for k, own in enumerate(steps):
            if own.number:
                for metric, values in own.score(metrics, block, total).items():
                    found[metric][:, draws, k] = values
    return found


class _Steps:
    """Records of one class on the way down the scores of its positives, the steps.

    Attributes:
        number: of steps, one for each positive.
    """

    def __init__(self, truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> None:
        """Find the step of every record.

        Args:
            truth: which records are positive, shape (records,).
            scores: shape (runs, records).
        """
        self.number = int(truth.sum())
        self._runs = len(scores)
        if not self.number:
            return
        ordered = np.sort(scores[:, truth], axis=1)
        rows = zip(ordered, scores, strict=True)
        below = np.stack([np.searchsorted(own, score) for own, score in rows])
        # A record is taken at the first step that is not above it, or after all of them. Equal
        # positives share their last step, and the others stay empty.
        next_one = np.take_along_axis(ordered, np.minimum(below, self.number - 1), axis=1)
        equal = (below < self.number) & (next_one == scores)
        step = self.number - below - equal
        self._all = self._adder(step, truth)
        tied = equal & ~truth
        self._tied = self._adder(np.where(tied, step, self.number), truth) if tied.any() else None

    def _adder(self, step: NDArray[np.int64], truth: NDArray[np.bool_]) -> sparse.csc_array:
        """The matrix that adds up weights at each step, of negatives and of positives of a run."""
        # What is after all steps comes into rows of its own, which nobody reads.
        rows = (2 * step + truth) * self._runs + np.arange(self._runs)[:, None]
        starts = np.arange(step.shape[1] + 1) * self._runs
        indices, ones = rows.T.ravel(), np.ones(rows.size, dtype=np.float32)
        shape = (2 * (self.number + 1) * self._runs, step.shape[1])
        return sparse.csc_array((ones, indices.astype(np.int32), starts.astype(np.int32)), shape)

    def _sums(self, adder: sparse.csc_array, weights: Weights) -> NDArray[Any]:
        """Weights of negatives and positives at each step, shape (steps, 2, runs, draws)."""
        shape = (self.number + 1, 2, self._runs, -1)
        sums: NDArray[Any] = (adder @ weights).reshape(shape)[:-1]
        return sums

    def score(self, metrics: Sequence[str], weights: Weights, total: Floats) -> dict[str, Floats]:
        """Both follow from the weight of positives at each step, and of records down to it.

        Args:
            metrics: which.
            weights: shape (records, draws).
            total: of all records, shape (draws,).

        Returns:
            For each metric shape (runs, draws).
        """
        sums = self._sums(self._all, weights)
        positive = sums[:, 1].copy()
        above, found = np.moveaxis(_cumulated(sums), 1, 0)
        positives = found[-1].astype(np.float64)
        values: dict[str, Floats] = {}
        if "auprc" in metrics:
            precision = above + found
            # A precision of nothing taken is never read: no positive is at such a step.
            precision += np.finfo(sums.dtype).tiny
            np.divide(found, precision, out=precision)
            values["auprc"] = ratio(_dot(positive, precision), positives)
        if "auroc" in metrics:
            pairs = positives * (total - positives)
            if self._tied is not None:
                above -= self._sums(self._tied, weights)[:, 0] / 2
            values["auroc"] = ratio(pairs - _dot(positive, above), pairs)
        return values


def _cumulated(rows: NDArray[Any]) -> NDArray[Any]:
    """Running sums down the first axis, in place; numpy's cumsum is ten times slower along it."""
    for above, row in pairwise(rows):
        row += above
    return rows


def _dot(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Sums of products over the first axis."""
    total = np.zeros(a.shape[1:])
    for start in range(0, len(a), STEPS_TOGETHER):
        some = slice(start, start + STEPS_TOGETHER)
        total += np.einsum("gkd,gkd->kd", a[some], b[some])
    return total


def ratio(above: Floats, below: Floats) -> Floats:
    """A quotient; NaN where nothing is below."""
    unknown = np.full(above.shape, np.nan)
    quotient: Floats = np.divide(above, below, out=unknown, where=below > 0)
    return quotient
