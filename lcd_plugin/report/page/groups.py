"""Comparisons of the page: the rows that can be put side by side, and which is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lcd_plugin.report.figures import merit, words
from lcd_plugin.report.figures.svg import clean
from lcd_plugin.report.model import METRIC_TITLES, LabelFactor, Pair, Place, Row, SpeedCurve

Key = tuple[str, str, str, str, str]  # dataset, task, encoder, protocol, leads


Item = TypeVar("Item", Pair, LabelFactor, SpeedCurve)


def ordered_metrics(metrics: Iterable[str]) -> list[str]:
    """Metrics in the order of the protocol, unknown ones last."""
    known = list(METRIC_TITLES)
    return sorted(
        dict.fromkeys(metrics), key=lambda m: known.index(m) if m in known else len(known)
    )


@dataclass(frozen=True)
class Comparison:
    """Rows that can be compared: one dataset, task, encoder, protocol and set of leads."""

    dataset: str
    task: str
    encoder: str
    protocol: str
    leads: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What was predicted."""
        return clean(f"{self.dataset} \u00b7 {self.task}")

    @property
    def setting(self) -> str:
        """What it was predicted with; all leads go without saying."""
        leads = [] if self.leads == "all" else [words.leads(self.leads)]
        return clean(", ".join([self.encoder, self.protocol, *leads]))

    @property
    def metrics(self) -> list[str]:
        """Metrics that were computed, the first one first."""
        return ordered_metrics(row.metric for row in self.rows)

    def fractions(self, metric: str) -> list[float]:
        """Label fractions that have this metric, smallest first."""
        return sorted({row.label_fraction for row in self.rows if row.metric == metric})

    @property
    def machines(self) -> list[str]:
        """Machines that the rows come from."""
        return list(dict.fromkeys(row.machine for row in self.rows))

    def select(self, metric: str, fraction: float | None = None) -> list[Row]:
        """Rows of a metric, and of one fraction if given, best first; not finite ones last."""
        rows = [
            row
            for row in self.rows
            if row.metric == metric and fraction in (None, row.label_fraction)
        ]
        return sorted(
            rows,
            key=lambda r: (not math.isfinite(r.mean), r.rank or 0, -merit(r.metric, r.mean)),
        )

    def own(self, items: Iterable[Item]) -> list[Item]:
        """Those pairs, label factors or speed curves that belong to this comparison."""
        return [item for item in items if key_of(item) == key_of(self)]


def key_of(item: Row | Pair | LabelFactor | SpeedCurve | Comparison) -> Key:
    """Which comparison something belongs to."""
    return item.dataset, item.task, item.encoder, item.protocol, item.leads


def comparisons(rows: Sequence[Row]) -> list[Comparison]:
    """Splits rows into comparisons, in the order in which they first appear."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    return [Comparison(*key, tuple(group)) for key, group in groups.items()]


def own_random(row: Row, rows: Iterable[Row], names: Mapping[Place, str]) -> Row | None:
    """The `random` that decided whether pretraining helped a row; None where none did.

    Args:
        row: the row.
        rows: those of its comparison at the same label fraction, under the same metric.
        names: of the lines of that comparison.
    """
    if row.compared_random is None:
        return None
    return next((other for other in rows if names[other.place] == row.compared_random), None)
