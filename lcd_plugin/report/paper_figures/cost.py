"""Score against what the pretraining cost in wall-time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lcd_plugin.report.figures import Series, cost_front, has_interval, words
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.paper_figures.style import (
    CHARACTER,
    SOFT,
    Paper,
    legend_below,
    line_style,
)
from lcd_plugin.report.plain_text import one_line

HEIGHT = 2.2  # inches, without the legend
SHORTEST = 1.0  # seconds; below that a logarithmic axis is linear, so that none has a place too


def cost_figure(
    rows: Sequence[Row], series: Mapping[Place, Series], paper: Paper, machine: str = ""
) -> Figure | None:
    """Draws score with its interval against pretraining seconds, and the Pareto front.

    Args:
        rows: one row a method: one comparison, fraction, metric and machine.
        series: how the lines of the comparison are called and drawn.
        paper: size, and how scores are written.
        machine: the one that the times were taken on, where that must be told.

    Returns:
        The figure; None where there is nothing to draw.
    """
    shown = [row for row in rows if math.isfinite(row.mean) and math.isfinite(row.pretrain_wall_s)]
    if not shown:
        return None
    figure = paper.figure(HEIGHT)
    axes = figure.add_subplot()
    for row in shown:
        look = line_style(series[row.place].look) | {"linestyle": "none"}
        if has_interval(row):
            axes.vlines(
                row.pretrain_wall_s, row.ci_low, row.ci_high,
                color=look["color"], linewidth=0.6, alpha=0.5,
            )  # fmt: skip
        axes.plot(row.pretrain_wall_s, row.mean, **look, markersize=4.4, zorder=3)
    _time_axis(axes, [row.pretrain_wall_s for row in shown])
    front = [shown[index] for index in cost_front(shown)]
    x, y = [row.pretrain_wall_s for row in front], [row.mean for row in front]
    # As stairs: the best score to be had for no more than this time.
    axes.step([*x, axes.get_xlim()[1]], [*y, y[-1]], where="post", color=SOFT, linewidth=0.8,
              linestyle=":", zorder=2)  # fmt: skip
    axes.plot(x, y, "o", markersize=8, markerfacecolor="none", markeredgecolor=SOFT,
              markeredgewidth=0.6, zorder=2)  # fmt: skip
    axes.set_ylabel(paper.score_title(shown[0].metric))
    told = [words.shorten(one_line(machine), int(paper.inches / CHARACTER / 1.3))] * bool(machine)
    told.append(f"with {words.labels(shown[0].label_fraction)}; rings: Pareto front")
    axes.set_title("\n".join(told))
    paper.score_ticks(axes)
    order = sorted(shown, key=lambda row: row.pretrain_wall_s)
    legend_below(figure, [series[row.place] for row in order], lines=False)
    return figure


def _time_axis(axes: Axes, seconds: Sequence[float]) -> None:
    """Logarithmic where the times differ more than tenfold."""
    axes.set_xlabel("pretraining wall-time of a seed (s)")
    real = [s for s in seconds if s >= SHORTEST]
    if not real or max(real) <= 10 * min(real):
        axes.set_xlim(0, max([*seconds, 1e-9]) * 1.08)
        return
    if len(real) == len(seconds):
        axes.set_xscale("log")
        axes.set_xlim(min(real) / 1.3, max(real) * 1.3)
    else:
        axes.set_xscale("symlog", linthresh=SHORTEST)
        axes.set_xlim(-0.2, max(real) * 1.3)
    axes.set_xlabel("pretraining wall-time of a seed (s), log scale")
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if max(real) < 1e3 * min(real) else (1,))
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
