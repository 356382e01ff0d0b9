"""What the runs cost: score against wall-time, and the phases of it, machine by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import (
    PhaseLine,
    Series,
    cost_figure,
    cost_front,
    counts_as_none,
    ordered_phases,
    phases_figure,
)
from lcd_plugin.report.model import Place, Row


@dataclass(frozen=True)
class CostView:
    """Cost of the lines on one machine: only there can times be compared.

    Attributes:
        machine: its name.
        picture: the figure.
        rows: what is drawn.
        front: places of the rows on the Pareto front.
        none: whether what took less than a second is drawn as if it took no time.
        unnamed: whether some points have no name in the figure.
    """

    machine: str
    picture: Markup
    rows: tuple[Row, ...]
    front: frozenset[int]
    none: bool
    unnamed: bool


@dataclass(frozen=True)
class PhasesView:
    """Phases of the wall-time on one machine.

    Attributes:
        machine: its name.
        picture: the figure.
        phases: all of them, in the order of a training.
        rows: one a line, longest first.
    """

    machine: str
    picture: Markup
    phases: tuple[str, ...]
    rows: tuple[Row, ...]


def cost_view(rows: Sequence[Row], machine: str, series: Mapping[Place, Series]) -> CostView:
    """The cost of those of the rows that are of a machine.

    Args:
        rows: one row a line.
        machine: its name.
        series: how the lines of the comparison are called and drawn.
    """
    own = [row for row in rows if row.machine == machine]
    front = frozenset(cost_front(own))
    return CostView(
        machine=machine,
        picture=Markup(cost_figure(own, series)),
        rows=tuple(own),
        front=front,
        none=counts_as_none(own),
        unnamed=any(series[row.place].quiet and i not in front for i, row in enumerate(own)),
    )


def phases_views(rows: Sequence[Row], series: Mapping[Place, Series]) -> list[PhasesView]:
    """One view a machine; none where no phases were written down.

    Args:
        rows: one row a line.
        series: how the lines of the comparison are called and drawn.
    """
    machines: dict[str, list[Row]] = {}
    for row in rows:
        if row.phases:
            machines.setdefault(row.machine, []).append(row)
    views = []
    for machine, own in machines.items():
        own.sort(key=lambda row: -sum(row.phases.values()))
        lines = [PhaseLine(series[row.place].name, row.phases) for row in own]
        phases = ordered_phases(phase for row in own for phase in row.phases)
        picture = Markup(phases_figure(lines))
        views.append(PhasesView(machine, picture, tuple(phases), tuple(own)))
    return views
