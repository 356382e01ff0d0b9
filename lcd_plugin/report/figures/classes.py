"""Scores class by class: a table whose cells are shaded, so it is figure and data in one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lcd_plugin.report.figures.items import merit
from lcd_plugin.report.model import Place, Row


@dataclass(frozen=True)
class Cell:
    """One score.

    Attributes:
        value: the score, None where the method has none for this class.
        shade: place of the score between the lowest and the highest of the table, in [0, 1].
        best: whether no other method is better in this class; no score of a rare class says
            that, nor that of a single method.
    """

    value: float | None
    shade: float = 0.0
    best: bool = False


@dataclass(frozen=True)
class ClassRow:
    """One class.

    Attributes:
        name: of it.
        records: with it, in all splits together; None where that is not known.
        rare: whether it has few positives among the test records.
        cells: a score a method.
    """

    name: str
    records: int | None
    rare: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ClassTable:
    """Scores of every method in every class."""

    columns: tuple[Place, ...]
    rows: tuple[ClassRow, ...]
    low: float
    high: float


def class_table(rows: Sequence[Row], records: Mapping[str, int]) -> ClassTable | None:
    """Builds the table; None where no row has scores by class.

    Args:
        rows: one row a method: one dataset, task, encoder, protocol, fraction and metric.
        records: records of every class, where known; the most frequent class comes first.
    """
    values = [v for row in rows for v in row.per_class.values() if math.isfinite(v)]
    if not values:
        return None
    low, high = min(values), max(values)
    found = dict.fromkeys(name for row in rows for name in row.per_class)
    metric = rows[0].metric
    rare = {name for row in rows for name in row.rare_classes}

    def line(name: str) -> ClassRow:
        scores = [row.per_class.get(name, math.nan) for row in rows]
        finite = filter(math.isfinite, scores)
        best = max(finite, key=lambda score: merit(metric, score), default=None)
        if name in rare or len(rows) == 1:
            best = None
        cells = tuple(
            Cell(s, (s - low) / (high - low or 1.0), s == best) if math.isfinite(s) else Cell(None)
            for s in scores
        )
        return ClassRow(name, records.get(name), name in rare, cells)

    return ClassTable(
        columns=tuple(row.place for row in rows),
        rows=tuple(line(name) for name in sorted(found, key=lambda n: (-records.get(n, 0), n))),
        low=low,
        high=high,
    )
