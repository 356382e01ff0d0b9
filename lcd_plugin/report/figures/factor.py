"""Label factor: how many times more labels a baseline needs, against the share of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import LABEL_GAP, Frame, frame_with_names, name_at_end
from lcd_plugin.report.figures.fractions import (
    dodges,
    fraction_axis,
    fraction_scale,
)
from lcd_plugin.report.figures.items import has_interval, place_of
from lcd_plugin.report.figures.looks import Series
from lcd_plugin.report.model import LabelFactor, Place

_STEPS = (1, 2, 5)
MARKER, ARROW = 5.0, 10.0  # how far an arrow head begins and ends beyond its value, in pixels


def factor_figure(factors: Sequence[LabelFactor], series: Mapping[Place, Series]) -> str:
    """Draws label factors with their intervals on a logarithmic axis, one line a method.

    An end of an interval beyond the baseline's curve is an open arrow head: it goes on from there.
    A factor without an interval is a marker alone.

    Args:
        factors: of one comparison against one baseline.
        series: how the lines of the comparison are called and drawn.

    Returns:
        An `<svg>` element, or "" where there is nothing to draw.
    """
    shown = sorted(filter(_drawable, factors), key=lambda factor: factor.label_fraction)
    if not shown:
        return ""
    lines: dict[Place, list[LabelFactor]] = {}
    for factor in shown:
        lines.setdefault(place_of(factor), []).append(factor)
    drawn_as = [series[place] for place in lines]
    frame = frame_with_names(drawn_as)
    n_labels = {factor.label_fraction: factor.n_labels for factor in shown}
    x, y = fraction_scale(n_labels, frame, len(lines)), _factor_scale(shown, frame)
    last = [y(line[-1].factor) for line in lines.values()]
    places = svg.spread(last, LABEL_GAP, frame.top + 4, frame.bottom - 4)
    shifts = dodges(len(lines))
    drawn = [
        _line(one, line, x, y, shift, place, frame)
        for one, line, shift, place in zip(drawn_as, lines.values(), shifts, places, strict=True)
    ]
    return svg.drawing(
        frame.height,
        f"Label factor against {shown[0].baseline} by the share of labels for "
        f"{words.listing(one.name for one in drawn_as)}. The numbers are in the table below the "
        "figure.",
        _factor_axis(y, frame),
        fraction_axis(n_labels, x, frame),
        *drawn,
    )


def _drawable(factor: LabelFactor) -> bool:
    values = (factor.factor, factor.label_fraction)
    return all(math.isfinite(value) and value > 0 for value in values)


def _factor_scale(factors: Sequence[LabelFactor], frame: Frame) -> svg.Scale:
    """Logarithmic, with 1 and room for the arrow heads."""
    values = [v for f in factors for v in (f.factor, f.ci_low, f.ci_high) if math.isfinite(v)]
    low, high = min(*values, 1.0), max(*values, 1.0)
    air = max((high / low) ** 0.06, 1.1)
    return svg.Scale(low / air, high * air, frame.bottom - ARROW, frame.top + ARROW, log=True)


def _factor_axis(y: svg.Scale, frame: Frame) -> Markup:
    """Grid lines at 1, 2, 5, 10, ...; at powers of ten alone where the axis is long."""
    powers = range(math.floor(math.log10(y.low)), math.ceil(math.log10(y.high)) + 1)
    steps = _STEPS if len(powers) <= 4 else _STEPS[:1]
    values = [step * 10.0**power for power in powers for step in steps]
    parts = []
    for value in values:
        if not y.low <= value <= y.high:
            continue
        css = "reference" if value == 1 else "grid"
        parts.append(svg.line(frame.left, y(value), frame.right, y(value), css))
        name = f"{value:,.4g}\u00d7"
        parts.append(svg.text(frame.left - 8, y(value) + 4, name, "tick", "end"))
    title = "times as many labels needed, log scale"
    return Markup("").join([*parts, svg.text(0, 12, title, "axis-title")])


def _line(
    series: Series,
    factors: Sequence[LabelFactor],
    x: svg.Scale,
    y: svg.Scale,
    shift: float,
    label_y: float,
    frame: Frame,
) -> Markup:
    """One method: intervals, markers with their line, and its name."""
    at = [(x(factor.label_fraction) + shift, y(factor.factor)) for factor in factors]
    parts = [svg.polyline(at, "line faint")]
    for (px, py), factor in zip(at, factors, strict=True):
        span = words.factor_interval(factor)
        tip = (
            f"{series.name}: {words.times(factor.factor, factor.bound)}"
            f"{f' {span}' if span else ''} with {words.labels(factor.label_fraction)} "
            f"({words.count(factor.n_labels)} records)"
        )
        if has_interval(factor) and not series.quiet:
            parts.append(_whisker(px, factor, y))
        parts.append(svg.marker(series.look, px, py, tip=tip))
    parts.append(name_at_end(series.label, at[-1], label_y, frame))
    return svg.element("g", *parts, class_=series.css)


def _whisker(x: float, factor: LabelFactor, y: svg.Scale) -> Markup:
    """The interval; an open arrow head at each end that lies beyond the baseline's curve."""
    low, high = y(factor.ci_low), y(factor.ci_high)
    steps = f"M{x:.1f} {low:.1f}V{high:.1f}"
    for at, bound in ((low, factor.low_bound), (high, factor.high_bound)):
        if bound == "exact":
            steps += f"M{x - 2:.1f} {at:.1f}h4"
        else:
            away = -1 if bound == "more" else 1  # off the marker, which may be at the same place
            base, tip = at + away * MARKER, at + away * ARROW
            steps += f"M{x:.1f} {at:.1f}V{tip:.1f}"
            steps += f"M{x - 3:.1f} {base:.1f}L{x:.1f} {tip:.1f}L{x + 3:.1f} {base:.1f}"
    return svg.path(steps, "whisker")
