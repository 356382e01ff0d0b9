"""Critical-difference diagram: average ranks on a line, bars over what cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from lcd_plugin.evaluate.ranks import cliques
from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.looks import Look
from lcd_plugin.report.model import AverageRanks

PLAIN = Look("plain", "circle")  # of a name that is in no comparison of this page
AXIS = 62.0  # height of the line of ranks
BAR_STEP, LEVEL = 8.0, 19.0  # between two bars, and between two names
LONGEST = 15  # characters of a name


def rank_groups(ranks: AverageRanks) -> list[tuple[str, ...]]:
    """Names within one critical difference, best group first; no group is part of another."""
    found = cliques(ranks.average_rank, ranks.critical_difference)
    return [tuple(ranks.names[place] for place in group) for group in found]


def ranks_figure(ranks: AverageRanks, looks: Mapping[str, Look]) -> str:
    """Draws the diagram of Demsar (JMLR 2006, figure 1): the best rank is on the left.

    Args:
        ranks: names and their average ranks, best first.
        looks: colour and marker by name.

    Returns:
        An `<svg>` element.
    """
    n = len(ranks.names)
    groups = cliques(ranks.average_rank, ranks.critical_difference)
    names = [words.shorten(name, LONGEST) for name in ranks.names]
    margin = max(map(len, names)) * svg.CHARACTER * 1.1 + 16
    x = svg.Scale(1, n, margin, svg.WIDTH - margin)
    at = [x(rank) for rank in ranks.average_rank]
    first_level = AXIS + 18 + BAR_STEP * len(groups) + 8
    half = (n + 1) // 2  # names of the better half are on the left
    parts = []
    for index, (name, rank) in enumerate(zip(ranks.names, ranks.average_rank, strict=True)):
        left = index < half
        # The outermost name of either side has the highest level, so that no two lines cross.
        y = first_level + LEVEL * (index if left else n - 1 - index)
        edge = margin - 8 if left else svg.WIDTH - margin + 8
        look = looks.get(name, PLAIN)
        tip = f"{name}: average rank {words.rank(rank)}"
        parts.append(
            svg.element(
                "g",
                svg.polyline([(at[index], AXIS), (at[index], y), (edge, y)], "drop"),
                svg.marker(look, at[index], AXIS, tip=tip),
                svg.text(
                    edge - 5 if left else edge + 5,
                    y + 4,
                    names[index],
                    "name",
                    "end" if left else "start",
                ),
                class_=f"series {look.css}",
            )
        )
    return svg.drawing(
        first_level + LEVEL * max(half - 1, 0) + 14,
        f"Average ranks of {words.listing(ranks.names)} with their critical difference. "
        "The numbers are in the table below the figure.",
        _axis(x, n),
        _critical_difference(ranks.critical_difference, x),
        *_bars(groups, at),
        *parts,
    )


def _axis(x: svg.Scale, n: int) -> Markup:
    """The line of ranks with a tick each."""
    parts = [svg.line(x(1), AXIS, x(n), AXIS, "axis")]
    for rank in range(1, n + 1):
        parts.append(svg.line(x(rank), AXIS - 5, x(rank), AXIS, "axis"))
        parts.append(svg.text(x(rank), AXIS - 11, str(rank), "tick", "middle"))
    return Markup("").join(parts)


def _critical_difference(difference: float, x: svg.Scale) -> Markup:
    """How far apart two ranks must be; an arrow head where that is more than the whole axis."""
    start, y = x(1), 28.0
    end = min(x(1 + difference), x.end)
    parts = [
        svg.text(start, y - 10, f"critical difference {words.rank(difference)}", "axis-title"),
        svg.line(start, y, end, y, "span-mark"),
        svg.line(start, y - 4, start, y + 4, "span-mark"),
    ]
    if x(1 + difference) > x.end:
        parts.append(svg.polyline([(end, y - 4), (end + 6, y), (end, y + 4)], "span-mark"))
    else:
        parts.append(svg.line(end, y - 4, end, y + 4, "span-mark"))
    return Markup("").join(parts)


def _bars(groups: Sequence[tuple[int, ...]], at: Sequence[float]) -> list[Markup]:
    """A thick bar over every group."""
    bars = []
    for index, group in enumerate(groups):
        y = AXIS + 18 + BAR_STEP * index
        bars.append(svg.line(at[group[0]] - 5, y, at[group[-1]] + 5, y, "clique"))
    return bars
