"""Colour and marker of every method: the same ones in every figure and table of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lcd_plugin.report.model import Curve, Row

N_COLOURS = 8
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
        name: the method, with its pretraining dataset where that must be told.
        label: the same where there is little room.
        look: colour and marker.
    """

    name: str
    label: str
    look: Look


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


def series_names(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Names of the lines of one comparison, by (method, pretraining dataset).

    The pretraining dataset is part of every name where there are several of them, or where the
    only one is not the dataset that is scored.

    Args:
        rows: one dataset, task, encoder and protocol; all of them, since a name must be the same
            wherever a part of them is shown.
    """
    return {place: name for place, (name, _) in _names(rows).items()}


def series_of(rows: Iterable[Row], looks: Mapping[str, Look]) -> dict[tuple[str, str], Series]:
    """How the lines of one comparison are written and drawn, by (method, pretraining dataset).

    A method has one colour; its marker tells the pretraining datasets apart where it has several.

    Args:
        rows: as in `series_names`.
        looks: colour and marker by method.
    """
    names = _names(rows)
    found = {}
    for (method, source), (name, label) in names.items():
        place = sorted(s for m, s in names if m == method).index(source)
        look = looks[method]
        shape = SHAPES[(SHAPES.index(look.shape) + place) % len(SHAPES)]
        found[method, source] = Series(name, label, replace(look, shape=shape))
    return found


def _names(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, str]]:
    """Name and label of every line."""
    first = {(row.method, row.pretrain_dataset): row for row in rows}
    kinds = {place: row.kind for place, row in first.items()}
    sources = {source for (_, source), kind in kinds.items() if kind != "supervised"}
    # A dataset of which there are several versions is called `name@version`.
    scored = {name for r in first.values() for name in (r.dataset, r.dataset.partition("@")[0])}
    if len(sources) < 2 and sources <= scored:
        return {(method, source): (method, method) for method, source in kinds}
    names = {}
    for (method, source), kind in kinds.items():
        full, short = f"{method} ({LEARNED[kind]} on {source})", f"{method} ({source})"
        names[method, source] = (method, method) if kind == "supervised" else (full, short)
    return names
