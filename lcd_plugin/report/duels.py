"""Every two lines of a comparison against each other, and the ranks that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lcd_plugin.evaluate.bootstrap import Interval, intervals
from lcd_plugin.evaluate.metrics import TESTED
from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.permutation import SwapTests, holm, permutation_tests
from lcd_plugin.report.comparisons import label_seed_of
from lcd_plugin.report.contenders import Contender, baselines_of, best_first
from lcd_plugin.report.model import Place

# Corrected p-values below it tell two lines apart.
LEVEL = 0.05


@dataclass(frozen=True)
class Duel:
    """Two lines under one metric.

    Attributes:
        a, b: the lines.
        difference: a's mean minus b's.
        bounds: its 95 % interval.
        seed_std: standard deviation over pretraining seeds of the difference, each seed's a mean
            over its label subsets; None where fewer than two seeds are in both lines.
        p, p_holm: of the paired permutation test, and corrected for all duels of the comparison.
        winner: the better line; None where the two cannot be told apart.
    """

    a: Place
    b: Place
    difference: float
    bounds: Interval
    seed_std: float | None
    p: float
    p_holm: float
    winner: Place | None


@dataclass(frozen=True)
class Standing:
    """Where a line stands in its comparison.

    Attributes:
        rank: 1 + the number of lines that are better; None under a metric that is not tested.
        tied: lines that it cannot be told apart from, best first.
        beats_random: whether it is better than all of its `random`; None without one.
        compared_random: the best of them.
        p_random: what that follows from, see `_against_random`.
        compared_supervised: the best of its `supervised`.
    """

    rank: int | None = None
    tied: tuple[Place, ...] = ()
    beats_random: bool | None = None
    compared_random: Place | None = None
    p_random: float | None = None
    compared_supervised: Place | None = None


def all_duels(contenders: list[Contender]) -> dict[str, list[Duel]]:
    """Every pair of lines of one comparison, by tested metric; the better of a pair is `a`."""
    if len(contenders) < 2:
        return {metric: [] for metric in TESTED}
    first = contenders[0].runs[0]
    lines = [
        [Predicted(r.scores, r.thresholds, (r.cell.seed, label_seed_of(r))) for r in c.runs]
        for c in contenders
    ]
    tests = permutation_tests(TESTED, first.targets, first.patients, lines)
    return {metric: _duels(contenders, metric, tests[metric]) for metric in TESTED}


def _duels(contenders: list[Contender], metric: str, tests: SwapTests) -> list[Duel]:
    number = {c.place: i for i, c in enumerate(contenders)}
    pairs = list(combinations(best_first(contenders, metric), 2))
    raw = [_p(a, b, metric, tests, (number[a.place], number[b.place])) for a, b in pairs]
    bounds = intervals(np.stack([a.draws[metric] - b.draws[metric] for a, b in pairs]))
    return [
        Duel(
            a.place,
            b.place,
            difference := a.mean(metric) - b.mean(metric),
            own,
            _seed_std(a, b, metric),
            p,
            float(p_holm),
            a.place if p_holm < LEVEL and difference != 0 else None,
        )
        for (a, b), own, p, p_holm in zip(pairs, bounds, raw, holm(raw), strict=True)
    ]


def _p(a: Contender, b: Contender, metric: str, tests: SwapTests, place: tuple[int, int]) -> float:
    """The p-value; 1 where there is nothing that it could be said of.

    That is where a line has no number, or where the difference and what was tested in its place
    have opposite signs, as they can where thresholds of the two are far apart.
    """
    difference = a.mean(metric) - b.mean(metric)
    unknown = not np.isfinite(difference) or difference * tests.sums[place] < 0
    return 1.0 if unknown else float(tests.p[place])


def _seed_std(a: Contender, b: Contender, metric: str) -> float | None:
    of_a, of_b = a.seed_means[metric], b.seed_means[metric]
    differences = [of_a[seed] - of_b[seed] for seed in of_a if seed in of_b]
    return float(np.std(differences, ddof=1)) if len(differences) > 1 else None


def standings(
    contenders: list[Contender], metric: str, duels: list[Duel] | None
) -> dict[Place, Standing]:
    """What the duels say of every line.

    Args:
        contenders: all lines of a comparison.
        metric: which one.
        duels: all of the comparison under it; None where it is not tested.
    """
    supervised = {c.place: _baselines(c, "supervised", contenders, metric) for c in contenders}
    beside = {place: own[0] if own else None for place, own in supervised.items()}
    if duels is None:
        return {place: Standing(compared_supervised=own) for place, own in beside.items()}
    better, tied = dict.fromkeys(beside, 0), {place: list[Place]() for place in beside}
    for duel in duels:  # in the order of the lines, best first
        if duel.winner is None:
            tied[duel.a].append(duel.b)
            tied[duel.b].append(duel.a)
        else:
            better[duel.b if duel.winner == duel.a else duel.a] += 1
    randoms = {c.place: _baselines(c, "random", contenders, metric) for c in contenders}
    against = _against_random({p: own for p, own in randoms.items() if own}, duels)
    return {
        place: Standing(
            1 + better[place],
            tuple(tied[place]),
            against[place][1] if place in against else None,
            randoms[place][0] if randoms[place] else None,
            against[place][0] if place in against else None,
            own,
        )
        for place, own in beside.items()
    }


def _baselines(own: Contender, kind: str, contenders: list[Contender], metric: str) -> list[Place]:
    """The baselines of a line, best first; a baseline has none of its kind."""
    if own.kind == kind:
        return []
    return [c.place for c in best_first(baselines_of(own, kind, contenders), metric)]


def _against_random(
    randoms: dict[Place, list[Place]], duels: list[Duel]
) -> dict[Place, tuple[float, bool]]:
    """Whether pretraining helped: for every line p and whether it is better than its `random`.

    This is another question than which of all lines are apart, so that p is corrected after Holm
    for as many tests as lines are asked about, however many duels there are among them. Where a
    line has several `random`, it must beat them all, and the largest p is that of this one test
    (intersection-union: Berger, Technometrics 1982).

    Args:
        randoms: those of each line that has one.
        duels: all of the comparison.
    """
    between = {frozenset((duel.a, duel.b)): duel for duel in duels}
    own = {
        place: [between[frozenset((place, random))] for random in others]
        for place, others in randoms.items()
    }
    corrected = holm([max(duel.p for duel in own_duels) for own_duels in own.values()])
    return {
        place: (
            float(p),
            bool(p < LEVEL) and all(d.a == place and d.difference != 0 for d in own_duels),
        )
        for (place, own_duels), p in zip(own.items(), corrected, strict=True)
    }
