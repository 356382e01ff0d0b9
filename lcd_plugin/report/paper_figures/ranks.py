"""Critical-difference diagram: average ranks on a line, bars over what cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lcd_plugin.evaluate.ranks import FEWEST_COMPARISONS
from lcd_plugin.report.figures import Look, rank_groups, words
from lcd_plugin.report.model import AverageRanks
from lcd_plugin.report.paper_figures.style import (
    CHARACTER,
    INK,
    SMALL,
    SOFT,
    Paper,
    colour,
    line_style,
)
from lcd_plugin.report.plain_text import one_line

PLAIN = Look("plain", "circle")  # of a name that is in no comparison
LEVEL, BAR = 0.15, 0.06  # inches between two names, and between two bars
AXIS = 0.42  # inches from the top to the line of ranks
LONGEST = 20  # characters of a name


def ranks_figure(ranks: AverageRanks, looks: Mapping[str, Look], paper: Paper) -> Figure:
    """Draws the diagram of Demsar (JMLR 2006, figure 1): the best rank is on the left.

    Args:
        ranks: names and their average ranks, best first.
        looks: colour and marker by name.
        paper: size of the figure.
    """
    n, groups = len(ranks.names), rank_groups(ranks)
    names = [words.shorten(one_line(name), LONGEST) for name in ranks.names]
    half = (n + 1) // 2  # names of the better half are on the left
    first = AXIS + 0.12 + BAR * len(groups)
    height = first + LEVEL * half + 0.05
    figure = paper.figure(height)
    figure.set_layout_engine("none")
    # Upright in inches from the top; level in ranks, with a margin for the names.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_ylim(height, 0)
    margin = max(map(len, names)) * CHARACTER + 0.2
    per_inch = (n - 1) / (paper.inches - 2 * margin)
    axes.set_xlim(1 - margin * per_inch, n + margin * per_inch)
    few = len(ranks.comparisons) < FEWEST_COMPARISONS
    told = f"; only {len(ranks.comparisons)} comparisons" if few else ""
    _axis(axes, n, ranks.critical_difference, told)
    at = dict(zip(ranks.names, ranks.average_rank, strict=True))
    for index, group in enumerate(groups):
        ends = at[group[0]] - 0.04 * per_inch, at[group[-1]] + 0.04 * per_inch
        axes.plot(ends, [AXIS + 0.11 + BAR * index] * 2, color=INK, linewidth=2.2,
                  solid_capstyle="round")  # fmt: skip
    for index, (name, rank) in enumerate(zip(ranks.names, ranks.average_rank, strict=True)):
        left = index < half
        # The outermost name of either side has the highest level, so that no two lines cross.
        y = first + 0.08 + LEVEL * (index if left else n - 1 - index)
        edge = 1 - 0.08 * per_inch if left else n + 0.08 * per_inch
        look = looks.get(name, PLAIN)
        axes.plot([rank, rank, edge], [AXIS, y, y], color=colour(look), linewidth=0.7)
        axes.plot(rank, AXIS, **(line_style(look) | {"linestyle": "none"}), zorder=3)
        away = -0.04 * per_inch if left else 0.04 * per_inch
        axes.text(edge + away, y, names[index], ha="right" if left else "left", va="center",
                  fontsize=SMALL)  # fmt: skip
    return figure


def _axis(axes: Axes, n: int, difference: float, told: str) -> None:
    """The line of ranks, and the critical difference above it (as an arrow where it is longer)."""
    axes.plot([1, n], [AXIS, AXIS], color=SOFT, linewidth=0.7)
    every = 1 if n <= 12 else 2
    for rank in range(1, n + 1):
        axes.plot([rank, rank], [AXIS - 0.04, AXIS], color=SOFT, linewidth=0.7)
        if (rank - 1) % every == 0:
            axes.text(rank, AXIS - 0.06, str(rank), ha="center", va="bottom", fontsize=SMALL)
    end = min(1 + difference, n)
    axes.plot([1, end], [0.2, 0.2], color=SOFT, linewidth=0.7)
    axes.plot(1, 0.2, "|", color=SOFT, markersize=4)
    axes.plot(end, 0.2, "|" if 1 + difference <= n else ">", color=SOFT, markersize=4)
    axes.text(1, 0.13, f"critical difference {words.rank(difference)}{told}", va="bottom",
              fontsize=SMALL)  # fmt: skip
