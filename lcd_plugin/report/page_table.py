"""The leaderboard of the page: rows, select boxes, and the small interval in each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lcd_plugin.report.figures import LEARNED, Look, Series, interval_bar, series_of, words
from lcd_plugin.report.model import Row
from lcd_plugin.report.page_summary import Comparison, ordered_metrics, own_random


@dataclass(frozen=True)
class Facet:
    """A select box.

    Attributes:
        key: what it selects by; also the column that is needless once one value is chosen.
        title: its label.
        options: values in words.
        chosen: index of the value that is chosen at first; None where there is no choice.
    """

    key: str
    title: str
    options: tuple[str, ...]
    chosen: int | None


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard as it is shown.

    Attributes:
        row: the numbers.
        look: colour and marker of the method.
        source: `pretrained on ptbxl` where the comparison must tell, else "".
        rank: the rank, with `=` where another method has the same.
        bar: drawing of the interval.
        over_random: difference of the means to `random` of the same pretraining dataset (for
            `supervised`, to the best `random`); None without it.
        facets: index of the row's value in every select box.
    """

    row: Row
    look: Look
    source: str
    rank: str
    bar: Markup
    over_random: float | None
    facets: tuple[int, ...]


def make_facets(groups: Sequence[Comparison]) -> tuple[Facet, ...]:
    """The select boxes. At first they show one comparison: all labels, the first metric."""
    titles: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("task", "Dataset and task", lambda v: f"{v[0]} \u00b7 {v[1]}"),
        ("encoder", "Encoder", str),
        ("protocol", "Protocol", str),
        ("fraction", "Labels", words.share),
        ("metric", "Metric", words.metric_title),
    )
    return tuple(
        Facet(key, title, tuple(map(written, values)), 0 if len(values) > 1 else None)
        for (key, title, written), values in zip(titles, _options(groups), strict=True)
    )


def make_entries(groups: Sequence[Comparison], looks: Mapping[str, Look]) -> list[Entry]:
    """All rows, comparison by comparison: by metric, most labels first, then by rank."""
    options = _options(groups)
    entries = []
    for group in groups:
        series = series_of(group.rows, looks)
        for metric in group.metrics:
            # One scale for all fractions, so that bars can be compared across them too.
            scale = _bar_scale(group.select(metric))
            for fraction in reversed(group.fractions(metric)):
                entries += _block(group.select(metric, fraction), scale, series, options)
    return entries


def _values(row: Row) -> tuple[Any, ...]:
    return ((row.dataset, row.task), row.encoder, row.protocol, row.label_fraction, row.metric)


def _options(groups: Sequence[Comparison]) -> list[list[Any]]:
    """Values of every select box; those that have an order of their own are in it."""
    rows = [_values(row) for group in groups for row in group.rows]
    columns = [list(dict.fromkeys(row[index] for row in rows)) for index in range(5)]
    columns[3].sort(reverse=True)
    columns[4] = ordered_metrics(columns[4])
    return columns


def _block(
    rows: Sequence[Row],
    scale: tuple[float, float],
    series: Mapping[tuple[str, str], Series],
    options: Sequence[list[Any]],
) -> list[Entry]:
    """The rows of one dataset, task, encoder, protocol, fraction and metric."""
    ranks = [row.rank for row in rows]
    entries = []
    for row in rows:
        values = zip(options, _values(row), strict=True)
        one = series[row.method, row.pretrain_dataset]
        told = f"{LEARNED[row.kind]} on {row.pretrain_dataset}" if one.name != row.method else ""
        baseline = own_random(row, rows)
        random = None if baseline is None else baseline.mean
        entries.append(
            Entry(
                row=row,
                look=one.look,
                source=told,
                rank=f"{row.rank}{'=' if ranks.count(row.rank) > 1 else ''}",
                bar=_bar(row, scale, one.look, random),
                over_random=None if random is None or row.kind == "random" else row.mean - random,
                facets=tuple(column.index(value) for column, value in values),
            )
        )
    return entries


def _bar_scale(rows: Sequence[Row]) -> tuple[float, float]:
    ends = [v for row in rows for v in (row.ci_low, row.mean, row.ci_high) if math.isfinite(v)]
    return min(ends, default=0.0), max(ends, default=1.0)


def _bar(row: Row, scale: tuple[float, float], look: Look, random: float | None) -> Markup:
    if not all(map(math.isfinite, (row.mean, row.ci_low, row.ci_high))):
        return Markup("")
    if random is not None and not math.isfinite(random):
        random = None
    return Markup(interval_bar(row, *scale, look, random))
