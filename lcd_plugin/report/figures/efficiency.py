"""Label efficiency: score against the share of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import (
    LABEL_GAP,
    Frame,
    drawable,
    frame_with_names,
    name_at_end,
    row_values,
    score_axis,
    score_scale,
    whisker,
)
from lcd_plugin.report.figures.fractions import (
    dodges,
    fraction_axis,
    fraction_scale,
)
from lcd_plugin.report.figures.items import has_interval
from lcd_plugin.report.figures.looks import Series
from lcd_plugin.report.model import Place, Row


def efficiency_figure(rows: Sequence[Row], series: Mapping[Place, Series]) -> str:
    """Draws score against label fraction (logarithmic), one line a method.

    Args:
        rows: one dataset, task, encoder, protocol and metric; any number of fractions.
        series: how the lines of the comparison are called and drawn.

    Returns:
        An `<svg>` element, or "" where there is nothing to compare: fewer than two scores.
    """
    shown = [row for row in rows if drawable(row) and row.label_fraction > 0]
    if len(shown) < 2:
        return ""
    lines = _lines(shown)
    drawn_as = [series[place] for place in lines]
    frame = frame_with_names(drawn_as)
    n_labels = {row.label_fraction: row.n_labels for row in shown}
    x = fraction_scale(n_labels, frame, len(lines))
    y = score_scale(row_values(shown), frame)
    last = [y(line[-1].mean) for line in lines.values()]
    places = svg.spread(last, LABEL_GAP, frame.top + 4, frame.bottom - 4)
    dodge = dodges(len(lines))
    drawn = [
        _series(one, line, x, y, shift, place, frame)
        for one, line, shift, place in zip(drawn_as, lines.values(), dodge, places, strict=True)
    ]
    title = words.metric_with_sense(shown[0].metric)
    return svg.drawing(
        frame.height,
        f"{title} against the share of labels for {words.listing(s.name for s in drawn_as)}. "
        "The numbers are in the table below the figure.",
        score_axis(y, frame, title),
        fraction_axis(n_labels, x, frame),
        *drawn,
    )


def _lines(rows: Sequence[Row]) -> dict[Place, list[Row]]:
    """Rows by series; baselines first, so that the methods are drawn over them."""
    lines: dict[Place, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r.kind == "pretraining", r.label_fraction)):
        lines.setdefault(row.place, []).append(row)
    return lines


def _series(
    series: Series,
    rows: Sequence[Row],
    x: svg.Scale,
    y: svg.Scale,
    shift: float,
    label_y: float,
    frame: Frame,
) -> Markup:
    """One method: a band that appears on hovering, line, intervals, markers and its name.

    A quiet line has no intervals: its figures are in the tips and in the table.
    """
    look = series.look
    at = [x(row.label_fraction) + shift for row in rows]
    known = [(a, row) for a, row in zip(at, rows, strict=True) if has_interval(row)]
    band = [(a, y(row.ci_low)) for a, row in known]
    band += [(a, y(row.ci_high)) for a, row in reversed(known)]
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in band)
    parts = [] if series.quiet else [svg.element("polygon", points=corners, class_="band")]
    line = [(a, y(row.mean)) for a, row in zip(at, rows, strict=True)]
    parts.append(svg.polyline(line, "line"))
    for a, row in zip(at, rows, strict=True):
        tip = (
            f"{series.name}: {words.score_with_interval(row)} with "
            f"{words.labels(row.label_fraction)} ({words.count(row.n_labels)} records)"
        )
        if has_interval(row) and not series.quiet:
            parts.append(whisker(a, row.ci_low, row.ci_high, y))
        parts.append(svg.marker(look, a, y(row.mean), tip=tip))
    parts.append(name_at_end(series.label, line[-1], label_y, frame))
    return svg.element("g", *parts, class_=series.css)
