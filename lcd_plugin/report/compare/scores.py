"""What the scores of two runs say, line by line."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lcd_plugin.evaluate.bootstrap import interval
from lcd_plugin.evaluate.metrics import macro, per_class_many
from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.permutation import holm, paired_permutation
from lcd_plugin.report.compare.matching import MatchedLine
from lcd_plugin.report.compare.model import Doubt, LineDifference
from lcd_plugin.report.compare.records import KnownRecords, Ordered
from lcd_plugin.report.duels import LEVEL

# With fewer, a t test over seeds tells nothing but the largest differences.
FEWEST_SEEDS = 3
NAN = float("nan")
UNTESTED: dict[str, Any] = {
    "ci_low": NAN, "ci_high": NAN, "p": None, "p_holm": None, "verdict": "not tested"
}  # fmt: skip


@dataclass(frozen=True)
class _Sides:
    """The evaluations of a line that are compared, put in one order.

    Attributes:
        records: of run A, and of run B in the same order of classes; None where the classes are
            not the same.
        a, b: predictions.
        reason: why the line cannot be tested; "" where it can.
    """

    records: tuple[Ordered, Ordered] | None
    a: list[Predicted]
    b: list[Predicted]
    reason: str


def line_differences(lines: Iterable[MatchedLine], metrics: Sequence[str]) -> list[LineDifference]:
    """Every line under every metric, what got worse first.

    Args:
        lines: that both runs have.
        metrics: from `TESTED`.
    """
    known = KnownRecords()
    prepared = [(line, _sides(line, known)) for line in lines]
    for _, sides in prepared:
        if sides.records is not None and not sides.reason:
            known.weights(sides.records[0])  # before several threads ask for them
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [(line, sides, metric) for line, sides in prepared for metric in metrics]
        waiting = [pool.submit(_difference, *task, known) for task in tasks]
        found = [task.result() for task in waiting]
    corrected = [own for metric in metrics for own in _with_holm(found, metric)]
    return sorted(corrected, key=_worst_first)


def _sides(line: MatchedLine, known: KnownRecords) -> _Sides:
    runs_a, runs_b = line.compared
    classes = runs_a[0].result.classes
    if any(set(run.result.classes) != set(classes) for run in (*runs_a, *runs_b)):
        return _Sides(None, [], [], "the classes are not the same")
    of_a, of_b = ([known.ordered(run, classes) for run in runs] for runs in (runs_a, runs_b))
    a, b = (
        [records.predicted(run) for records, run in zip(orders, runs, strict=True)]
        for orders, runs in ((of_a, runs_a), (of_b, runs_b))
    )
    same = all(records.has_records_of(of_a[0]) for records in (*of_a, *of_b))
    return _Sides((of_a[0], of_b[0]), a, b, "" if same else "the test records are not the same")


def _difference(
    line: MatchedLine, sides: _Sides, metric: str, known: KnownRecords
) -> LineDifference:
    values_a, values_b = _values(line, sides, metric)
    mean_a, mean_b = float(values_a.mean()), float(values_b.mean())
    reason = sides.reason
    if not reason and not math.isfinite(mean_b - mean_a):
        reason = "no class can be scored"
    tested = UNTESTED if reason else _tested(line, sides, metric, known)
    seeds_a, seeds_b = ({run.cell.seed for run in runs} for runs in (line.a, line.b))
    return LineDifference(
        **line.name._asdict(),
        metric=metric,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=mean_b - mean_a,
        seed_std=_seed_std(line, values_a, values_b),
        **tested,
        reason=reason,
        n_pairs=len(line.pairs),
        seeds=tuple(sorted({a.cell.seed for a, _ in line.pairs})),
        seeds_only_a=tuple(sorted(seeds_a - seeds_b)),
        seeds_only_b=tuple(sorted(seeds_b - seeds_a)),
        n_test_a=len(line.a[0].patients),
        n_test_b=len(line.b[0].patients),
        same_settings=bool(line.pairs) and all(a.cell.key == b.cell.key for a, b in line.pairs),
    )


def _values(
    line: MatchedLine, sides: _Sides, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Macro values of the evaluations of each side, shapes (evaluations,)."""
    if sides.records is None:
        a, b = (
            [_macro(metric, r.targets, r.scores, r.thresholds) for r in runs]
            for runs in line.compared
        )
    else:
        a, b = (
            [_macro(metric, records.targets, p.scores, p.thresholds) for p in own]
            for records, own in zip(sides.records, (sides.a, sides.b), strict=True)
        )
    return np.concatenate(a), np.concatenate(b)


def _macro(metric: str, targets: Any, scores: Any, thresholds: Any, weights: Any = None) -> Any:
    return macro(per_class_many((metric,), targets, scores, thresholds, weights)[metric])


def _tested(line: MatchedLine, sides: _Sides, metric: str, known: KnownRecords) -> dict[str, Any]:
    """Interval, p and verdict of a line whose test records are the same."""
    assert sides.records is not None
    records = sides.records[0]
    pairs = list(zip(sides.a, sides.b, strict=False))
    if line.pairs and all(
        np.array_equal(a.scores, b.scores) and np.array_equal(a.thresholds, b.thresholds)
        for a, b in pairs
    ):
        return UNTESTED | {"ci_low": 0.0, "ci_high": 0.0, "verdict": "same"}
    weights = known.weights(records)
    drawn_a, drawn_b = (
        np.mean(
            [_macro(metric, records.targets, p.scores, p.thresholds, weights) for p in own], axis=0
        )
        for own in (sides.a, sides.b)
    )
    bounds = interval(drawn_b - drawn_a)
    p = paired_permutation(metric, records.targets, records.patients, sides.a, sides.b)
    return UNTESTED | {
        "ci_low": bounds.low, "ci_high": bounds.high, "p": p, "verdict": "cannot be told apart"
    }  # fmt: skip


def _seed_std(line: MatchedLine, a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Spread over pretraining seeds of the difference, each a mean over its label subsets."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    # Without pairs no difference is of one seed.
    for (run, _), difference in zip(line.pairs, b - a if line.pairs else (), strict=True):
        by_seed[run.cell.seed].append(float(difference))
    means = [np.mean(own) for own in by_seed.values()]
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def _with_holm(found: Iterable[LineDifference], metric: str) -> list[LineDifference]:
    """The lines of a metric with corrected p-values, and what follows from them."""
    own = [line for line in found if line.metric == metric]
    corrected = iter(holm([line.p for line in own if line.p is not None]).tolist())
    return [line if line.p is None else _judged(line, next(corrected)) for line in own]


def _judged(line: LineDifference, p_holm: float) -> LineDifference:
    verdict = line.verdict
    if p_holm < LEVEL and line.difference:
        verdict = "better" if line.difference > 0 else "worse"
    told = verdict != line.verdict or not line.seeds
    doubt = seeds_doubt(line) if told else ""
    return line.model_copy(update={"p_holm": p_holm, "verdict": verdict, "doubt": doubt})


def seeds_doubt(line: LineDifference) -> Doubt:
    """Why a difference may be of the seeds alone; "" where it is larger than they make it."""
    if not line.seeds:
        return "no seed in common"
    if line.seed_std is None or len(line.seeds) < FEWEST_SEEDS:
        return "fewer than 3 seeds"
    error = line.seed_std / math.sqrt(len(line.seeds))
    widest = float(special.stdtrit(len(line.seeds) - 1, 1 - LEVEL / 2)) * error
    return "within seeds" if abs(line.difference) <= widest else ""


def _worst_first(line: LineDifference) -> tuple[bool, float]:
    return math.isnan(line.difference), 0.0 if math.isnan(line.difference) else line.difference
