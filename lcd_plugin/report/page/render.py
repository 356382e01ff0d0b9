"""The report as one HTML file that needs nothing beside it: no network, no server, no script."""

from __future__ import annotations

import base64
import functools
import hashlib
import math
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
    efficiency_figure,
    lower_is_better,
    place_of,
    series_of,
    training_panels,
    words,
)
from lcd_plugin.report.figures.svg import clean
from lcd_plugin.report.model import Leaderboard, Pair, Place, Row
from lcd_plugin.report.page.groups import Comparison, comparisons, key_of
from lcd_plugin.report.page.labels import FactorView, factor_views
from lcd_plugin.report.page.names import isolated, listed
from lcd_plugin.report.page.ranks import ranks_views
from lcd_plugin.report.page.sources import file_key, gap_groups, result_files, test_records
from lcd_plugin.report.page.speed import SpeedView, speed_views
from lcd_plugin.report.page.summary import summarise
from lcd_plugin.report.page.table import common_source, make_blocks, make_facets
from lcd_plugin.report.page.times import CostView, PhasesView, cost_view, phases_views
from lcd_plugin.report.run_record import Curve


@dataclass(frozen=True)
class ComparisonView:
    """Figures of one comparison under its first metric, each with the numbers behind it."""

    group: Comparison
    metric: str
    fraction: float
    series: Mapping[Place, Series]
    efficiency: Markup
    rows: tuple[Row, ...]
    costs: tuple[CostView, ...]
    phases: list[PhasesView]
    factors: list[FactorView]
    speed: list[SpeedView]
    classes: ClassTable | None
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class TrainingView:
    """Training curves of one pretraining dataset and encoder."""

    dataset: str
    encoder: str
    panels: tuple[TrainingPanel, ...]


def render_page(board: Leaderboard) -> str:
    """Renders the report.

    Everything is in the HTML itself; the script only filters, sorts, copies, saves and shows
    values on hovering.
    The page allows its own script by hash and no other, so that nothing in the data could run
    even if it were not escaped.

    Args:
        board: the leaderboard with everything around it.

    Returns:
        A complete HTML document.
    """
    environment = _environment()
    script = environment.get_template("script.js.j2").render().strip()
    digest = hashlib.sha256(script.encode()).digest()
    looks = assign_looks(board.rows, board.curves)
    groups = comparisons(board.rows)
    views = [_comparison_view(group, board, looks) for group in groups]
    return environment.get_template("index.html.j2").render(
        board=board,
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode(),
        looks=looks,
        summaries=[(group, summarise(group, group.own(board.label_factors))) for group in groups],
        facets=make_facets(groups),
        blocks=make_blocks(groups, looks),
        views=views,
        files=result_files(groups, [view.series for view in views]),
        gaps=gap_groups(board.unfinished),
        ranks=ranks_views(board.ranks, groups, [view.series for view in views]),
        training=_training(board.curves, looks),
        machines=list(dict.fromkeys(row.machine for row in board.rows)),
        methods=_names(board.rows, pretraining=True),
        baselines=_names(board.rows, pretraining=False),
        several_leads=len({row.leads for row in board.rows}) > 1,
        any_rare=any(
            row.rare_classes and math.isfinite(row.mean_without_rare) for row in board.rows
        ),
        label_spread=any(row.label_seed_std is not None for row in board.rows),
        errors=list(dict.fromkeys(row.metric for row in board.rows if lower_is_better(row.metric))),
        seeds=_seeds(board.rows),
        source=common_source(groups),
        tests=test_records(board),
    )


def _names(rows: Sequence[Row], *, pretraining: bool) -> list[str]:
    """Methods or baselines; one under several settings, `name@settings`, counts once."""
    own = [
        row.method.partition("@")[0] for row in rows if (row.kind == "pretraining") == pretraining
    ]
    return list(dict.fromkeys(own))


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


_FILTERS = (
    "score", "interval", "difference", "differences", "figures", "share", "labels", "count",
    "duration", "memory", "metric_title", "metric_remark", "sentence", "p_value",
    "number", "factor_interval", "standing", "rank", "leads",
)  # fmt: skip


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lcd_plugin.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in _FILTERS:
        environment.filters[name] = getattr(words, name)
    environment.filters["flatten"] = flatten
    environment.filters.update(listing=listed, plain=clean, isolated=isolated)
    environment.globals.update(
        times=words.times, place_of=place_of, file_key=file_key, key_of=key_of
    )
    environment.tests["known"] = math.isfinite
    environment.tests["lower_is_better"] = lower_is_better
    return environment


def _comparison_view(
    group: Comparison, board: Leaderboard, looks: Mapping[str, Look]
) -> ComparisonView:
    metric = group.metrics[0]
    fraction = group.fractions(metric)[-1]
    rows, top = group.select(metric), group.select(metric, fraction)
    summary = next((data for data in board.data if data.dataset == group.dataset), None)
    records = summary.tasks.get(group.task, {}) if summary else {}
    series = series_of(group.rows, looks, short=True)
    pairs = [
        pair
        for pair in group.own(board.pairs)
        if pair.metric == metric and pair.label_fraction == fraction
    ]
    return ComparisonView(
        group=group,
        metric=metric,
        fraction=fraction,
        series=series,
        efficiency=Markup(efficiency_figure(rows, series)),
        rows=tuple(sorted(rows, key=lambda row: -row.label_fraction)),
        costs=tuple(cost_view(top, machine, series) for machine in group.machines),
        phases=phases_views(top, series),
        factors=factor_views(group.own(board.label_factors), series),
        speed=speed_views(group.own(board.speed), series, group),
        classes=class_table(top, records),
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.p_holm, pair.p))),
    )


def _seeds(rows: Sequence[Row]) -> str:
    """How many seeds are behind the rows, in words; "" without rows."""
    numbers = {row.n_seeds for row in rows}
    if not numbers:
        return ""
    if numbers == {1}:
        return "one seed"
    return f"{'up to ' * (len(numbers) > 1)}{max(numbers)} seeds"


def _training(curves: Sequence[Curve], looks: Mapping[str, Look]) -> list[TrainingView]:
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((curve.dataset, curve.encoder), []).append(curve)
    return [
        TrainingView(dataset, encoder, tuple(training_panels(group, looks)))
        for (dataset, encoder), group in groups.items()
    ]
