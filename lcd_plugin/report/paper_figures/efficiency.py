"""Label efficiency: score against the share of labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lcd_plugin.report.figures import Series, has_interval, words
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.paper_figures.style import CHARACTER, FAINT, Paper, legend_below, line_style

HEIGHT = 2.3  # inches, without the legend


def efficiency_figure(
    rows: Sequence[Row], series: Mapping[Place, Series], paper: Paper
) -> Figure | None:
    """Draws score with its interval against label fraction (logarithmic), one line a method.

    Args:
        rows: one comparison and metric; any number of fractions.
        series: how its lines are called and drawn.
        paper: size, and how scores are written.

    Returns:
        The figure; None where there is nothing to draw.
    """
    shown = [row for row in rows if math.isfinite(row.mean) and row.label_fraction > 0]
    if not shown:
        return None
    lines: dict[Place, list[Row]] = {}
    for row in sorted(shown, key=lambda row: row.label_fraction):
        lines.setdefault(row.place, []).append(row)
    figure = paper.figure(HEIGHT)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    labels = {row.label_fraction: row.n_labels for row in shown}
    for (place, line), shift in zip(
        lines.items(), _shifts(sorted(labels), len(lines)), strict=True
    ):
        _line(axes, line, series[place], shift)
    _fraction_axis(axes, labels, paper.inches)
    axes.set_ylabel(paper.score_title(shown[0].metric))
    paper.score_ticks(axes)
    # As the lines end on the right, from the top down.
    order = sorted(
        lines, key=lambda place: (-lines[place][-1].label_fraction, -lines[place][-1].mean)
    )
    legend_below(figure, [series[place] for place in order], lines=True)
    return figure


def _shifts(fractions: Sequence[float], n: int) -> list[float]:
    """Factors that move lines sideways, so that their intervals do not hide each other."""
    gaps = [math.log(b / a) for a, b in itertools.pairwise(fractions)]
    step = min(0.12, 0.6 * min(gaps, default=1.0) / n)
    return [math.exp((index - (n - 1) / 2) * step) for index in range(n)]


def _line(axes: Axes, rows: Sequence[Row], series: Series, shift: float) -> None:
    x = [row.label_fraction * shift for row in rows]
    look = line_style(series.look)
    alpha = FAINT if series.quiet else 1.0
    above = 2.5 if series.quiet else 3.0
    known = [(at, row) for at, row in zip(x, rows, strict=True) if has_interval(row)]
    axes.vlines(
        [at for at, _ in known],
        [row.ci_low for _, row in known],
        [row.ci_high for _, row in known],
        color=look["color"],
        linewidth=0.6,
        alpha=0.55 * alpha,
        zorder=above - 1,
    )
    axes.plot(x, [row.mean for row in rows], **look, alpha=alpha, zorder=above)


def _fraction_axis(axes: Axes, labels: Mapping[float, int], inches: float) -> None:
    """Ticks at the fractions that were run, with the number of labelled records below."""
    low, high = min(labels), max(labels)
    per_inch = (math.log(high / low) or 1.0) / (inches - 0.8)
    named: list[float] = []
    for fraction in sorted(labels, reverse=True):
        room = 5 * CHARACTER * per_inch
        if not named or math.log(named[-1] / fraction) > room:
            named.append(fraction)
    axes.xaxis.set_major_locator(FixedLocator(named))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(named, [f"{words.share(f)}\n{words.count(labels[f])}" for f in named])
    axes.set_xlabel("labels (records), log scale")
