"""Comparisons of the page: the rows that can be put side by side, and which is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from lcd_plugin.report.figures import merit, series_names, shared_source, short_names, words
from lcd_plugin.report.figures.svg import clean
from lcd_plugin.report.model import (
    METRIC_TITLES,
    AverageRanks,
    LabelFactor,
    Pair,
    Place,
    Row,
    SpeedCurve,
)

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
        """What it was predicted with; all leads and the dataset's own records go without saying."""
        return setting_of(self, self.source)

    @property
    def source(self) -> str:
        """The pretraining dataset of all lines, told once; "" where there is nothing to tell."""
        return shared_source(self.rows)

    @cached_property
    def names(self) -> dict[Place, str]:
        """Names of the lines as the document has them, such as in `Row.tied_with`."""
        return series_names(self.rows)

    @cached_property
    def shown(self) -> dict[Place, str]:
        """Names of the lines on the page, without the `source` that they share."""
        return short_names(self.rows)

    @cached_property
    def called(self) -> dict[str, str]:
        """The name on the page of every name in the document."""
        return {name: self.shown[place] for place, name in self.names.items()}

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
        """Rows of a metric, and of one fraction if given, by mean; not finite ones last."""
        rows = [
            row
            for row in self.rows
            if row.metric == metric and fraction in (None, row.label_fraction)
        ]
        finite = [row for row in rows if math.isfinite(row.mean)]
        finite.sort(key=lambda row: -merit(row.metric, row.mean))
        return finite + [row for row in rows if not math.isfinite(row.mean)]

    def own(self, items: Iterable[Item]) -> list[Item]:
        """Those pairs, label factors or speed curves that belong to this comparison."""
        return [item for item in items if key_of(item) == key_of(self)]

    def are_tied(self, row: Row, other: Row) -> bool:
        """Whether two rows of one fraction and metric cannot be told apart."""
        return self.names[other.place] in row.tied_with

    def own_random(self, row: Row, rows: Iterable[Row]) -> Row | None:
        """The `random` that decided whether pretraining helped a row; None where none did.

        Args:
            row: the row.
            rows: those of its fraction and metric.
        """
        return self._called(row.compared_random, rows)

    def own_supervised(self, row: Row, rows: Sequence[Row]) -> Row | None:
        """The `supervised` that belongs to a row; None where none does. Arguments as above.

        Documents from before it was written name none: it is then the one of the same recipe, or
        the only one.
        """
        if row.compared_supervised is not None:
            return self._called(row.compared_supervised, rows)
        found = [other for other in rows if other.kind == "supervised"]
        alike = [other for other in found if other.recipe == row.recipe] or found
        return alike[0] if len(alike) == 1 else None

    def _called(self, name: str | None, rows: Iterable[Row]) -> Row | None:
        return next((row for row in rows if self.names[row.place] == name), None)


def setting_of(item: Comparison | AverageRanks, source: str) -> str:
    """Encoder, protocol, leads unless all, and the pretraining dataset if there is one to tell."""
    leads = [] if item.leads == "all" else [words.leads(item.leads)]
    sources = [f"pretrained on {source}"] if source else []
    return clean(", ".join([item.encoder, item.protocol, *leads, *sources]))


def key_of(item: Row | Pair | LabelFactor | SpeedCurve | Comparison) -> Key:
    """Which comparison something belongs to."""
    return item.dataset, item.task, item.encoder, item.protocol, item.leads


def comparisons(rows: Sequence[Row]) -> list[Comparison]:
    """Splits rows into comparisons, in the order in which they first appear."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    return [Comparison(*key, tuple(group)) for key, group in groups.items()]
