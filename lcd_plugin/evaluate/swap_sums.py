"""Swaps under metrics whose difference is a sum over records: all of them in one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.metrics import DECIDING, RANKING
from lcd_plugin.evaluate.paired_runs import Pair, Predicted, Share, judged_by

Floats: TypeAlias = NDArray[np.float64]

# Swaps that are computed together.
ROUND = 2000
# Equal differences can differ in their last digits, since sums are taken in another order.
ROUNDING = 1e-7


def p_values_of_sums(
    metric: str,
    permutations: int,
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    lines: Sequence[Sequence[Predicted]],
    shares: Mapping[Pair, list[Share]],
    seed: int,
) -> dict[Pair, float]:
    """p-values of pairs of lines.

    Args:
        metric: one of `LINEAR`.
        permutations: number of random swaps.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        lines: the runs of each method.
        shares: of each pair of lines, from `pairing`.
        seed: of the swaps.
    """
    if not shares:
        return {}
    names, patient_of = np.unique(patients, return_inverse=True)
    shown = [[LINEAR[metric].shown(run) for run in runs] for runs in lines]
    parts = np.zeros((len(names), len(shares)))
    for column, ((i, j), runs) in enumerate(shares.items()):
        of_records = sum(
            share * LINEAR[metric].parts(targets, shown[i][a], shown[j][b]) for a, b, share in runs
        )
        parts[:, column] = np.bincount(patient_of, of_records, minlength=len(names))
    seen = np.abs(parts.sum(axis=0)) - ROUNDING
    as_large = np.zeros(len(shares))
    rng = np.random.default_rng(seed)
    for start in range(0, permutations, ROUND):
        size = (min(ROUND, permutations - start), len(names))
        as_large += (np.abs((2.0 * rng.integers(0, 2, size) - 1) @ parts) >= seen).sum(axis=0)
    return dict(zip(shares, (1 + as_large) / (1 + permutations), strict=True))


def _auroc_parts(targets: NDArray[np.int8], a: Floats, b: Floats) -> Floats:
    """What each record adds to the difference of two macro AUROCs.

    AUROC is the mean over pairs of a positive and a negative of K, which is 1 where the positive
    has the higher score. With x = 1 for a record as it is and -1 for one that is swapped, the
    difference that a pair (i, j) makes is x_i (K_aa - K_bb - K_ba + K_ab) / 2 +
    x_j (K_aa - K_bb + K_ba - K_ab) / 2, the positive's method named first: all four cases of who
    is swapped are in it.

    Args:
        targets: 0 or 1, shape (records, classes).
        a, b: ranks of the scores, the same shape.

    Returns:
        Shape (records,).
    """
    parts = np.zeros(len(targets))
    defined = 0
    for k in range(targets.shape[1]):
        positive, negative = np.flatnonzero(targets[:, k] == 1), np.flatnonzero(targets[:, k] == 0)
        if not len(positive) or not len(negative):
            continue
        defined += 1
        both = len(positive) * len(negative)
        of = {"a": a[:, k], "b": b[:, k]}
        # Sums of K over the other side, by whose score the positive and the negative have.
        below = {p + n: _below(of[p][positive], of[n][negative]) for p, n in product("ab", "ab")}
        above = {p + n: _above(of[n][negative], of[p][positive]) for p, n in product("ab", "ab")}
        parts[positive] += (below["aa"] - below["bb"] - below["ba"] + below["ab"]) / (2 * both)
        parts[negative] += (above["aa"] - above["bb"] + above["ba"] - above["ab"]) / (2 * both)
    mean: Floats = parts / max(defined, 1)
    return mean


def _below(values: Floats, others: Floats) -> Floats:
    """How many of the others are below each value; equal ones count half."""
    others = np.sort(others)
    sides = [np.searchsorted(others, values, side) for side in ("left", "right")]
    counts: Floats = np.asarray(sides, dtype=np.float64).mean(axis=0)
    return counts


def _above(values: Floats, others: Floats) -> Floats:
    """How many of the others are above each value; equal ones count half."""
    return len(others) - _below(values, others)


def _balanced_accuracy_parts(targets: NDArray[np.int8], a: Floats, b: Floats) -> Floats:
    """What each record adds to the difference of two macro balanced accuracies.

    Args:
        targets: 0 or 1, shape (records, classes).
        a, b: decisions, the same shape.

    Returns:
        Shape (records,).
    """
    positives = targets.sum(axis=0, dtype=np.int64)
    defined = (positives > 0) & (positives < len(targets))
    truth, gained = targets[:, defined] == 1, (a - b)[:, defined]
    positives = positives[defined]
    shares = np.where(truth, gained / positives, -gained / (len(targets) - positives))
    parts: Floats = 0.5 * shares.sum(axis=1) / max(int(defined.sum()), 1)
    return parts


@dataclass(frozen=True)
class _Linear:
    """A metric that is a sum over records.

    Attributes:
        kind: of the metrics that judge a run by the same.
        parts: what each record adds to the difference of two runs.
    """

    kind: tuple[str, ...]
    parts: Callable[[NDArray[np.int8], Floats, Floats], Floats]

    def shown(self, run: Predicted) -> Floats:
        """What a run is judged by."""
        return judged_by(run, self.kind).astype(np.float64)


LINEAR = {
    "auroc": _Linear(RANKING, _auroc_parts),
    "balanced_accuracy": _Linear(DECIDING, _balanced_accuracy_parts),
}
