"""A line of a comparison with its scores in every metric and bootstrap draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.metrics import LOWER_IS_BETTER, METRICS, TESTED, macro, per_class_many
from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import data_of, label_seed_of
from lcd_plugin.report.model import Place

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """A line at one label fraction.

    Attributes:
        place: which line.
        runs: its evaluations, one a pretraining seed and label seed, in the order of those.
        classes: metric -> its value by run and class on the test records, shape (runs, classes).
        draws: tested metric -> mean over runs of the macro value in every bootstrap draw, shape
            (draws,).
    """

    place: Place
    runs: list[Scored]
    classes: dict[str, Floats]
    draws: dict[str, Floats]

    @property
    def kind(self) -> str:
        """Kind of the method."""
        return self.runs[0].cell.kind

    @property
    def n_labels(self) -> int:
        """Labelled training records behind a run."""
        return self.runs[0].result.n_labels

    @property
    def n_seeds(self) -> int:
        """Pretraining seeds."""
        return len({run.cell.seed for run in self.runs})

    @cached_property
    def macros(self) -> dict[str, Floats]:
        """Metric -> macro value of every run on the test records, shape (runs,)."""
        return {metric: macro(values) for metric, values in self.classes.items()}

    @cached_property
    def means(self) -> dict[str, float]:
        """Metric -> macro value on the test records, mean over runs."""
        return {metric: float(values.mean()) for metric, values in self.macros.items()}

    def mean(self, metric: str) -> float:
        """Macro value on the test records, mean over runs."""
        return self.means[metric]

    def by_seed(self, metric: str) -> dict[int, Floats]:
        """Macro values of the label subsets of each pretraining seed."""
        values: dict[int, list[float]] = defaultdict(list)
        for run, value in zip(self.runs, self.macros[metric], strict=True):
            values[run.cell.seed].append(float(value))
        return {seed: np.array(v) for seed, v in values.items()}

    @cached_property
    def seed_means(self) -> dict[str, dict[int, float]]:
        """Metric -> pretraining seed -> mean over its label subsets."""
        return {
            metric: {seed: float(values.mean()) for seed, values in self.by_seed(metric).items()}
            for metric in self.classes
        }

    def seed_std(self, metric: str) -> float | None:
        """Spread over pretraining seeds of the means over label subsets; None for one seed."""
        means = list(self.seed_means[metric].values())
        return float(np.std(means, ddof=1)) if len(means) > 1 else None

    def label_seed_std(self, metric: str) -> float | None:
        """Spread over label subsets of one encoder, root mean square over pretraining seeds.

        None where each encoder was scored on one subset.
        """
        variances = [v.var(ddof=1) for v in self.by_seed(metric).values() if len(v) > 1]
        return float(np.sqrt(np.mean(variances))) if variances else None


def contender(place: Place, runs: list[Scored], weights: NDArray[np.float32]) -> Contender:
    """Score the runs of a line in all metrics.

    Args:
        place: which line.
        runs: at one label fraction, of the same test records.
        weights: how often each record is in each draw, shape (records, draws).
    """
    # Folders are read in any order, and may lack a cell.
    runs = sorted(runs, key=lambda run: (run.cell.seed, label_seed_of(run)))
    scores = np.stack([run.scores for run in runs])
    thresholds = np.stack([run.thresholds for run in runs])
    targets = runs[0].targets
    plain = per_class_many(METRICS, targets, scores, thresholds)
    drawn = per_class_many(TESTED, targets, scores, thresholds, weights)
    # A draw may miss a rare class altogether; its mean is then over the others.
    return Contender(
        place,
        runs,
        classes={metric: values[:, 0] for metric, values in plain.items()},
        draws={metric: macro(values).mean(axis=0) for metric, values in drawn.items()},
    )


def best_first(contenders: Iterable[Contender], metric: str) -> list[Contender]:
    """Contenders by their mean; what has no number last."""
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return sorted(
        contenders, key=lambda c: (np.isnan(c.mean(metric)), sign * np.nan_to_num(c.mean(metric)))
    )


def baselines_of(own: Contender, kind: str, contenders: Iterable[Contender]) -> list[Contender]:
    """The `random` or `supervised` lines that show what a line's pretraining is worth.

    They saw the same prepared records and, for `random`, were calibrated on the same pretraining
    dataset. Those of the line's own recipe come before those of another recipe, which stand in
    where recipes share them. Training from scratch has no pretraining dataset, so that every
    `random` counts for it.
    """
    alike = [
        c
        for c in contenders
        if c.kind == kind
        and data_of(c.runs[0]) == data_of(own.runs[0])
        and (
            "supervised" in (kind, own.kind)
            or c.place.pretrain_dataset == own.place.pretrain_dataset
        )
    ]
    return [c for c in alike if c.place.recipe == own.place.recipe] or alike
