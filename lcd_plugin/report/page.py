"""The report as one HTML file that needs nothing beside it: no network, no server, no script."""

from __future__ import annotations

import base64
import functools
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lcd_plugin.report.figures import (
    ClassTable,
    Look,
    Series,
    TrainingPanel,
    assign_looks,
    class_table,
    cost_figure,
    efficiency_figure,
    pareto_front,
    series_of,
    training_panels,
    words,
)
from lcd_plugin.report.model import Curve, Leaderboard, Row
from lcd_plugin.report.page_summary import Comparison, comparisons, summarise
from lcd_plugin.report.page_table import make_entries, make_facets

WIDE, PHONE = 540.0, 324.0  # widths of the two drawings of a figure; the page shows one of them


@dataclass(frozen=True)
class Picture:
    """A figure drawn twice, since text that is scaled down to a phone cannot be read."""

    wide: Markup
    phone: Markup


@dataclass(frozen=True)
class CostView:
    """Cost of the methods on one machine: only there can times be compared."""

    machine: str
    picture: Picture
    rows: tuple[Row, ...]
    front: frozenset[int]


@dataclass(frozen=True)
class ComparisonView:
    """Figures of one comparison under its first metric, each with the rows behind it."""

    group: Comparison
    metric: str
    fraction: float
    series: Mapping[tuple[str, str], Series]
    efficiency: Picture
    rows: tuple[Row, ...]
    costs: tuple[CostView, ...]
    classes: ClassTable | None


@dataclass(frozen=True)
class TrainingView:
    """Training curves of one pretraining dataset and encoder."""

    dataset: str
    encoder: str
    panels: tuple[TrainingPanel, ...]


def render_page(board: Leaderboard) -> str:
    """Renders the report.

    Everything is in the HTML itself; the script only filters, sorts and shows values on hovering.
    The page allows its own script by hash and no other, so that nothing in the data could run
    even if it were not escaped.

    Args:
        board: the leaderboard with everything around it.

    Returns:
        A complete HTML document.
    """
    environment = _environment()
    script = environment.get_template("script.js.j2").render()
    digest = hashlib.sha256(script.encode()).digest()
    looks = assign_looks(board.rows, board.curves)
    groups = comparisons(board.rows)
    return environment.get_template("index.html.j2").render(
        board=board,
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode(),
        looks=looks,
        summaries=[(group, summarise(group)) for group in groups],
        facets=make_facets(groups),
        entries=make_entries(groups, looks),
        views=[_comparison_view(group, board, looks) for group in groups],
        training=_training(board.curves, looks),
        machines=list(dict.fromkeys(row.machine for row in board.rows)),
        methods=list(dict.fromkeys(row.method for row in board.rows if row.kind == "pretraining")),
        baselines=sorted({row.method for row in board.rows if row.kind != "pretraining"}),
        most_seeds=max((row.n_seeds for row in board.rows), default=0),
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings or provenance as (dotted name, text) pairs, the lines of a table."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
            yield from flatten({str(index): v for index, v in enumerate(value)}, f"{name}.")
        elif key == "argv" and isinstance(value, (list, tuple)):
            yield name, shlex.join(map(str, value))  # as it would be typed
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "none" if value is None or value == {} else str(value)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lcd_plugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = ("score", "interval", "difference", "figures", "share", "labels", "count", "duration")
    for name in (*written, "memory", "metric_title", "sentence", "listing"):
        environment.filters[name] = getattr(words, name)
    environment.filters["flatten"] = flatten
    return environment


def _picture(wide: str, phone: str) -> Picture:
    # The drawings are built by figures.svg, which escapes every text that goes in.
    return Picture(Markup(wide), Markup(phone))


def _comparison_view(
    group: Comparison, board: Leaderboard, looks: Mapping[str, Look]
) -> ComparisonView:
    metric = group.metrics[0]
    fraction = group.fractions(metric)[-1]
    rows, top = group.select(metric), group.select(metric, fraction)
    summary = next((data for data in board.data if data.dataset == group.dataset), None)
    records = summary.tasks.get(group.task, {}) if summary else {}
    return ComparisonView(
        group=group,
        metric=metric,
        fraction=fraction,
        series=series_of(group.rows, looks),
        efficiency=_picture(
            *(efficiency_figure(rows, looks, width, group.rows) for width in (WIDE, PHONE))
        ),
        rows=tuple(sorted(rows, key=lambda row: (-row.label_fraction, row.rank, -row.mean))),
        costs=tuple(_cost_view(top, machine, looks, group.rows) for machine in group.machines),
        classes=class_table(top, records),
    )


def _cost_view(
    rows: Sequence[Row], machine: str, looks: Mapping[str, Look], of: Sequence[Row]
) -> CostView:
    own = [row for row in rows if row.machine == machine]
    return CostView(
        machine=machine,
        picture=_picture(*(cost_figure(own, looks, width, of) for width in (WIDE, PHONE))),
        rows=tuple(own),
        front=frozenset(pareto_front([(row.pretrain_wall_s, row.mean) for row in own])),
    )


def _training(curves: Sequence[Curve], looks: Mapping[str, Look]) -> list[TrainingView]:
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((curve.dataset, curve.encoder), []).append(curve)
    return [
        TrainingView(dataset, encoder, tuple(training_panels(group, looks)))
        for (dataset, encoder), group in groups.items()
    ]
