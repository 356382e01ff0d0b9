"""The leaderboard of the page: its rows block by block, and the select boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lcd_plugin.report.figures import Look, Series, interval_bar, series_of, words
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.page.groups import Comparison, ordered_metrics
from lcd_plugin.report.page.names import FEW, listed

ANY = "*"  # a value of a row that every choice of its select box shows


@dataclass(frozen=True)
class Facet:
    """A select box.

    Attributes:
        key: what it selects by.
        title: its label.
        options: values in words.
        chosen: index of the value that is chosen at first; None where all are shown.
        of_lines: whether it tells the rows of one block apart, and not the blocks.
    """

    key: str
    title: str
    options: tuple[str, ...]
    chosen: int | None
    of_lines: bool


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard as it is shown.

    Attributes:
        row: the numbers.
        look: colour and marker of the method.
        source: recipe and pretraining dataset where the comparison must tell, else "".
        bar: style of the interval (`interval_bar`); "" without a mean.
        over_random: how much better the mean is than that of the row's own `random`
            (`own_random`); None without it.
        tied: which rows of the block it cannot be told apart from, in words.
        ties: their places in the block, such as `0 2-5`, where the words tell their number alone.
        facets: index of the row's value in every select box, or `ANY`.
    """

    row: Row
    look: Look
    source: str
    bar: str
    over_random: float | None
    tied: Markup
    ties: str
    facets: tuple[int | str, ...]


@dataclass(frozen=True)
class Block:
    """Rows that stand side by side: of one comparison, fraction and metric, best first."""

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Row:
        """Its best row, which tells what all of them have in common."""
        return self.entries[0].row


@dataclass(frozen=True)
class _Choice:
    """What a select box is made from.

    Attributes:
        key, title: of the select box.
        value: what a row has.
        written: a value in words.
        of_lines: as in `Facet`. At first all of them are shown, and there is no select box for a
            single value.
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
            choice.of_lines,
        )
        for choice, values in _options(groups).items()
    )


def make_blocks(groups: Sequence[Comparison], looks: Mapping[str, Look]) -> list[Block]:
    """All rows, comparison by comparison: by metric, most labels first, then by mean."""
    options = {c: {v: i for i, v in enumerate(vs)} for c, vs in _options(groups).items()}
    once = common_source(groups) != ""
    blocks = []
    for group in groups:
        series = series_of(group.rows, looks, short=once)
        for metric in group.metrics:
            # One scale for all fractions, so that bars can be compared across them too.
            scale = _bar_scale(group.select(metric))
            for fraction in reversed(group.fractions(metric)):
                rows = group.select(metric, fraction)
                blocks.append(_block(group, rows, scale, series, options))
    return blocks


def common_source(groups: Sequence[Comparison]) -> str:
    """The pretraining dataset that all comparisons share and that must be told; else ""."""
    sources = {group.source for group in groups}
    return sources.pop() if len(sources) == 1 else ""


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
    group: Comparison,
    rows: Sequence[Row],
    scale: tuple[float, float],
    series: Mapping[Place, Series],
    options: Mapping[_Choice, Mapping[Any, int]],
) -> Block:
    """The rows of one comparison at one fraction under one metric."""
    entries = []
    for row in rows:
        one = series[row.place]
        baseline = group.own_random(row, rows)
        random = None if baseline is None else baseline.mean
        facets = ((choice.value(row), values) for choice, values in options.items())
        tied, ties = _ties(row, rows, group)
        entries.append(
            Entry(
                row=row,
                look=one.look,
                # What a name has in brackets after the method.
                source=one.name[len(row.method) + 2 : -1],
                bar=interval_bar(row, *scale, random) if math.isfinite(row.mean) else "",
                over_random=None if random is None else row.mean - random,
                tied=tied,
                ties=ties,
                facets=tuple(ANY if v == ANY else values[v] for v, values in facets),
            )
        )
    return Block(tuple(entries))


def _ties(row: Row, rows: Sequence[Row], group: Comparison) -> tuple[Markup, str]:
    """Few ties are named; of many those that are left out, or their number."""
    tied = row.tied_with
    if len(tied) <= FEW:
        return listed(group.called.get(name, name) for name in tied), ""
    apart = [one for one in rows if one is not row and not group.are_tied(row, one)]
    known = len(tied) + len(apart) + 1 == len(rows)
    if known and not apart:
        return Markup("all others"), ""
    if known and len(apart) <= FEW - 1:
        return Markup("all but {}").format(listed(group.shown[r.place] for r in apart)), ""
    places = [index for index, one in enumerate(rows) if group.are_tied(row, one)]
    return Markup("{} others").format(len(tied)), _ranges(places)


def _ranges(places: Sequence[int]) -> str:
    """Ascending places as `0 2-5 7`."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _bar_scale(rows: Sequence[Row]) -> tuple[float, float]:
    ends = [v for row in rows for v in (row.ci_low, row.mean, row.ci_high) if math.isfinite(v)]
    return min(ends, default=0.0), max(ends, default=1.0)
