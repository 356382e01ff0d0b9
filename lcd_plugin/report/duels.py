"""Every two lines of a comparison against each other, and the ranks that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lcd_plugin.evaluate.bootstrap import Interval, interval
from lcd_plugin.evaluate.metrics import METRICS
from lcd_plugin.evaluate.permutation import (
    PERMUTATIONS,
    Predicted,
    holm,
    permutation_p_values,
)
from lcd_plugin.report.contenders import Contender, Floats, baselines_of, best_first
from lcd_plugin.report.model import Place

# Corrected p-values below it tell two lines apart.
LEVEL = 0.05
# The smallest p-value is 1 / (1 + permutations), and Holm multiplies it by the number of pairs:
# with fewer permutations nothing could be told apart in a comparison of many lines.
PERMUTATIONS_PER_PAIR = 50


@dataclass(frozen=True)
class Duel:
    """Two lines under one metric.

    Attributes:
        a, b: the lines.
        difference: a's mean minus b's.
        bounds: its 95 % interval.
        p, p_holm: of the paired permutation test, and corrected for all duels of the comparison.
        winner: the better line; None where the two cannot be told apart.
    """

    a: Place
    b: Place
    difference: float
    bounds: Interval
    p: float
    p_holm: float
    winner: Place | None


@dataclass(frozen=True)
class Standing:
    """Where a line stands in its comparison.

    Attributes:
        rank: 1 + the number of lines that are better.
        tied: lines that it cannot be told apart from, best first.
        beats_random: whether it is better than all of its `random`; None without one.
    """

    rank: int
    tied: tuple[Place, ...]
    beats_random: bool | None


def all_duels(contenders: list[Contender]) -> dict[str, list[Duel]]:
    """Tests of every pair of lines of one comparison, by metric; the better of a pair is `a`."""
    if len(contenders) < 2:
        return {metric: [] for metric in METRICS}
    p_values = _p_values(contenders)
    return {metric: _duels(contenders, metric, p_values[metric]) for metric in METRICS}


def _p_values(contenders: list[Contender]) -> dict[str, Floats]:
    """Uncorrected p-values, metric -> shape (lines, lines), of more swaps the more pairs there are.

    A pair above the level after the first swaps stays as it is: no correction could bring it below.
    """
    pairs = list(combinations(range(len(contenders)), 2))
    found = _test(METRICS, contenders, seed=0)
    rounds = math.ceil(len(pairs) * PERMUTATIONS_PER_PAIR / PERMUTATIONS)
    for i, j in pairs if rounds > 1 else ():
        open_ = [metric for metric in METRICS if found[metric][i, j] < LEVEL]
        if not open_:
            continue
        two = [contenders[i], contenders[j]]
        more = [_test(open_, two, seed) for seed in range(1, rounds)]
        for metric in open_:
            all_rounds = [found[metric][i, j], *(values[metric][0, 1] for values in more)]
            as_large = sum(p * (1 + PERMUTATIONS) - 1 for p in all_rounds)
            p = (1 + as_large) / (1 + rounds * PERMUTATIONS)
            found[metric][i, j] = found[metric][j, i] = p
    return found


def _test(metrics: Sequence[str], contenders: list[Contender], seed: int) -> dict[str, Floats]:
    first = contenders[0].runs[0]
    lines = [[Predicted(run.scores, run.thresholds) for run in c.runs] for c in contenders]
    return permutation_p_values(metrics, first.targets, first.patients, lines, PERMUTATIONS, seed)


def _duels(contenders: list[Contender], metric: str, p_values: Floats) -> list[Duel]:
    place = {c.place: i for i, c in enumerate(contenders)}
    pairs = list(combinations(best_first(contenders, metric), 2))
    raw = [_p(a, b, metric, p_values[place[a.place], place[b.place]]) for a, b in pairs]
    return [
        Duel(
            a.place,
            b.place,
            difference := a.mean(metric) - b.mean(metric),
            interval(a.draws[metric] - b.draws[metric]),
            p,
            float(p_holm),
            a.place if p_holm < LEVEL and difference != 0 else None,
        )
        for (a, b), p, p_holm in zip(pairs, raw, holm(raw), strict=True)
    ]


def _p(a: Contender, b: Contender, metric: str, p: float) -> float:
    """The p-value; 1 where a line has no number, which nothing can be said of."""
    return float(p) if np.isfinite(a.mean(metric) - b.mean(metric)) else 1.0


def standing(own: Contender, contenders: list[Contender], duels: list[Duel]) -> Standing:
    """What the duels of a line say.

    Args:
        own: the line.
        contenders: all lines of the comparison.
        duels: all of the comparison.
    """
    winners = {
        duel.b if duel.a == own.place else duel.a: duel.winner
        for duel in duels
        if own.place in (duel.a, duel.b)
    }
    better = sum(winner not in (None, own.place) for winner in winners.values())
    tied = tuple(place for place, winner in winners.items() if winner is None)
    return Standing(1 + better, tied, _beats_random(own, contenders, winners))


def _beats_random(
    own: Contender, contenders: list[Contender], winners: dict[Place, Place | None]
) -> bool | None:
    randoms = baselines_of(own, "random", contenders)
    if own.kind == "random" or not randoms:
        return None
    return all(winners[random.place] == own.place for random in randoms)
