"""Sizes, colours and files of the figures for a paper."""

from __future__ import annotations

import io
import logging
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from lcd_plugin.report.figures import Look, Series, words
from lcd_plugin.report.options import FigureWidth, Scores
from lcd_plugin.report.plain_text import one_line

logger = logging.getLogger(__name__)

INCHES = {FigureWidth.single: 3.3, FigureWidth.double: 6.9}
# The colours of the page in its light dress, which readers of all kinds of sight tell apart.
COLOURS = {
    "s0": "#0072b2", "s1": "#d55e00", "s2": "#00875f", "s3": "#b8569a",
    "s4": "#a87400", "s5": "#3590c8", "s6": "#6a51a3", "s7": "#7a5c2e",
    "s-random": "#8b949e", "s-supervised": "#555e68",
}  # fmt: skip
SHAPES = {
    "circle": "o", "square": "s", "diamond": "D", "triangle": "^", "wedge": "v", "hexagon": "h",
}  # fmt: skip
FAINT = 0.35  # of one of many lines that is not among the best
INK, SOFT, HAIR = "#1b1f24", "#5b6470", "#e2e5e9"
SMALL = 6.5  # points, of names and ticks
CHARACTER = 0.0083 * SMALL  # inches that a character takes, on the wide side

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so the files are the same anywhere
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": HAIR,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "lines.markeredgewidth": 0.8,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.usetex": False,
    "pdf.fonttype": 42,  # fonts that journals take, and that can be edited
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lcd-bench",  # the same figure is the same file
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Paper:
    """How the figures are wanted."""

    width: FigureWidth = FigureWidth.single
    scores: Scores = Scores.fraction

    @property
    def inches(self) -> float:
        """Width of a figure."""
        return INCHES[self.width]

    def figure(self, height: float) -> Figure:
        """An empty figure of this width and so many inches of height."""
        return Figure(figsize=(self.inches, height))

    def score_title(self, metric: str) -> str:
        """What a score axis is called."""
        unit = " (%)" if self.scores is Scores.percent else ""
        return f"{words.metric_with_sense(metric)}{unit}"

    def score_ticks(self, axes: Axes) -> None:
        """Writes the ticks of the upright axis as scores."""
        if self.scores is Scores.percent:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))


@contextmanager
def paper_style() -> Iterator[None]:
    """All settings as these figures need them, whatever those of the user are."""
    with style.context(_STYLE, after_reset=True):
        yield


def colour(look: Look) -> str:
    """The colour that a method has in the page."""
    return COLOURS.get(look.css, SOFT)


def line_style(look: Look) -> dict[str, Any]:
    """Settings of a line with markers: baselines are dashed and open."""
    return {
        "color": colour(look),
        "marker": SHAPES[look.shape],
        "markerfacecolor": "white" if look.baseline else colour(look),
        "linestyle": (0, (2, 2)) if look.baseline else "-",
    }


def legend_below(figure: Figure, series: Sequence[Series], *, lines: bool) -> None:
    """Names with markers below the figure, in as many columns as there is room for.

    The figure grows by the height of that.

    Args:
        figure: with its axes.
        series: in the order of the legend.
        lines: whether the markers are on lines.
    """
    width, height = figure.get_size_inches()
    most = int(width / CHARACTER) - 8
    names = [textwrap.fill(one_line(one.name), most) for one in series]
    longest = max(len(line) for name in names for line in name.splitlines())
    columns = max(1, min(len(names), int(width / ((longest + 6) * CHARACTER))))
    rows = math.ceil(len(names) / columns)
    columns = math.ceil(len(names) / rows)  # no column is nearly empty
    tallest = max(name.count("\n") + 1 for name in names)
    figure.set_size_inches(width, height + rows * tallest * SMALL * 1.5 / 72 + 0.08)
    handles = [
        Line2D([], [], **line_style(one.look), alpha=FAINT if one.quiet else 1.0)
        if lines
        else Line2D([], [], **(line_style(one.look) | {"linestyle": "none"}))
        for one in series
    ]
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, handlelength=2.0 if lines else 1,
        columnspacing=1.0, handletextpad=0.5, labelspacing=0.3, borderaxespad=0.2,
    )  # fmt: skip


def files_of(figure: Figure) -> dict[str, bytes]:
    """The figure as `svg` and `pdf`; the same figure gives the same bytes on any day."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        svg, pdf = io.BytesIO(), io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(svg, format="svg", metadata=nothing)
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        figure.savefig(pdf, format="pdf", metadata=nothing)
    for said in dict.fromkeys(str(warning.message) for warning in caught):
        logger.warning("A figure may lack something: %s", said)
    # The document type is the address of a file elsewhere, which nobody needs.
    bare = re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", svg.getvalue())
    return {"svg": bare, "pdf": pdf.getvalue()}
