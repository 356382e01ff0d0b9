"""Which of two methods is better: a paired permutation test over patients, and Holm's correction.

If two methods are equally good, it does not matter which of them made which of a patient's two sets
of predictions. The test swaps them for random patients and asks how often the difference gets as
large as the one that was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lcd_plugin.evaluate.metrics import TESTED
from lcd_plugin.evaluate.paired_runs import Predicted, pairing
from lcd_plugin.evaluate.sign_flips import p_values
from lcd_plugin.evaluate.swap_sums import swap_sums

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class SwapTests:
    """Every two of several methods under one metric.

    Attributes:
        p: two-sided p-values, shape (lines, lines), with 1 on the diagonal.
        sums: the differences that were tested, first line minus second, the same shape; they are
            those of the metric but for what `swap_sums` leaves out.
    """

    p: Floats
    sums: Floats


def paired_permutation(
    metric: str,
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    a: Predicted | Sequence[Predicted],
    b: Predicted | Sequence[Predicted],
) -> float:
    """Two-sided p-value of the difference of two methods' macro metric.

    Args:
        metric: one of `TESTED`.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        a, b: the methods' predictions, or those of each of their runs; the difference is that of
            the means over runs.

    Returns:
        The share of all swaps with a difference at least as large; 1 where the metric is defined
        for no class.
    """
    lines = [[run] if isinstance(run, Predicted) else list(run) for run in (a, b)]
    tests = permutation_tests((metric,), targets, patients, lines)
    return float(tests[metric].p[0, 1])


def permutation_tests(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    patients: NDArray[np.str_],
    lines: Sequence[Sequence[Predicted]],
) -> dict[str, SwapTests]:
    """The test of `paired_permutation` for every two of several methods and several metrics.

    Args:
        metrics: from `TESTED`.
        targets: 0 or 1, shape (records, classes).
        patients: patient of each record, shape (records,).
        lines: the runs of each method.

    Raises:
        ValueError: a metric that is not tested.
    """
    unknown = [metric for metric in metrics if metric not in TESTED]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not tested; {', '.join(TESTED)} are.")
    shape = (len(lines), len(lines))
    found = {metric: SwapTests(np.ones(shape), np.zeros(shape)) for metric in metrics}
    pairs = list(combinations(range(len(lines)), 2))
    if not pairs:
        return found
    parts = swap_sums(
        metrics, targets, lines, {(i, j): list(pairing(lines[i], lines[j])) for i, j in pairs}
    )
    i, j = np.array(pairs).T
    for metric in metrics:
        tests, sums = found[metric], parts[metric].sum(axis=1)
        tests.p[i, j] = tests.p[j, i] = p_values(_of_patients(parts[metric], patients))
        tests.sums[i, j], tests.sums[j, i] = sums, -sums
    return found


def _of_patients(parts: Floats, patients: NDArray[np.str_]) -> Floats:
    """Sums of the records of each patient, whose predictions are swapped together.

    Args:
        parts: what each record adds to each difference, shape (differences, records).
        patients: patient of each record, shape (records,).

    Returns:
        Shape (differences, patients).
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    order = np.argsort(patient_of, kind="stable")
    starts = np.searchsorted(patient_of[order], np.arange(len(names)))
    sums: Floats = np.add.reduceat(parts[:, order], starts, axis=1)
    return sums


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
