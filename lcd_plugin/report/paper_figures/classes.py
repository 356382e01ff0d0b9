"""Scores class by class as a heat map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lcd_plugin.report.exports.tables import number_text
from lcd_plugin.report.figures import ClassTable, Series, words
from lcd_plugin.report.model import Place
from lcd_plugin.report.options import Scores
from lcd_plugin.report.paper_figures.style import CHARACTER, INK, SMALL, Paper
from lcd_plugin.report.plain_text import one_line

LINE = 0.15  # inches of height of a line
TALLEST = 8.5  # inches of all lines: a page
LONGEST = 24  # characters of a name
SHADES = LinearSegmentedColormap.from_list("heat", ["#f4f8fb", "#6fa8d1", "#0b5c99"])


def classes_figure(
    table: ClassTable, series: Mapping[Place, Series], metric: str, paper: Paper
) -> Figure:
    """Draws the table; whichever there are more of, methods or classes, goes down.

    The numbers stand in the cells, bold where no method is better in that class. Where the cells
    have no room for them there is a colour bar instead.

    Args:
        table: scores of every method in every class.
        series: how the lines of the comparison are called.
        metric: of the scores.
        paper: size, and how scores are written.
    """
    methods = [words.shorten(one_line(series[place].label), LONGEST) for place in table.columns]
    classes = [
        words.shorten(one_line(row.name), LONGEST) + ("*" if row.rare else "") for row in table.rows
    ]
    best = np.array([[cell.best for cell in row.cells] for row in table.rows])
    values = np.array(
        [[math.nan if c.value is None else c.value for c in row.cells] for row in table.rows]
    )
    down, across = classes, methods
    if len(methods) >= len(classes):
        down, across, values, best = methods, classes, values.T, best.T
    height = min(LINE * len(down), TALLEST)
    side = max(map(len, down)) * CHARACTER
    cell = (paper.inches - side - 0.3) / len(across)
    slanted = max(map(len, across)) * CHARACTER > cell
    top = max(map(len, across)) * CHARACTER if slanted else 0.15
    figure = paper.figure(height + top + 0.35)
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(values, cmap=SHADES, edgecolors="white", linewidth=0.8)
    _name_axes(axes, down, across, slanted)
    note = "; * fewer than 10 test positives" * any(row.rare for row in table.rows)
    axes.set_xlabel(f"{paper.score_title(metric)}{note}", fontsize=SMALL)
    digits = len(number_text(0.5, paper.scores))
    if cell > (digits + 1) * CHARACTER * 0.85 and height / len(down) > 0.1:
        dark = values > table.low + 0.6 * (table.high - table.low)
        _numbers(axes, values, best, dark, paper.scores)
    else:
        bar = figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=25)
        bar.outline.set_visible(False)
        paper.score_ticks(bar.ax)
    return figure


def _name_axes(axes: Axes, down: Sequence[str], across: Sequence[str], slanted: bool) -> None:
    """Names on the left and on top, and nothing else around the cells."""
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xticks(np.arange(len(across)) + 0.5, across, rotation=90 if slanted else 0)
    axes.set_yticks(np.arange(len(down)) + 0.5, down)


def _numbers(
    axes: Axes,
    values: np.ndarray,
    best: np.ndarray,
    dark: np.ndarray,
    scores: Scores,
) -> None:
    """The scores in their cells, white on dark ones."""
    for (y, x), value in np.ndenumerate(values):
        if math.isfinite(value):
            axes.text(
                x + 0.5, y + 0.5, number_text(value, scores), ha="center", va="center",
                fontsize=SMALL - 0.5, fontweight="bold" if best[y, x] else "normal",
                color="white" if dark[y, x] else INK,
            )  # fmt: skip
