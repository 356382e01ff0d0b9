"""Rows of the leaderboard: the numbers of every line at every fraction under every metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from lcd_plugin.evaluate.bootstrap import Interval, score_interval
from lcd_plugin.evaluate.metrics import RARE, macro
from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import Table, fraction_of
from lcd_plugin.report.contenders import Contender
from lcd_plugin.report.duels import Standing
from lcd_plugin.report.model import Row
from lcd_plugin.report.speed import machines_of


def make_row(table: Table, own: Contender, metric: str, stands: Standing) -> Row:
    """A row; names of other lines are for the caller, who knows the whole table."""
    first = own.runs[0]
    classes = first.result.classes
    positives = first.targets.sum(axis=0)
    common = positives >= RARE
    mean, by_class = own.mean(metric), own.classes[metric].mean(axis=0)
    tested = metric in own.draws
    bounds = score_interval(mean, own.draws[metric]) if tested else Interval(np.nan, np.nan)
    return Row(
        **own.place._asdict(),
        kind=own.kind,
        **table.setting,
        label_fraction=fraction_of(first),
        n_labels=own.n_labels,
        metric=metric,
        mean=mean,
        validation_mean=_validation_mean(own, metric),
        ci_low=bounds.low,
        ci_high=bounds.high,
        seed_std=own.seed_std(metric),
        label_seed_std=own.label_seed_std(metric),
        n_seeds=own.n_seeds,
        n_test=first.result.n_test,
        rank=stands.rank,
        tied_with=(),
        beats_random=stands.beats_random,
        p_random=stands.p_random,
        # NaN where all classes are rare: there is no such mean.
        mean_without_rare=float(macro(by_class[common])),
        rare_classes=tuple(
            n for n, is_common in zip(classes, common, strict=True) if not is_common
        ),
        per_class={n: float(m) for n, m in zip(classes, by_class, strict=True) if not np.isnan(m)},
        **_cost(own.runs),
        results=_results(own.runs),
    )


def _validation_mean(own: Contender, metric: str) -> float | None:
    values = [run.result.validation_macro.get(metric) for run in own.runs]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _cost(runs: list[Scored]) -> dict[str, Any]:
    """Wall-time and memory of the training behind a score, mean over seeds."""
    # Each training once, however many label subsets its encoder was scored on.
    trainings = {t.key: t for t in (run.pretraining or run.result for run in runs)}.values()
    pretrainings = {run.pretraining.key: run.pretraining for run in runs if run.pretraining}
    speeds = [p.records_per_s for p in pretrainings.values() if p.records_per_s]
    first = runs[0].pretraining
    return {
        "pretrain_wall_s": float(np.mean([t.wall_s for t in trainings])),
        "records_per_s": float(np.mean(speeds)) if speeds else None,
        "updates": first.updates if first else None,
        "peak_memory_mb": first.peak_memory_mb if first else None,
        "machine": machines_of(runs),
        "phases": {
            phase: float(np.mean([t.phases.get(phase, 0.0) for t in trainings]))
            for phase in dict.fromkeys(phase for t in trainings for phase in t.phases)
        },
    }


def _results(runs: list[Scored]) -> tuple[str, ...]:
    """Folders of the evaluations, then of the pretrainings behind them."""
    evaluations = [f"{run.out}/evaluate/{run.cell.key}" for run in runs]
    pretrainings = [f"{run.out}/pretrain/{run.pretraining.key}" for run in runs if run.pretraining]
    return tuple(dict.fromkeys([*evaluations, *pretrainings]))
