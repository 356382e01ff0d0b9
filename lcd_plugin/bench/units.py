"""What of a plan is computed at a time, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell


@dataclass(frozen=True)
class Unit:
    """Cells that are computed together.

    Attributes:
        cells: one pretraining, or evaluations that differ in their labels only; at least one.
    """

    cells: tuple[PretrainCell | EvaluateCell, ...]

    @property
    def pretraining(self) -> bool:
        """Whether it is a pretraining, and not a group of evaluations."""
        return isinstance(self.cells[0], PretrainCell)

    @property
    def needs(self) -> str | None:
        """Key of the pretraining that has to be there first; None where none has to."""
        first = self.cells[0]
        return first.pretrain_key if isinstance(first, EvaluateCell) else None


def units_of(plan: Plan) -> Iterator[Unit]:
    """Each pretraining with its evaluations behind it: early scores, features used at once.

    What is trained from scratch comes last.
    """
    by_encoder: dict[str | None, list[EvaluateCell]] = {}
    for cell in plan.evaluate:
        by_encoder.setdefault(cell.pretrain_key, []).append(cell)
    for pretraining in plan.pretrain:
        yield Unit((pretraining,))
        yield from _groups(by_encoder.get(pretraining.key, ()))
    yield from _groups(by_encoder.get(None, ()))


def _groups(cells: Iterable[EvaluateCell]) -> Iterator[Unit]:
    """Cells that are computed together, in the order of their first."""
    groups: dict[tuple[Any, ...], list[EvaluateCell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    for group in groups.values():
        yield Unit(tuple(group))
