"""Score over pretraining time, and the time that each method takes to the same score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lcd_plugin.bench.results import PretrainResult
from lcd_plugin.evaluate.metrics import macro, per_class
from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import Table, fraction_of, label_seed_of
from lcd_plugin.report.figures import place_of, series_names
from lcd_plugin.report.model import Place, Row, SpeedCurve


@dataclass(frozen=True)
class TimeToScore:
    """When a line of a comparison reaches a score that all of its lines reach.

    Attributes:
        curve: of the line.
        target: macro AUROC.
        seconds: pretraining seconds until the line first has it.
        records: records taken in until then.
        at_most: the line has it at its first snapshot already, which is what is given here.
        left_out: names of the lines of the comparison that learned nothing, which no target is set
            by.
    """

    curve: SpeedCurve
    target: float
    seconds: float
    records: float
    at_most: bool
    left_out: tuple[str, ...] = ()


def time_to_score(curves: Iterable[SpeedCurve], rows: Iterable[Row] = ()) -> list[TimeToScore]:
    """Time to the highest score that every line of a comparison reaches, fastest line first.

    Between two snapshots the score is taken as linear over time. A line that is alone has nothing
    to be compared with and is left out. So is one that ends no higher than its `random`: every
    other line would have the score that it sets at once.

    Args:
        curves: of any number of comparisons; each has a target of its own on each machine, since
            times of two machines cannot be compared.
        rows: of the leaderboard, all of each comparison; without them every line counts as one
            that learned something.
    """
    random = _random_scores(rows)
    comparisons: dict[tuple[str, ...], list[SpeedCurve]] = defaultdict(list)
    for c in curves:
        comparisons[*_comparison(c), c.machine].append(c)
    found = []
    for every in comparisons.values():
        lines = [
            c for c in every if c.score[-1] > random.get((_comparison(c), place_of(c)), -math.inf)
        ]
        if len(lines) < 2:
            continue
        left_out = tuple(c.name for c in every if c not in lines)
        target = min(max(curve.score) for curve in lines)
        times = (_reached(curve, target, left_out) for curve in lines)
        # Of equal times one that may have been shorter comes first.
        found += sorted(times, key=lambda t: (t.seconds, not t.at_most))
    return found


def fastest_is_known(times: Sequence[TimeToScore]) -> bool:
    """Whether the first of a comparison's times is the shortest: none of the others is a bound."""
    return not any(time.at_most for time in times[1:])


def _comparison(item: Row | SpeedCurve) -> tuple[str, ...]:
    return item.dataset, item.task, item.encoder, item.protocol, item.leads


def _random_scores(rows: Iterable[Row]) -> dict[tuple[tuple[str, ...], Place], float]:
    """By comparison and line the macro AUROC of the `random` of its data, with most labels."""
    comparisons: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        comparisons[_comparison(row)].append(row)
    found = {}
    for key, own in comparisons.items():
        names = series_names(own)
        auroc = [row for row in own if row.metric == "auroc"]
        most = max((row.label_fraction for row in auroc), default=None)
        scores = {names[row.place]: row.mean for row in auroc if row.label_fraction == most}
        for row in auroc:
            if row.label_fraction == most and row.compared_random in scores:
                found[key, row.place] = scores[row.compared_random]
    return found


def _reached(curve: SpeedCurve, target: float, left_out: tuple[str, ...]) -> TimeToScore:
    after = next(i for i, score in enumerate(curve.score) if score >= target)
    if after == 0:
        return TimeToScore(curve, target, curve.seconds[0], curve.records[0], True, left_out)
    before = after - 1
    part = (target - curve.score[before]) / (curve.score[after] - curve.score[before])
    seconds, records = (
        axis[before] + part * (axis[after] - axis[before])
        for axis in (curve.seconds, curve.records)
    )
    return TimeToScore(curve, target, seconds, records, False, left_out)


@dataclass(frozen=True)
class _Point:
    """One encoder at one share of its budget."""

    share: float
    seconds: float
    records: float
    score: float


def speed_curves(table: Table, names: Mapping[Place, str]) -> list[SpeedCurve]:
    """The curve of every line whose encoders were scored under way.

    Args:
        table: evaluations, of snapshots too.
        names: of its lines.
    """
    by_encoder: dict[str, list[Scored]] = defaultdict(list)
    for snapshot in table.snapshots:
        by_encoder[str(snapshot.cell.pretrain_key)].append(snapshot)
    curves = []
    for place, runs in table.lines.items():
        seeds = [_points(run, by_encoder[str(run.cell.pretrain_key)]) for run in runs]
        curve = _curve(table, place, names[place], runs, [points for points in seeds if points])
        curves += [curve] if curve else []
    return curves


def _points(run: Scored, snapshots: list[Scored]) -> list[_Point]:
    """Points of a finished encoder and of its snapshots that were scored with the same labels."""
    pretraining = run.pretraining
    if pretraining is None:
        return []
    labels = fraction_of(run), label_seed_of(run)
    alike = [s for s in snapshots if (fraction_of(s), label_seed_of(s)) == labels]
    points = [point for s in alike if (point := _snapshot_point(s, pretraining)) is not None]
    if not points:
        return []
    records = pretraining.updates * float(pretraining.identity["pretrain"]["batch_size"])
    return [*points, _Point(1.0, pretraining.wall_s, records, _score(run))]


def _snapshot_point(snapshot: Scored, pretraining: PretrainResult) -> _Point | None:
    share = snapshot.cell.snapshot
    for entry in pretraining.snapshots:
        if entry.share == share and share < 1:
            return _Point(share, entry.seconds, entry.records, _score(snapshot))
    return None


def _score(run: Scored) -> float:
    return float(macro(per_class("auroc", run.targets, run.scores, run.thresholds, None))[0])


def _curve(
    table: Table, place: Place, name: str, runs: list[Scored], seeds: list[list[_Point]]
) -> SpeedCurve | None:
    """Means over seeds, at the shares that all of them have."""
    if not seeds:
        return None
    by_share = [{point.share: point for point in points} for points in seeds]
    shares = sorted(set.intersection(*(set(points) for points in by_share)))
    values = np.array(
        [
            [(points[s].seconds, points[s].records, points[s].score) for s in shares]
            for points in by_share
        ]
    )  # (seeds, shares, 3)
    if len(shares) < 2 or not np.isfinite(values).all():
        return None
    seconds, records, score = values.mean(axis=0).T.tolist()
    spread = values[:, :, 2].std(axis=0, ddof=1).tolist() if len(seeds) > 1 else []
    return SpeedCurve(
        **table.setting,
        **place._asdict(),
        name=name,
        share=tuple(shares),
        seconds=tuple(seconds),
        records=tuple(records),
        score=tuple(score),
        seed_std=tuple(spread),
        n_seeds=len(seeds),
        machine=machines_of(runs),
    )


def machines_of(runs: Iterable[Scored]) -> str:
    """The machines on which what is behind the scores was trained, as one text."""
    origins = [(run.pretraining or run.result).provenance.get("machine", {}) for run in runs]
    return " / ".join(sorted({str(origin.get("name", "unknown")) for origin in origins}))
