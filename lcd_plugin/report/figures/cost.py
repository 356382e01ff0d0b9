"""Score against what the pretraining cost in wall-time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import (
    Frame,
    drawable,
    row_values,
    score_axis,
    score_scale,
    whisker,
)
from lcd_plugin.report.figures.intervals import has_interval
from lcd_plugin.report.figures.looks import Look, Series, series_of
from lcd_plugin.report.figures.merit import merit
from lcd_plugin.report.figures.places import Box, place_names
from lcd_plugin.report.figures.times import time_axis, time_ticks
from lcd_plugin.report.model import Row


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, score) that no other point beats, cheapest first.

    A point is beaten by one that costs no more and scores no less, and is better in one of them.
    """

    def beaten(cost: float, score: float) -> bool:
        return any(c <= cost and s >= score and (c < cost or s > score) for c, s in points)

    front = [index for index, point in enumerate(points) if not beaten(*point)]
    return sorted(front, key=lambda index: points[index])


def cost_front(rows: Sequence[Row]) -> list[int]:
    """Indices of the rows on the Pareto front of wall-time and score, cheapest first."""
    return pareto_front([(row.pretrain_wall_s, merit(row.metric, row.mean)) for row in rows])


def cost_figure(
    rows: Sequence[Row],
    looks: Mapping[str, Look],
    width: float = 540,
    of: Sequence[Row] | None = None,
) -> str:
    """Draws score against pretraining wall-time and the Pareto front.

    Args:
        rows: one row a method: one dataset, task, encoder, protocol, fraction, metric, machine.
        looks: colour and marker by method.
        width: of the drawing in pixels; below 420 it is laid out for a phone.
        of: all rows of the comparison, which names and markers follow from; None is `rows`.

    Returns:
        An `<svg>` element, or "" where there is nothing to draw.
    """
    shown = [row for row in rows if drawable(row)]
    if not shown:
        return ""
    height = 330.0
    frame = Frame(width, height, 42, width - 14, 26, height - 52)
    x = time_axis([row.pretrain_wall_s for row in shown], frame)
    y = score_scale(row_values(shown), frame)
    series = series_of(of or rows, looks)
    drawn_as = [series[row.place] for row in shown]
    at = [(x(row.pretrain_wall_s), y(row.mean)) for row in shown]
    spans = [
        (px - 2, y(row.ci_high), px + 2, y(row.ci_low))
        for (px, _), row in zip(at, shown, strict=True)
        if has_interval(row)
    ]
    names = [words.shorten(one.label, 18) for one in drawn_as]
    boxes = place_names(names, at, spans, frame)
    front = cost_front(shown)
    parts = [_stairs([at[index] for index in front], frame)]
    for index, (row, one, box) in enumerate(zip(shown, drawn_as, boxes, strict=True)):
        parts.append(_point(row, one, at[index], y, box, index in front))
    title = words.metric_with_sense(shown[0].metric)
    return svg.drawing(
        width,
        height,
        f"{title} against wall-time for {words.listing(one.name for one in drawn_as)}. "
        "The numbers are in the table below the figure.",
        score_axis(y, frame, title),
        time_ticks(x, frame, "wall-time of a seed"),
        *parts,
    )


def _stairs(points: Sequence[tuple[float, float]], frame: Frame) -> Markup:
    """The front as stairs: the best score to be had for no more than this time."""
    path = [points[0]]
    for x, y in points[1:]:
        path += [(x, path[-1][1]), (x, y)]
    return svg.polyline([*path, (frame.right, path[-1][1])], "front")


def _point(
    row: Row,
    series: Series,
    at: tuple[float, float],
    y: svg.Scale,
    box: Box,
    on_front: bool,
) -> Markup:
    tip = (
        f"{series.name}: {words.score_with_interval(row)} "
        f"for {words.duration(row.pretrain_wall_s)}" + (", on the Pareto front" * on_front)
    )
    look, label = series.look, words.shorten(series.label, 18)
    ring = [svg.element("circle", cx=at[0], cy=at[1], r=8.5, class_="ring")] if on_front else []
    span = [whisker(at[0], row.ci_low, row.ci_high, y)] if has_interval(row) else []
    return svg.element(
        "g",
        *span,
        *ring,
        svg.marker(look, *at, radius=4.8, tip=tip),
        svg.text(box[0], box[3] - 4, label, "name"),
        class_=f"series {look.css}",
    )
