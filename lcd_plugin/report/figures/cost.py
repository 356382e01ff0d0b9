"""Score against what the pretraining cost in wall-time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import (
    NARROW,
    Frame,
    drawable,
    score_axis,
    score_scale,
    whisker,
)
from lcd_plugin.report.figures.looks import Look, Series, series_of
from lcd_plugin.report.model import Row

SHORTEST = 1.0  # seconds; less is "no pretraining" and has no place on a logarithmic axis
_TIMES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200)
_DAY = 86400
Box = tuple[float, float, float, float]  # left, top, right, bottom


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, score) that no other point beats, cheapest first.

    A point is beaten by one that costs no more and scores no less, and is better in one of them.
    """

    def beaten(cost: float, score: float) -> bool:
        return any(c <= cost and s >= score and (c < cost or s > score) for c, s in points)

    front = [index for index, point in enumerate(points) if not beaten(*point)]
    return sorted(front, key=lambda index: points[index])


@dataclass(frozen=True)
class TimeAxis:
    """The time axis: linear from zero, or logarithmic with a slot of its own for "no time"."""

    scale: svg.Scale
    slot: float | None

    def __call__(self, seconds: float) -> float:
        """The position of a wall-time."""
        if self.slot is not None and seconds < SHORTEST:
            return self.slot
        return self.scale(seconds)


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
    x, y = _time_axis([row.pretrain_wall_s for row in shown], frame), score_scale(shown, frame)
    series = series_of(of or rows, looks)
    drawn_as = [series[row.method, row.pretrain_dataset] for row in shown]
    at = [(x(row.pretrain_wall_s), y(row.mean)) for row in shown]
    boxes = _place([words.shorten(one.label, 18) for one in drawn_as], at, shown, y, frame)
    front = pareto_front([(row.pretrain_wall_s, row.mean) for row in shown])
    parts = [_stairs([at[index] for index in front], frame)]
    for index, (row, one, box) in enumerate(zip(shown, drawn_as, boxes, strict=True)):
        parts.append(_point(row, one, at[index], y, box, index in front))
    title = words.metric_title(shown[0].metric)
    return svg.drawing(
        width,
        height,
        f"{title} against wall-time for {words.listing(one.name for one in drawn_as)}. "
        "The numbers are in the table below the figure.",
        score_axis(y, frame, title),
        _time_ticks(x, frame),
        *parts,
    )


def _time_axis(seconds: Sequence[float], frame: Frame) -> TimeAxis:
    """Logarithmic where the times differ more than tenfold, with a slot for what took none."""
    start, end = frame.left + 18, frame.right - 26
    real = [s for s in seconds if s >= SHORTEST]
    if not real or max(real) <= 10 * min(real):
        return TimeAxis(svg.Scale(0.0, max([*seconds, 1e-9]) * 1.02, start, end), None)
    if len(real) == len(seconds):
        return TimeAxis(svg.Scale(min(real), max(real), start, end, log=True), None)
    return TimeAxis(svg.Scale(min(real), max(real), start + 64, end, log=True), start)


def _time_ticks(x: TimeAxis, frame: Frame) -> Markup:
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    high, free = x.scale.high, frame.left - 40
    if x.scale.log:
        days = [d * _DAY for d in (1, 2, 5, 10, 20, 50, 100)]
        values = [float(t) for t in (*_TIMES, *days) if x.scale.low <= t <= high]
    else:
        unit = next((u for u in (3600, 60) if high > 2 * u), 1)
        values = [v * unit for v in svg.ticks(0, high / unit, 3 if frame.width < NARROW else 5)]
    if x.slot is not None:
        gap = (x.slot + x.scale.start) / 2
        parts += [
            svg.text(x.slot, frame.bottom + 18, "< 1 s", "tick", "middle"),
            svg.element("rect", x=gap - 4, y=frame.bottom - 3, width=8, height=6, class_="gap"),
            svg.line(gap - 7, frame.bottom + 5, gap - 1, frame.bottom - 5, "axis"),
            svg.line(gap + 1, frame.bottom + 5, gap + 7, frame.bottom - 5, "axis"),
        ]
        free = x.slot + 20
    for value in values:
        at, name = x(value), _tick_name(value)
        half = len(name) * svg.CHARACTER / 2 + 4
        if at - half < free:
            continue
        free = at + half
        parts.append(svg.line(at, frame.bottom, at, frame.bottom + 5, "axis"))
        parts.append(svg.text(at, frame.bottom + 18, name, "tick", "middle"))
    caption = "wall-time of a seed" + (", log scale" if x.scale.log else "")
    middle = (frame.left + frame.right) / 2
    parts.append(svg.text(middle, frame.bottom + 42, caption, "axis-title", "middle"))
    return Markup("").join(parts)


def _tick_name(seconds: float) -> str:
    """A round time in its own unit."""
    for unit, name in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


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
        f"{series.name}: {words.score(row.mean)} {words.interval(row)} "
        f"for {words.duration(row.pretrain_wall_s)}" + (", on the Pareto front" * on_front)
    )
    look, label = series.look, words.shorten(series.label, 18)
    ring = [svg.element("circle", cx=at[0], cy=at[1], r=8.5, class_="ring")] if on_front else []
    return svg.element(
        "g",
        whisker(at[0], row, y),
        *ring,
        svg.marker(look, *at, radius=4.8, tip=tip),
        svg.text(box[0], box[3] - 4, label, "name"),
        class_=f"series {look.css}",
    )


def _overlap(a: Box, b: Box) -> float:
    """Area that two boxes share."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _place(
    names: Sequence[str],
    at: Sequence[tuple[float, float]],
    rows: Sequence[Row],
    y: svg.Scale,
    frame: Frame,
) -> list[Box]:
    """Finds a box for every name, off the other names, markers and intervals.

    Greedy: names take, one after the other, the nearest free place beside their marker.
    """
    taken: list[Box] = [(px - 9, py - 9, px + 9, py + 9) for px, py in at]
    taken += [
        (px - 2, y(row.ci_high), px + 2, y(row.ci_low))
        for (px, _), row in zip(at, rows, strict=True)
    ]
    boxes: list[Box] = []
    for (px, py), name in zip(at, names, strict=True):
        wide = len(name) * svg.CHARACTER * 1.18
        shifts = sorted((step * sign for step in range(0, 90, 6) for sign in (1, -1)), key=abs)
        options = [
            (left, py + shift - 8, left + wide, py + shift + 8)
            for shift in shifts
            for left in (px + 12, px - 12 - wide)
        ]

        def crowding(box: Box) -> float:
            outside = max(0.0, frame.left - box[0]) + max(0.0, box[2] - frame.width)
            outside += max(0.0, frame.top - box[1]) + max(0.0, box[3] - frame.bottom)
            return outside * 50 + sum(_overlap(box, other) for other in (*taken, *boxes))

        boxes.append(min(options, key=crowding))
    return boxes
