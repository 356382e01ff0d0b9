"""Runs of two methods side by side: what they are judged by, and which swaps with which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.metrics import RANKING

Pair: TypeAlias = tuple[int, int]  # two lines
Share: TypeAlias = tuple[int, int, float]  # a run of each, and what they count in the mean


@dataclass(frozen=True)
class Predicted:
    """Predictions of one run of a method on the test records.

    Attributes:
        scores: shape (records, classes).
        thresholds: of decisions, shape (classes,).
        seeds: of the pretraining and the label subset; runs of two methods with the same seeds
            swap with each other.
    """

    scores: NDArray[np.floating]
    thresholds: NDArray[np.floating]
    seeds: tuple[int, int] | None = None


def judged_by(run: Predicted, kind: tuple[str, ...]) -> NDArray[np.floating]:
    """What a kind of metrics judges a run by, such that two methods can swap it.

    Where only the order counts, methods with scores on different scales are put on one by ranks
    among their own records (Venkatraman, Biometrics 2000; Bandos et al., Stat Med 2005).
    """
    if kind == RANKING:
        return np.stack([mean_ranks(scores) for scores in run.scores.T], axis=1)
    return (run.scores >= run.thresholds).astype(np.float32)


def mean_ranks(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1 up, equal scores sharing their mean; shape (records,)."""
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, scores, "left")
    not_above = np.searchsorted(ordered, scores, "right")
    ranks: NDArray[np.float64] = (below + not_above + 1) / 2
    return ranks


def pairing(a: Sequence[Predicted], b: Sequence[Predicted]) -> Iterator[Share]:
    """Which run of one method swaps with which of the other, and with what share in the mean.

    Runs with the same seeds swap with each other. What is left, since one method has other seeds or
    more runs, swaps in the order it came in, such that all of a method's runs count equally.
    """
    left_a, left_b = ([Fraction(1, len(runs))] * len(runs) for runs in (a, b))
    places = {run.seeds: j for j, run in enumerate(b) if run.seeds is not None}
    alike = [(i, places[run.seeds]) for i, run in enumerate(a) if run.seeds in places]
    for i, j in (*alike, *product(range(len(a)), range(len(b)))):
        share = min(left_a[i], left_b[j])
        if share:
            left_a[i] -= share
            left_b[j] -= share
            yield i, j, float(share)
