"""Colour and marker of every method: the same ones in every figure and table of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lcd_plugin.report.model import Curve, Row

N_COLOURS = 8
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

    The pretraining dataset is part of the name only where a method was pretrained on several.
    """
    pairs = list(dict.fromkeys((row.method, row.pretrain_dataset) for row in rows))
    methods = [method for method, _ in pairs]
    return {
        (method, source): f"{method} ({source})" if methods.count(method) > 1 else method
        for method, source in pairs
    }
