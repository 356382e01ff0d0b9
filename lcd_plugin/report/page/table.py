"""The leaderboard of the page: rows, select boxes, and the small interval in each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lcd_plugin.report.figures import Look, Series, interval_bar, series_of, words
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.page.groups import Comparison, ordered_metrics, own_random

ANY = "*"  # a value of a row that every choice of its select box shows


@dataclass(frozen=True)
class Facet:
    """A select box.

    Attributes:
        key: what it selects by; also the column that is needless once one value is chosen.
        title: its label.
        options: values in words.
        chosen: index of the value that is chosen at first; None where all are shown.
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
        source: recipe and pretraining dataset where the comparison must tell, else "".
        bar: drawing of the interval.
        over_random: how much better the mean is than that of the row's own `random`
            (`own_random`); None without it.
        facets: index of the row's value in every select box, or `ANY`.
    """

    row: Row
    look: Look
    source: str
    bar: Markup
    over_random: float | None
    facets: tuple[int | str, ...]


@dataclass(frozen=True)
class _Choice:
    """What a select box is made from.

    Attributes:
        key, title: of the select box.
        value: what a row has.
        written: a value in words.
        of_lines: it tells lines of one comparison apart. At first all of them are shown, and there
            is no select box for a single value.
    """

    key: str
    title: str
    value: Callable[[Row], Any]
    written: Callable[[Any], str] = str
    of_lines: bool = False


def _recipe(row: Row) -> str:
    return row.recipe if row.kind == "pretraining" else ANY


_CHOICES = (
    _Choice("task", "Dataset and task", lambda r: (r.dataset, r.task), " \u00b7 ".join),
    _Choice("encoder", "Encoder", lambda r: r.encoder),
    _Choice("protocol", "Protocol", lambda r: r.protocol),
    _Choice("leads", "Leads", lambda r: r.leads, words.leads),
    # Baselines are often the same under all recipes: they stand beside those of each.
    _Choice("recipe", "Recipe", _recipe, lambda v: v or "none", of_lines=True),
    # `supervised` has no pretraining dataset: it stands beside those of each.
    _Choice("source", "Pretrained on", lambda r: r.pretrain_dataset or ANY, of_lines=True),
    _Choice("fraction", "Labels", lambda r: r.label_fraction, words.share),
    _Choice("metric", "Metric", lambda r: r.metric, words.metric_with_sense),
)


def make_facets(groups: Sequence[Comparison]) -> tuple[Facet, ...]:
    """The select boxes. At first they show one comparison: all labels, the first metric."""
    return tuple(
        Facet(
            choice.key,
            choice.title,
            tuple(map(choice.written, values)),
            0 if len(values) > 1 and not choice.of_lines else None,
        )
        for choice, values in _options(groups).items()
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


def _options(groups: Sequence[Comparison]) -> dict[_Choice, list[Any]]:
    """Values of every select box; those that have an order of their own are in it."""
    rows = [row for group in groups for row in group.rows]
    options = {}
    for choice in _CHOICES:
        values = [v for v in dict.fromkeys(map(choice.value, rows)) if v != ANY]
        if choice.key == "fraction":
            values.sort(reverse=True)
        if choice.key == "metric":
            values = ordered_metrics(values)
        if len(values) > 1 or not (choice.of_lines or choice.key == "leads"):
            options[choice] = values
    return options


def _block(
    rows: Sequence[Row],
    scale: tuple[float, float],
    series: Mapping[Place, Series],
    options: Mapping[_Choice, list[Any]],
) -> list[Entry]:
    """The rows of one comparison at one fraction under one metric."""
    names = {place: one.name for place, one in series.items()}
    entries = []
    for row in rows:
        one = series[row.place]
        baseline = own_random(row, rows, names)
        random = None if baseline is None else baseline.mean
        facets = ((choice.value(row), values) for choice, values in options.items())
        entries.append(
            Entry(
                row=row,
                look=one.look,
                # What a name has in brackets after the method.
                source=one.name[len(row.method) + 2 : -1],
                bar=_bar(row, scale, one.look, random),
                over_random=None if random is None else row.mean - random,
                facets=tuple(ANY if v == ANY else values.index(v) for v, values in facets),
            )
        )
    return entries


def _bar_scale(rows: Sequence[Row]) -> tuple[float, float]:
    ends = [v for row in rows for v in (row.ci_low, row.mean, row.ci_high) if math.isfinite(v)]
    return min(ends, default=0.0), max(ends, default=1.0)


def _bar(row: Row, scale: tuple[float, float], look: Look, random: float | None) -> Markup:
    if not math.isfinite(row.mean):
        return Markup("")
    if random is not None and not math.isfinite(random):
        random = None
    return Markup(interval_bar(row, *scale, look, random))
