"""Score against what the pretraining cost in wall-time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import axes, svg, words
from lcd_plugin.report.figures.axes import (
    Frame,
    drawable,
    row_values,
    score_axis,
    score_scale,
    whisker,
)
from lcd_plugin.report.figures.items import has_interval, merit
from lcd_plugin.report.figures.looks import Series
from lcd_plugin.report.figures.places import Box, place_names
from lcd_plugin.report.figures.times import needs_slot, time_axis, time_ticks
from lcd_plugin.report.model import Place, Row

LONGEST = 16  # characters of a name


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


def counts_as_none(rows: Sequence[Row]) -> bool:
    """Whether the time axis has a place of its own for what took next to no time."""
    return needs_slot([row.pretrain_wall_s for row in rows if drawable(row)])


def cost_figure(rows: Sequence[Row], series: Mapping[Place, Series]) -> str:
    """Draws score against pretraining wall-time and the Pareto front.

    Args:
        rows: one row a method: one dataset, task, encoder, protocol, fraction, metric, machine.
        series: how the lines of the comparison are called and drawn.

    Returns:
        An `<svg>` element, or "" where there is nothing to compare: fewer than two lines.
    """
    shown = [row for row in rows if drawable(row)]
    if len(shown) < 2:
        return ""
    frame = axes.frame()
    x = time_axis([row.pretrain_wall_s for row in shown], frame)
    y = score_scale(row_values(shown), frame)
    drawn_as = [series[row.place] for row in shown]
    at = [(x(row.pretrain_wall_s), y(row.mean)) for row in shown]
    front = cost_front(shown)
    spans = [
        (px - 2, y(row.ci_high), px + 2, y(row.ci_low))
        for (px, _), row, one in zip(at, shown, drawn_as, strict=True)
        if has_interval(row) and not one.quiet
    ]
    # Quiet lines stay without a name, unless nothing cheaper is as good.
    named = [i for i, one in enumerate(drawn_as) if i in front or not one.quiet]
    names = [words.shorten(drawn_as[i].label, LONGEST) for i in named]
    boxes = dict(zip(named, place_names(names, at, named, spans, frame), strict=True))
    parts = [_stairs([at[index] for index in front], frame)]
    # Quiet ones first, so that the others are drawn over them.
    for index in sorted(range(len(shown)), key=lambda i: not drawn_as[i].quiet):
        row, one = shown[index], drawn_as[index]
        parts.append(_point(row, one, at[index], y, boxes.get(index), index in front))
    title = words.metric_with_sense(shown[0].metric)
    return svg.drawing(
        frame.height,
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


def _leader(at: tuple[float, float], box: Box) -> list[Markup]:
    """A thin line to a name that is not right beside its point."""
    middle = (box[1] + box[3]) / 2
    if abs(middle - at[1]) < 14:
        return []
    side = box[0] - 2 if box[0] > at[0] else box[2] + 2
    return [svg.polyline([at, (side, middle)], "leader")]


def _point(
    row: Row,
    series: Series,
    at: tuple[float, float],
    y: svg.Scale,
    box: Box | None,
    on_front: bool,
) -> Markup:
    """One line: interval, ring of the front, marker and, where there is a box for it, its name."""
    tip = (
        f"{series.name}: {words.score_with_interval(row)} "
        f"for {words.duration(row.pretrain_wall_s)}" + (", on the Pareto front" * on_front)
    )
    parts = []
    if has_interval(row) and not series.quiet:
        parts.append(whisker(at[0], row.ci_low, row.ci_high, y))
    if on_front:
        parts.append(svg.element("circle", cx=at[0], cy=at[1], r=7, class_="ring"))
    parts.append(svg.marker(series.look, *at, radius=3.8, tip=tip))
    if box:
        parts += _leader(at, box)
        parts.append(svg.text(box[0], box[3] - 4, words.shorten(series.label, LONGEST), "name"))
    return svg.element("g", *parts, class_=series.css)
