"""Label efficiency: score against the share of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

LABEL_GAP = 15.0


def efficiency_figure(
    rows: Sequence[Row],
    looks: Mapping[str, Look],
    width: float = 540,
    of: Sequence[Row] | None = None,
) -> str:
    """Draws score against label fraction (logarithmic), one line a method.

    Args:
        rows: one dataset, task, encoder, protocol and metric; any number of fractions.
        looks: colour and marker by method.
        width: of the drawing in pixels; below 420 it is laid out for a phone.
        of: all rows of the comparison, which names and markers follow from; None is `rows`.

    Returns:
        An `<svg>` element, or "" where there is nothing to draw.
    """
    shown = [row for row in rows if drawable(row) and row.label_fraction > 0]
    if not shown:
        return ""
    series, lines = series_of(of or rows, looks), _lines(shown)
    drawn_as = [series[place] for place in lines]
    narrow = width < NARROW
    height = max(330.0, LABEL_GAP * len(lines) + 90)
    frame = Frame(width, height, 42, width - _margin(drawn_as, narrow), 26, height - 52)
    x = _fraction_scale(shown, frame, len(lines))
    y = score_scale(shown, frame)
    last = [y(line[-1].mean) for line in lines.values()]
    places = svg.spread(last, LABEL_GAP, frame.top + 4, frame.bottom - 4)
    dodge = _dodges(len(lines), narrow)
    drawn = [
        _series(one, line, x, y, shift, place, frame)
        for one, line, shift, place in zip(drawn_as, lines.values(), dodge, places, strict=True)
    ]
    title = words.metric_title(shown[0].metric)
    return svg.drawing(
        width,
        height,
        f"{title} against the share of labels for {words.listing(s.name for s in drawn_as)}. "
        "The numbers are in the table below the figure.",
        score_axis(y, frame, title),
        _fraction_axis(shown, x, frame),
        *drawn,
    )


def _lines(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by series; baselines first, so that the methods are drawn over them."""
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r.kind == "pretraining", r.label_fraction)):
        lines.setdefault((row.method, row.pretrain_dataset), []).append(row)
    return lines


def _margin(series: Sequence[Series], narrow: bool) -> float:
    """Room for the names at the ends of the lines, in pixels."""
    longest = max(len(one.label) for one in series)
    return 90.0 if narrow else min(max(104.0, longest * svg.CHARACTER + 20), 180.0)


def _dodges(n: int, narrow: bool) -> list[float]:
    """Sideways shifts, so that the intervals of several methods do not hide each other."""
    step = min(5.0, (24.0 if narrow else 40.0) / max(n, 1))
    return [(index - (n - 1) / 2) * step for index in range(n)]


def _fraction_scale(rows: Sequence[Row], frame: Frame, n_lines: int) -> svg.Scale:
    fractions = [row.label_fraction for row in rows]
    edge = max(_dodges(n_lines, frame.width < NARROW)) + 8
    return svg.Scale(min(fractions), max(fractions), frame.left + edge, frame.right - edge, True)


def _fraction_axis(rows: Sequence[Row], x: svg.Scale, frame: Frame) -> Markup:
    """Ticks at the fractions that were run, with the number of labelled records below."""
    n_labels = {row.label_fraction: row.n_labels for row in rows}
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    free = frame.right + 40
    for fraction in sorted(n_labels, reverse=True):
        at, name, number = x(fraction), words.share(fraction), words.count(n_labels[fraction])
        half = max(len(name), len(number)) * svg.CHARACTER / 2 + 3
        parts.append(svg.line(at, frame.bottom, at, frame.bottom + 5, "axis"))
        if at + half > free:  # fractions that are close together: the larger keeps its name
            continue
        free = at - half
        parts.append(svg.text(at, frame.bottom + 18, name, "tick strong", "middle"))
        parts.append(svg.text(at, frame.bottom + 32, number, "tick", "middle"))
    caption = "labels (records), log scale"
    middle = (frame.left + frame.right) / 2
    parts.append(svg.text(middle, frame.bottom + 48, caption, "axis-title", "middle"))
    return Markup("").join(parts)


def _series(
    series: Series,
    rows: Sequence[Row],
    x: svg.Scale,
    y: svg.Scale,
    shift: float,
    label_y: float,
    frame: Frame,
) -> Markup:
    """One method: a band that appears on hovering, line, intervals, markers and its name."""
    look = series.look
    at = [x(row.label_fraction) + shift for row in rows]
    band = [(a, y(row.ci_low)) for a, row in zip(at, rows, strict=True)]
    band += [(a, y(row.ci_high)) for a, row in reversed(list(zip(at, rows, strict=True)))]
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in band)
    parts = [svg.element("polygon", points=corners, class_="band")]
    line = [(a, y(row.mean)) for a, row in zip(at, rows, strict=True)]
    parts.append(svg.polyline(line, "line"))
    for a, row in zip(at, rows, strict=True):
        tip = (
            f"{series.name}: {words.score(row.mean)} {words.interval(row)} with "
            f"{words.labels(row.label_fraction)} ({words.count(row.n_labels)} records)"
        )
        parts += [whisker(a, row, y), svg.marker(look, a, y(row.mean), tip=tip)]
    start = frame.right + 16
    leader = [(at[-1] + 7, line[-1][1]), (frame.right + 2, label_y), (start - 4, label_y)]
    room = int((frame.width - start) / svg.CHARACTER)
    parts.append(svg.polyline(leader, "leader"))
    parts.append(svg.text(start, label_y + 4, words.shorten(series.label, room), "name"))
    css = f"series {look.css}" + (" baseline" if look.baseline else "")
    return svg.element("g", *parts, class_=css)
