"""Label factors as a forest plot: a line a method, a panel a label fraction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lcd_plugin.report.figures import Series, has_interval, place_of, words
from lcd_plugin.report.model import LabelFactor, Place
from lcd_plugin.report.paper_figures.style import (
    CHARACTER,
    SMALL,
    SOFT,
    Paper,
    colour,
    line_style,
)
from lcd_plugin.report.plain_text import one_line

LINE = 0.135  # inches of height that a method takes
PANEL = 0.55  # inches of width that a panel needs
LONGEST = 26  # characters of a name


def factor_figure(
    factors: Sequence[LabelFactor], series: Mapping[Place, Series], paper: Paper
) -> Figure | None:
    """Draws label factors with their intervals, the largest at the smallest fraction on top.

    An arrow head at the end of an interval says that it goes on beyond the baseline's curve.

    Args:
        factors: of one comparison against one baseline.
        series: how the lines of the comparison are called and drawn.
        paper: size of the figure.

    Returns:
        The figure; None where there is nothing to draw.
    """
    shown = [f for f in factors if math.isfinite(f.factor) and f.factor > 0]
    if not shown:
        return None
    fractions = sorted({factor.label_fraction for factor in shown})
    first = {place_of(f): f.factor for f in shown if f.label_fraction == fractions[0]}
    places = sorted({place_of(f) for f in shown}, key=lambda place: first.get(place, 0.0))
    names = [words.shorten(one_line(series[place].label), LONGEST) for place in places]
    room = paper.inches - max(map(len, names)) * CHARACTER - 0.2
    across = max(1, min(len(fractions), int(room / PANEL)))
    down = math.ceil(len(fractions) / across)
    figure = paper.figure(down * (len(places) * LINE + 0.45) + 0.2)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(fractions):
            axes.set_visible(False)
            continue
        own = [f for f in shown if f.label_fraction == fractions[index]]
        _panel(axes, own, series, {place: y for y, place in enumerate(places)})
        if index + across >= len(fractions):  # nothing below it
            axes.tick_params(labelbottom=True)
    panels[0, 0].set_yticks(range(len(places)), names)
    panels[0, 0].set_ylim(-0.7, len(places) - 0.3)
    _factor_axis(panels[0, 0], shown)
    figure.supxlabel(f"times as many labels that {shown[0].baseline} needs, log scale", fontsize=8)
    return figure


def _panel(
    axes: Axes,
    factors: Sequence[LabelFactor],
    series: Mapping[Place, Series],
    heights: Mapping[Place, int],
) -> None:
    axes.set_xscale("log")
    axes.axvline(1, color=SOFT, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
    first = factors[0]
    axes.set_title(
        f"{words.share(first.label_fraction)}\n{words.count(first.n_labels)} labels",
        fontsize=SMALL,
    )
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    for factor in factors:
        y, look = heights[place_of(factor)], series[place_of(factor)].look
        if has_interval(factor):
            axes.hlines(y, factor.ci_low, factor.ci_high, color=colour(look), linewidth=0.8)
            ends = ((factor.ci_low, factor.low_bound), (factor.ci_high, factor.high_bound))
            for at, bound in ends:
                if bound != "exact":
                    head = ">" if bound == "more" else "<"
                    axes.plot(at, y, head, color=colour(look), markersize=2.6)
        axes.plot(factor.factor, y, **(line_style(look) | {"linestyle": "none"}), zorder=3)


def _factor_axis(axes: Axes, factors: Sequence[LabelFactor]) -> None:
    """Ticks at 1, 3, 10, 30, ...; at powers of ten alone where the axis is long."""
    values = [v for f in factors for v in (f.factor, f.ci_low, f.ci_high) if math.isfinite(v)]
    low, high = min(*values, 1.0) / 1.25, max(*values, 1.0) * 1.25
    axes.set_xlim(low, high)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 3) if len(powers) <= 3 else (1,)
    axes.xaxis.set_major_locator(
        FixedLocator([s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high])
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
