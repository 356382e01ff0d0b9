"""Score against pretraining time, from probes on snapshots of the encoders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import (
    LABEL_GAP,
    Frame,
    frame_with_names,
    name_at_end,
    score_axis,
    score_scale,
    whisker,
)
from lcd_plugin.report.figures.items import place_of
from lcd_plugin.report.figures.looks import Series
from lcd_plugin.report.figures.times import time_axis, time_ticks
from lcd_plugin.report.model import Place, SpeedCurve

Point = tuple[float, float]


def drawable(curve: SpeedCurve) -> bool:
    """Whether a curve has points and all of them are numbers."""
    values = (*curve.seconds, *curve.score, *curve.seed_std)
    return bool(curve.score) and all(map(math.isfinite, values))


def speed_figure(curves: Sequence[SpeedCurve], series: Mapping[Place, Series]) -> str:
    """Draws score against pretraining seconds, one line a method; a ring marks the finished one.

    Args:
        curves: of one comparison on one machine, all of them `drawable`.
        series: how the lines of the comparison are called and drawn.

    Returns:
        An `<svg>` element, or "" where there is nothing to draw.
    """
    if not curves:
        return ""
    drawn_as = [series[place_of(c)] for c in curves]
    frame = frame_with_names(drawn_as)
    spans = [_spans(curve) for curve in curves]
    x = time_axis([second for curve in curves for second in curve.seconds], frame)
    y = score_scale([value for pairs in spans for pair in pairs for value in pair], frame)
    paths = [
        [(x(second), y(score)) for second, score in zip(c.seconds, c.score, strict=True)]
        for c in curves
    ]
    last = [path[-1][1] for path in paths]
    heights = svg.spread(last, LABEL_GAP, frame.top + 4, frame.bottom - 4)
    drawn = [
        _line(one, curve, path, pairs, y, label_y, frame)
        for one, curve, path, pairs, label_y in zip(
            drawn_as, curves, paths, spans, heights, strict=True
        )
    ]
    return svg.drawing(
        frame.height,
        f"Score against pretraining time for {words.listing(one.name for one in drawn_as)}. "
        "The numbers are in the table below the figure.",
        score_axis(y, frame, words.metric_title("auroc")),
        time_ticks(x, frame, "pretraining time of a seed"),
        *drawn,
    )


def _spans(curve: SpeedCurve) -> list[tuple[float, float]]:
    """Score minus and plus its spread over seeds, at every share."""
    spread = curve.seed_std or (0.0,) * len(curve.score)
    return [(s - std, s + std) for s, std in zip(curve.score, spread, strict=True)]


def _line(
    series: Series,
    curve: SpeedCurve,
    path: Sequence[Point],
    spans: Sequence[tuple[float, float]],
    y: svg.Scale,
    label_y: float,
    frame: Frame,
) -> Markup:
    """One method: its line, a marker a snapshot, a ring at the end and its name."""
    parts = [svg.polyline(path, "line")]
    for index, (at, span) in enumerate(zip(path, spans, strict=True)):
        finished = curve.share[index] >= 1
        share = "finished" if finished else f"{words.share(curve.share[index])} of the budget"
        tip = (
            f"{series.name}: {words.score(curve.score[index])} after "
            f"{words.duration(curve.seconds[index])}, {share}"
        )
        if span[1] > span[0] and not series.quiet:
            parts.append(whisker(at[0], *span, y))
        if finished:
            parts.append(svg.element("circle", cx=at[0], cy=at[1], r=7, class_="ring"))
        radius = 3.8 if finished else 2.6
        parts.append(svg.marker(series.look, *at, radius=radius, tip=tip))
    parts.append(name_at_end(series.label, path[-1], label_y, frame))
    return svg.element("g", *parts, class_=series.css)
