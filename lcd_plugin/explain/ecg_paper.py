"""ECG paper to scale: 25 mm/s and 10 mm/mV, in real millimetres.

An `Axes` that fills its figure has millimetres as its data units, from the lower left corner, so
that whatever is drawn on it comes out of a printer at its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from lcd_plugin.explain.records import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MM_A_SECOND = 25.0
MM_A_MILLIVOLT = 10.0
POINTS_A_MM = 72 / 25.4
PULSE_MM = 5.0

FINE, COARSE, INK, FAINT_INK = "#f3d9d5", "#e3aaa3", "#1a1a1a", "#8a8a8a"


def new_page(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many millimetres, and axes in which a unit is one."""
    figure = Figure(figsize=(width / 25.4, height / 25.4), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def draw_grid(axes: Axes, left: float, bottom: float, width: int, height: int, name: str) -> None:
    """Lines every millimetre, stronger ones every five; all arguments in mm.

    Args:
        axes: of `new_page`.
        left: edge.
        bottom: edge.
        width: whole millimetres.
        height: whole millimetres.
        name: of the lines in an SVG.
    """
    for step, colour, line_width in ((1, FINE, 0.1), (5, COARSE, 0.2)):
        lines = [((x, 0), (x, height)) for x in range(0, width + 1, step)]
        lines += [((0, y), (width, y)) for y in range(0, height + 1, step)]
        points = np.array(lines, dtype=float).reshape(-1, 2) + np.array([left, bottom])
        codes = np.tile(np.array([Outline.MOVETO, Outline.LINETO]), len(lines))
        patch = PathPatch(
            Outline(points, codes), fill=False, edgecolor=colour, linewidth=line_width * POINTS_A_MM
        )
        patch.set_gid(f"{name}-{step}mm")
        patch.set_zorder(0.5 + 0.01 * step)
        axes.add_patch(patch)


def draw_line(
    axes: Axes,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    colour: str,
    width: float,
    order: float,
    alpha: float = 1.0,
    name: str | None = None,
) -> None:
    """A line through points in mm; NaN interrupts it.

    Args:
        axes: of `new_page`.
        x: shape (points,).
        y: shape (points,).
        colour: of the line.
        width: in mm.
        order: what has more is drawn above.
        alpha: opacity.
        name: of the line in an SVG.
    """
    line = Line2D(x, y, color=colour, linewidth=width * POINTS_A_MM, alpha=alpha, zorder=order)
    line.set_solid_capstyle("butt")
    line.set_solid_joinstyle("round")
    if name:
        line.set_gid(name)
    axes.add_line(line)


def draw_pulse(axes: Axes, left: float, baseline: float) -> None:
    """The calibration pulse: 1 mV for 0.2 s."""
    x = np.array([0, 1, 1, 1 + PULSE_MM, 1 + PULSE_MM, 2 + PULSE_MM]) + left
    y = np.array([0, 0, 1, 1, 0, 0]) * MM_A_MILLIVOLT + baseline
    draw_line(axes, x, y, INK, 0.25, 3, name="calibration")


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: float = 3.0,
    colour: str = INK,
    bold: bool = False,
    align: str = "left",
    boxed: bool = False,
) -> None:
    """A line of text; `size` in mm, `boxed` to be read above a trace.

    Names are text and nothing else: no TeX, no marks that turn them around.
    """
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5} if boxed else None
    axes.text(
        x,
        y,
        printable(text),
        fontsize=size * POINTS_A_MM,
        color=colour,
        fontweight="bold" if bold else "normal",
        ha=align,
        va="baseline",
        zorder=5,
        parse_math=False,
        bbox=box,
    )
