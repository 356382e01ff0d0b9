"""Colour and marker of every method: the same ones in every figure and table of a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lcd_plugin.report.figures.items import merit
from lcd_plugin.report.model import METRIC_TITLES, Place, Row
from lcd_plugin.report.run_record import Curve

N_COLOURS = 8
# Of more than MANY lines only the LEADING best and the baselines are drawn in full.
MANY, LEADING = 9, 5
# What a method or baseline does with the records of its pretraining dataset.
LEARNED = {"pretraining": "pretrained", "random": "calibrated", "supervised": "trained"}
SHAPES = ("circle", "square", "diamond", "triangle", "wedge", "hexagon")


@dataclass(frozen=True)
class Look:
    """How a method is drawn.

    Attributes:
        css: class that sets the CSS variable `--s` to the colour of the method. It is made from
            a number, never from the name, so a name can not reach the style sheet.
        shape: marker, a second sign beside colour for readers who do not see the difference.
        baseline: drawn grey, dashed and with an open marker.
    """

    css: str
    shape: str
    baseline: bool = False


@dataclass(frozen=True)
class Series:
    """How a line of a comparison is written and drawn.

    Attributes:
        name: the method, with its recipe and pretraining dataset where they must be told.
        label: the same where there is little room.
        look: colour and marker.
        quiet: drawn faintly: one of many lines, and not among the best of them.
    """

    name: str
    label: str
    look: Look
    quiet: bool = False

    @property
    def css(self) -> str:
        """Classes of its part of a figure."""
        kinds = " baseline" * self.look.baseline + " quiet" * self.quiet
        return f"series {self.look.css}{kinds}"


BASELINES = {
    "random": Look("s-random", "circle", baseline=True),
    "supervised": Look("s-supervised", "square", baseline=True),
}


def assign_looks(rows: Iterable[Row], curves: Iterable[Curve] = ()) -> dict[str, Look]:
    """Gives every method a look.

    Methods are taken by name, not by rank, so that a method keeps its colour when the report is
    made again with better or worse numbers. Eight colours and six shapes make 24 different pairs.
    """
    rows = list(rows)
    found = {row.method: BASELINES[row.kind] for row in rows if row.kind in BASELINES}
    names = {row.method for row in rows} | {curve.method for curve in curves}
    for index, name in enumerate(sorted(names - set(found))):
        found[name] = Look(f"s{index % N_COLOURS}", SHAPES[index % len(SHAPES)])
    return found


def series_names(rows: Iterable[Row]) -> dict[Place, str]:
    """Names of the lines of one comparison.

    The pretraining dataset is part of every name where there are several of them, or where the
    only one is not the dataset that is scored; the recipe where there are several recipes. A
    baseline that is the same under all recipes stands alone and needs none.

    Args:
        rows: one dataset, task, encoder, protocol and set of leads; all of them, since a name must
            be the same wherever a part of them is shown.
    """
    rows = list(rows)
    return {place: name for place, (name, _) in _names(rows, _sources_are_told(rows)).items()}


def short_names(rows: Iterable[Row]) -> dict[Place, str]:
    """The same for a page that tells the `shared_source` of the lines once, above all of them."""
    rows = list(rows)
    return {place: name for place, (name, _) in _names(rows, len(_sources(rows)) > 1).items()}


def shared_source(rows: Iterable[Row]) -> str:
    """The pretraining dataset of all lines, where it must be told; "" where it need not."""
    rows = list(rows)
    sources = _sources(rows)
    return next(iter(sources)) if len(sources) == 1 and _sources_are_told(rows) else ""


def series_of(
    rows: Iterable[Row], looks: Mapping[str, Look], *, short: bool = False
) -> dict[Place, Series]:
    """How the lines of one comparison are written and drawn.

    A method has one colour; its marker tells its recipes and pretraining datasets apart.

    Args:
        rows: as in `series_names`.
        looks: colour and marker by method.
        short: as `short_names`.
    """
    rows = list(rows)
    sources_told = len(_sources(rows)) > 1 if short else _sources_are_told(rows)
    names, leading = _names(rows, sources_told), leading_places(rows)
    found = {}
    for place, (name, label) in names.items():
        index = sorted(other for other in names if other.method == place.method).index(place)
        look = looks[place.method]
        shape = SHAPES[(SHAPES.index(look.shape) + index) % len(SHAPES)]
        found[place] = Series(name, label, replace(look, shape=shape), place not in leading)
    return found


def leading_places(rows: Sequence[Row]) -> set[Place]:
    """Lines that are drawn in full: all of a few, of many the best and the baselines.

    The best are those with the most labels under the first metric.
    """
    places = {row.place for row in rows}
    if len(places) <= MANY:
        return places
    metrics = {row.metric for row in rows}
    first = next(m for m in (*METRIC_TITLES, *sorted(metrics)) if m in metrics)
    scored = [row for row in rows if row.metric == first and math.isfinite(row.mean)]
    most = max((row.label_fraction for row in scored), default=1.0)
    top = [row for row in scored if row.label_fraction == most and row.kind == "pretraining"]
    top.sort(key=lambda row: -merit(first, row.mean))
    baselines = {row.place for row in rows if row.kind != "pretraining"}
    return baselines | {row.place for row in top[:LEADING]}


def _sources(rows: Sequence[Row]) -> set[str]:
    """Datasets that encoders were pretrained or calibrated on."""
    return {row.pretrain_dataset for row in rows if row.kind != "supervised"}


def _sources_are_told(rows: Sequence[Row]) -> bool:
    sources = _sources(rows)
    # A dataset of which there are several versions is called `name@version`.
    scored = {name for row in rows for name in (row.dataset, row.dataset.partition("@")[0])}
    return len(sources) > 1 or not sources <= scored


def _names(rows: Sequence[Row], sources_told: bool) -> dict[Place, tuple[str, str]]:
    """Name and label of every line."""
    kinds = {row.place: row.kind for row in rows}
    names = {}
    for place, kind in kinds.items():
        recipe = [place.recipe] if place.recipe and _recipe_is_told(place, kinds) else []
        full, short = recipe[:], recipe[:]
        if sources_told and kind != "supervised":
            full.append(f"{LEARNED[kind]} on {place.pretrain_dataset}")
            short.append(place.pretrain_dataset)
        names[place] = (_bracketed(place.method, full), _bracketed(place.method, short))
    return names


def _recipe_is_told(place: Place, kinds: Mapping[Place, str]) -> bool:
    """Whether there are several recipes: of this baseline, or of anything pretrained."""
    if kinds[place] == "pretraining":
        return len({other.recipe for other, kind in kinds.items() if kind == "pretraining"}) > 1
    return len({other.recipe for other in kinds if other.method == place.method}) > 1


def _bracketed(method: str, details: list[str]) -> str:
    return f"{method} ({', '.join(details)})" if details else method
