"""Which of two methods is better: a paired permutation test over patients, and Holm's correction.

If two methods are equally good, it does not matter which of them made which of a patient's two sets
of predictions. The test swaps them for random patients and asks how often the difference gets as
large as the one that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lcd_plugin.evaluate.metrics import CALIBRATION, DECIDING, RANKING, macro, per_class_many

Floats: TypeAlias = NDArray[np.float64]

PERMUTATIONS = 1000
# Equal differences can differ in their last digits, since sums are taken in another order.
ROUNDING = 1e-7


@dataclass(frozen=True)
class Predicted:
    """Predictions of one run of a method on the test records.

    Attributes:
        scores: shape (records, classes).
        thresholds: of decisions, shape (classes,).
    """

    scores: NDArray[np.floating]
    thresholds: NDArray[np.floating]


def paired_permutation(
    metric: str,
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    a: Predicted | Sequence[Predicted],
    b: Predicted | Sequence[Predicted],
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Two-sided p-value of the difference of two methods' macro metric.

    Args:
        metric: one of `METRICS`.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        a, b: the methods' predictions, or those of each of their runs; the difference is that of
            the means over runs.
        permutations: number of random swaps.
        seed: of the swaps; equal for all pairs that are compared with each other.

    Returns:
        (1 + swaps with a difference at least as large) / (1 + swaps); 1 where the metric is
        defined for no class.
    """
    lines = [[run] if isinstance(run, Predicted) else list(run) for run in (a, b)]
    p_values = permutation_p_values([metric], targets, patients, lines, permutations, seed)
    return float(p_values[metric][0, 1])


def permutation_p_values(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    lines: Sequence[Sequence[Predicted]],
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> dict[str, Floats]:
    """The test of `paired_permutation` for every two of several methods and several metrics.

    Args:
        metrics: names from `METRICS`.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        lines: the runs of each method.
        permutations: number of random swaps.
        seed: of the swaps.

    Returns:
        For each metric the p-values, shape (lines, lines), with 1 on the diagonal.
    """
    weights = _swap_weights(patients, permutations, seed)
    twice = np.concatenate([targets, targets])
    found = {metric: np.ones((len(lines), len(lines))) for metric in metrics}
    for kind in (RANKING, DECIDING, CALIBRATION):
        asked = [metric for metric in metrics if metric in kind]
        if not asked:
            continue
        shown = [[_shown(run, kind) for run in runs] for runs in lines]
        for i, j in combinations(range(len(lines)), 2):
            for metric, difference in _differences(asked, twice, shown[i], shown[j], weights):
                found[metric][i, j] = found[metric][j, i] = _p_value(difference)
    return found


def holm(p_values: ArrayLike) -> Floats:
    """p-values corrected for their number (Holm, Scand J Stat 1979), in the order they came in."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    # The smallest is multiplied by the number of tests, the next by one less, and so on; none may
    # become smaller than one before it.
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(corrected, 1)
    return adjusted


def _swap_weights(patients: NDArray[np.str_], permutations: int, seed: int) -> NDArray[np.float32]:
    """Which of both methods' predictions the swapped methods consist of.

    The rows are the predictions of `a`, then those of `b`. A swapped method is this doubled test
    set with weight 1 for the predictions that it has got: so one sort serves all swaps.

    Returns:
        Shape (2 records, 2 (1 + permutations)): columns of what takes the place of `a`, without
        any swap and for each swap, then those of what takes the place of `b`.
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    swapped = np.zeros((len(names), 1 + permutations), dtype=np.float32)
    rng = np.random.default_rng(seed)
    swapped[:, 1:] = rng.integers(0, 2, size=(len(names), permutations))
    swap = swapped[patient_of]
    return np.block([[1 - swap, swap], [swap, 1 - swap]])


def _shown(run: Predicted, kind: tuple[str, ...]) -> NDArray[np.floating]:
    """What a kind of metrics judges a run by, such that two methods can swap it.

    Where only the order counts, methods with scores on different scales are put on one by ranks
    among their own records (Venkatraman, Biometrics 2000; Bandos et al., Stat Med 2005).
    """
    if kind == RANKING:
        return np.asarray(stats.rankdata(run.scores, axis=0), dtype=np.float64)
    if kind == DECIDING:
        return (run.scores >= run.thresholds).astype(np.float32)
    return run.scores


def _differences(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    a: Sequence[NDArray[np.floating]],
    b: Sequence[NDArray[np.floating]],
    weights: NDArray[np.float32],
) -> Iterator[tuple[str, Floats]]:
    """For each metric a's mean minus b's, shape (1 + permutations,), the first without swaps.

    Args:
        metrics: of one kind.
        targets: of the doubled test set.
        a, b: what the runs are judged by.
        weights: from `_swap_weights`.
    """
    total = {metric: np.zeros(weights.shape[1] // 2) for metric in metrics}
    halves = np.full(targets.shape[1], 0.5)  # what separates decisions of 0 and 1
    for i, j, share in _pairing(len(a), len(b)):
        both = per_class_many(metrics, targets, np.concatenate([a[i], b[j]]), halves, weights)
        for metric, values in both.items():
            in_place_of_a, in_place_of_b = np.split(macro(values), 2)
            total[metric] += share * (in_place_of_a - in_place_of_b)
    yield from total.items()


def _pairing(a: int, b: int) -> Iterator[tuple[int, int, float]]:
    """Which run of one method swaps with which of the other, and with what share in the mean.

    As many runs pair up one to one. Otherwise runs are split such that all of a method's count
    equally: laid side by side on a line of length 1, each pair gets the length it overlaps on.
    """
    cuts = sorted({Fraction(i, a) for i in range(a + 1)} | {Fraction(j, b) for j in range(b + 1)})
    for start, end in pairwise(cuts):
        yield int(start * a), int(start * b), float(end - start)


def _p_value(differences: Floats) -> float:
    seen, swapped = np.abs(differences[0]), np.abs(differences[1:])
    if np.isnan(seen):
        return 1.0
    return float((1 + (swapped >= seen - ROUNDING).sum()) / (1 + len(swapped)))
