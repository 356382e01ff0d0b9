"""What every record adds to the difference of two methods, as long as they are swapped record-wise.

A macro metric is a function of how often positives and negatives of each class are at each step of
the scores: of the counts of a method. Between the two methods lie their mean counts, those of the
pooled predictions, which no swap changes. Around them a difference is twice an odd function of the
way to either method, so that what is linear in it,

    f(A) - f(B) = f'(mean of A and B) (A - B) + terms of the third order,

lacks no term of the second order. Its right side is a sum over records: with v(step) what one more
record at a step changes in the metric of the pooled predictions (its influence function; Hampel,
JASA 1974), a record adds v(step under A) - v(step under B), and changes its sign when its
predictions are swapped. So the sums of all swaps are one matrix product, and a test with them is
an exact test of exchangeability: the terms left out cost nothing but power, where methods differ
wildly.

AUROC and balanced accuracy have no higher terms at all: for them this is the difference itself.
Average precision without equal scores has none before a swap either, since two methods then have
equally many records above each rank. F1 is off by a factor of 1 - d^2, with d the share by which
the numbers of decisions and positives of a method differ from their mean: much in a class of which
one method sees ten times as many as the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.metrics import DECIDING, RANKING
from lcd_plugin.evaluate.paired_runs import Pair, Predicted, Share, judged_by

Floats: TypeAlias = NDArray[np.float64]

# Entries of the tables that are computed together, such that they stay in the cache.
TOGETHER = 50_000


def swap_sums(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    lines: Sequence[Sequence[Predicted]],
    shares: Mapping[Pair, list[Share]],
) -> dict[str, Floats]:
    """What each record adds to the differences of pairs of lines.

    Args:
        metrics: from `TESTED`.
        targets: 0 or 1, shape (records, classes).
        lines: the runs of each method.
        shares: of each pair of lines, from `pairing`.

    Returns:
        For each metric shape (pairs, records); zeros where it is defined for no class.
    """
    first = np.cumsum([0, *(len(runs) for runs in lines)])
    runs = [run for line in lines for run in line]
    swaps = [
        (pair, first[i] + a, first[j] + b, share)
        for pair, ((i, j), own) in enumerate(shares.items())
        for a, b, share in own
    ]
    pairs, a, b, share = (np.array(column) for column in zip(*swaps, strict=True))
    found: dict[str, Floats] = {}
    for kind, parts_of in ((RANKING, _parts_of_ranks), (DECIDING, _parts_of_decisions)):
        chosen = [metric for metric in metrics if metric in kind]
        if chosen:
            shown = np.stack([judged_by(run, kind).T for run in runs])
            total = np.zeros((len(chosen), len(shares), len(targets)))
            for some, parts in parts_of(chosen, targets, shown, a, b):
                for place, own in zip(range(len(pairs))[some], parts.swapaxes(0, 1), strict=True):
                    total[:, pairs[place]] += share[place] * own
            found |= dict(zip(chosen, total, strict=True))
    return found


def _parts_of_ranks(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    ranks: NDArray[np.floating],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
) -> Iterator[tuple[slice, Floats]]:
    """What each record adds to the differences of pairs of runs, several pairs at a time.

    Args:
        metrics: of `RANKING`.
        targets: 0 or 1, shape (records, classes).
        ranks: shape (runs, classes, records).
        a, b: which runs, shape (pairs,).

    Yields:
        Which pairs, and shape (metrics, pairs, records).
    """
    halves = (2 * ranks).astype(np.int32)  # mean ranks of equal scores end in a half
    there = np.bincount(halves.ravel()) > 0
    step = (np.cumsum(there, dtype=np.int32) - 1)[halves]
    scales = [_scale(metric, targets) for metric in metrics]
    table = (targets.shape[1], 2, int(there.sum()))  # of a pair: class, target, step
    # Where each record of a pair begins in it.
    start = (2 * np.arange(table[0])[:, None] + targets.T) * table[2]
    for some in _blocks(len(a), TOGETHER // math.prod(table)):
        shape = (len(a[some]), *table)
        first = start + math.prod(table) * np.arange(shape[0])[:, None, None]
        at_a, at_b = first + step[a[some]], first + step[b[some]]
        pooled = _counts(at_a, shape) + _counts(at_b, shape)
        negative, positive = pooled[:, :, 0] / 2, pooled[:, :, 1] / 2
        parts = []
        for metric, scale in zip(metrics, scales, strict=True):
            change = np.stack(INFLUENCE[metric](negative, positive), axis=2)
            change *= scale[:, None, None]
            parts.append((change.take(at_a) - change.take(at_b)).sum(axis=1))
        yield some, np.stack(parts)


def _counts(places: NDArray[np.integer], shape: tuple[int, ...]) -> Floats:
    """How often each place of a table of a shape is there."""
    counts = np.bincount(places.ravel(), minlength=math.prod(shape))
    return counts.reshape(shape).astype(np.float64)


def _parts_of_decisions(
    metrics: Sequence[str],
    targets: NDArray[np.int8],
    decisions: NDArray[np.floating],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
) -> Iterator[tuple[slice, Floats]]:
    """As `_parts_of_ranks`; of the steps no and yes only yes counts."""
    truth = targets.T == 1
    apart = np.concatenate([decisions * ~truth, decisions * truth], axis=1, dtype=np.float64)
    positives = truth.sum(axis=1)
    counts = np.stack([len(targets) - positives, positives])
    decided = apart.sum(axis=2).reshape(len(apart), 2, -1)
    scales = [_scale(metric, targets) for metric in metrics]
    for some in _blocks(len(a), TOGETHER // apart[0].size):
        yes = (decided[a[some]] + decided[b[some]]) / 2
        negative, positive = np.stack([counts - yes, yes], axis=-1).swapaxes(0, 1)
        # For each pair and metric what a yes changes: by classes, negatives before positives.
        change = np.stack(
            [
                np.stack(INFLUENCE[metric](negative, positive), axis=1)[..., 1] * scale
                for metric, scale in zip(metrics, scales, strict=True)
            ],
            axis=1,
        ).reshape(len(yes), len(metrics), -1)
        yield some, (change @ (apart[a[some]] - apart[b[some]])).swapaxes(0, 1)


def _blocks(length: int, together: int) -> Iterator[slice]:
    """Slices of a sequence."""
    step = max(1, together)
    for start in range(0, length, step):
        yield slice(start, start + step)


def _scale(metric: str, targets: NDArray[np.int8]) -> Floats:
    """What classes count in a macro mean, shape (classes,)."""
    positives = targets.sum(axis=0, dtype=np.int64)
    needs_negatives = metric in ("auroc", "balanced_accuracy")
    defined = (positives > 0) & ~(needs_negatives & (positives == len(targets)))
    scale: Floats = defined / max(int(defined.sum()), 1)
    return scale


def _total(counts: Floats) -> Floats:
    """Sums over the steps; 1 where there is nothing, in classes that no metric counts."""
    total: Floats = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return total


def _auroc(negative: Floats, positive: Floats) -> tuple[Floats, Floats]:
    """A positive gains the share of negatives below it, a negative loses that of positives."""
    pairs = _total(negative) * _total(positive)
    # Equal ones count half.
    below_negative, below_positive = (
        np.cumsum(count, axis=-1) - count / 2 for count in (negative, positive)
    )
    # What is left out, the number of all positives, is equal for every negative.
    return -below_positive / pairs, below_negative / pairs


def _average_precision(negative: Floats, positive: Floats) -> tuple[Floats, Floats]:
    """A record gains, at the steps of positives down to its own, what it changes in the precision.

    Average precision is the sum over steps c of f(c) TP(c) / N(c), with f the share of the
    positives that are at c, and of the records at c or above TP the positives and N all. One more
    record at or above c changes the precision there by (t - TP / N) / N, with t its target; a
    positive also has the precision at its own step.
    """
    positives = _total(positive)
    found, taken = (
        count.sum(axis=-1, keepdims=True) - np.cumsum(count, axis=-1) + count
        for count in (positive, negative + positive)
    )
    # At steps above all records there is nothing to divide.
    each = 1 / np.maximum(taken, 0.5)
    precision = found * each
    weight = each * positive / positives
    lost = np.cumsum(weight * precision, axis=-1)
    return -lost, precision / positives + np.cumsum(weight, axis=-1) - lost


def _f1(negative: Floats, positive: Floats) -> tuple[Floats, Floats]:
    """F1 is X / Y of twice the hits and of decisions and positives: it changes by (dX - F1 dY) / Y.

    The steps are no and yes.
    """
    hits, all_decided = positive[..., 1:], (negative + positive)[..., 1:]
    both = all_decided + _total(positive)
    f1 = 2 * hits / both
    yes = np.array([0.0, 1.0])
    return -f1 / both * yes, (2 - f1) / both * yes


def _balanced_accuracy(negative: Floats, positive: Floats) -> tuple[Floats, Floats]:
    """Half the share of the negatives, or of the positives, that a record is."""
    yes = np.array([0.0, 1.0])
    lost, gained = (0.5 / _total(count) for count in (negative, positive))
    return -lost * yes, gained * yes


# What one more negative and one more positive at each step change in the metric of a class: from
# counts of negatives and positives, shapes (..., steps), to the same shapes. The steps go up.
INFLUENCE: dict[str, Callable[[Floats, Floats], tuple[Floats, Floats]]] = {
    "auroc": _auroc,
    "auprc": _average_precision,
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
}
