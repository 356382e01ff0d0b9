"""Which of two methods is better: a paired permutation test over patients, and Holm's correction.

If two methods are equally good, it does not matter which of them made which of a patient's two sets
of predictions. The test swaps them for random patients and asks how often the difference gets as
large as the one that was seen.

Under AUROC and balanced accuracy the difference is a sum over records, each with the sign of its
swap, so that swaps cost next to nothing (`swap_sums`). Under the others every swap is scored, until
it has happened often enough to tell that the difference is not rare (Besag & Clifford, Biometrika
1991).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count, product
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lcd_plugin.evaluate.metrics import DECIDING, RANKING, TESTED, macro, per_class_many
from lcd_plugin.evaluate.paired_runs import Pair, Predicted, Share, judged_by, pairing
from lcd_plugin.evaluate.swap_sums import LINEAR, ROUNDING, p_values_of_sums

Floats: TypeAlias = NDArray[np.float64]

# Swaps at most: many where they cost nothing, since Holm multiplies the smallest p-value, which is
# 1 / (1 + swaps), by the number of pairs. With 2,000 of them nothing can be told apart among 15
# lines or more.
PERMUTATIONS = {"auroc": 20_000, "balanced_accuracy": 20_000, "auprc": 2000, "f1": 2000}
# Differences at least as large as the seen one after which no more swaps are drawn.
ENOUGH = 20
# Swaps that are computed together: few first, which most pairs of methods that are alike need no
# more than; then many, since the sorting of each round costs as much as some hundred swaps.
FIRST_ROUND = 100
ROUND = 450


def paired_permutation(
    metric: str,
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    a: Predicted | Sequence[Predicted],
    b: Predicted | Sequence[Predicted],
    permutations: int | None = None,
    seed: int = 0,
    enough: int = ENOUGH,
) -> float:
    """Two-sided p-value of the difference of two methods' macro metric.

    Args:
        metric: one of `TESTED`.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        a, b: the methods' predictions, or those of each of their runs; the difference is that of
            the means over runs.
        permutations: number of random swaps at most; None is that of `PERMUTATIONS`.
        seed: of the swaps; equal for all pairs that are compared with each other.
        enough: swaps with a difference at least as large after which the test ends, where every
            swap has to be scored.

    Returns:
        (1 + swaps with a difference at least as large) / (1 + swaps), or
        enough / (swaps until there were enough); 1 where the metric is defined for no class.
    """
    lines = [[run] if isinstance(run, Predicted) else list(run) for run in (a, b)]
    swaps = {metric: permutations or PERMUTATIONS.get(metric, 0)}
    p_values = permutation_p_values(swaps, targets, patients, lines, seed, enough)
    return float(p_values[metric][0, 1])


def permutation_p_values(
    permutations: Mapping[str, int],
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    lines: Sequence[Sequence[Predicted]],
    seed: int = 0,
    enough: int = ENOUGH,
) -> dict[str, Floats]:
    """The test of `paired_permutation` for every two of several methods and several metrics.

    Args:
        permutations: metric from `TESTED` -> number of random swaps at most.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        lines: the runs of each method.
        seed: of the swaps.
        enough: swaps with a difference at least as large after which a test ends.

    Returns:
        For each metric the p-values, shape (lines, lines), with 1 on the diagonal.

    Raises:
        ValueError: a metric that is not tested.
    """
    unknown = [metric for metric in permutations if metric not in TESTED]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not tested; {', '.join(TESTED)} are.")
    pairs = list(combinations(range(len(lines)), 2))
    shares = {(i, j): list(pairing(lines[i], lines[j])) for i, j in pairs}
    found = {metric: np.ones((len(lines), len(lines))) for metric in permutations}
    for metric, most in permutations.items():
        if metric in LINEAR:
            p_values = p_values_of_sums(metric, most, targets, patients, lines, shares, seed)
            for (i, j), p in p_values.items():
                found[metric][i, j] = found[metric][j, i] = p
    scored = {m: most for m, most in permutations.items() if m not in LINEAR}
    tests = {(m, pair): _Test(most, enough) for m, most in scored.items() for pair in pairs}
    _score_swaps(tests, targets, patients, lines, shares, seed)
    for (metric, (i, j)), test in tests.items():
        found[metric][i, j] = found[metric][j, i] = test.p
    return found


def _score_swaps(
    tests: Mapping[tuple[str, Pair], _Test],
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    lines: Sequence[Sequence[Predicted]],
    shares: Mapping[Pair, list[Share]],
    seed: int,
) -> None:
    """Score swaps, round by round, until every test has ended."""
    twice = np.concatenate([targets, targets])
    kinds = [kind for kind in (RANKING, DECIDING) if any(m in kind for m, _ in tests)]
    shown = {kind: [[judged_by(run, kind) for run in runs] for runs in lines] for kind in kinds}
    for number in count():
        if all(test.p is not None for test in tests.values()):
            return
        weights = _swap_weights(patients, ROUND if number else FIRST_ROUND, [seed, number])
        for kind, pair in product(kinds, shares):
            undecided = [m for m, of in tests if of == pair and m in kind and not tests[m, of].p]
            if undecided:
                a, b = (shown[kind][line] for line in pair)
                differences = _differences(undecided, twice, a, b, shares[pair], weights)
                for metric in undecided:
                    tests[metric, pair].add(differences[metric])


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


@dataclass
class _Test:
    """Two methods under one metric, until enough swaps are known.

    Attributes:
        most: swaps after which it ends.
        enough: swaps with a difference at least as large as the seen one after which it ends.
        swaps, as_large: so far, of both kinds.
        p: None until it ends.
    """

    most: int
    enough: int
    swaps: int = 0
    as_large: int = 0
    p: float | None = None

    def add(self, differences: Floats) -> None:
        """Count more swaps: shape (1 + swaps,), the first without a swap."""
        seen, swapped = abs(differences[0]), np.abs(differences[1:])[: self.most - self.swaps]
        if np.isnan(seen):
            self.p = 1.0
            return
        as_large = np.flatnonzero(swapped >= seen - ROUNDING)
        missing = self.enough - self.as_large
        if len(as_large) >= missing:
            # The swap that completed them counts as the last one, also within a round.
            self.p = self.enough / (self.swaps + int(as_large[missing - 1]) + 1)
            return
        self.swaps += len(swapped)
        self.as_large += len(as_large)
        if self.swaps == self.most:
            self.p = (1 + self.as_large) / (1 + self.swaps)


def _swap_weights(
    patients: NDArray[np.str_], permutations: int, seed: int | Sequence[int]
) -> NDArray[np.float32]:
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


def _differences(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    a: Sequence[NDArray[np.floating]],
    b: Sequence[NDArray[np.floating]],
    shares: Sequence[tuple[int, int, float]],
    weights: NDArray[np.float32],
) -> dict[str, Floats]:
    """For each metric a's mean minus b's, shape (1 + permutations,), the first without swaps.

    Args:
        metrics: of one kind.
        targets: of the doubled test set.
        a, b: what the runs are judged by.
        shares: from `pairing`.
        weights: from `_swap_weights`.
    """
    total = {metric: np.zeros(weights.shape[1] // 2) for metric in metrics}
    halves = np.full(targets.shape[1], 0.5)  # what separates decisions of 0 and 1
    for i, j, share in shares:
        both = per_class_many(metrics, targets, np.concatenate([a[i], b[j]]), halves, weights)
        for metric, values in both.items():
            in_place_of_a, in_place_of_b = np.split(macro(values), 2)
            total[metric] += share * (in_place_of_a - in_place_of_b)
    return total
