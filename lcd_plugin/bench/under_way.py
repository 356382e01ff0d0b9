"""A unit that is computed now, and what of it others are told."""

from __future__ import annotations

from dataclasses import dataclass, field

from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.runners import RunningCell
from lcd_plugin.bench.units import Unit
from lcd_plugin.pretrain.job import EpochDone
from lcd_plugin.timing import now


@dataclass
class UnderWay:
    """A unit in a slot.

    Attributes:
        left: its cells without a result, by key.
        cell: the one that is computed now.
        since: when that began.
        epoch: how far it is, where it is a pretraining.
    """

    unit: Unit
    left: dict[str, Cell] = field(init=False)
    cell: Cell = field(init=False)
    since: str = field(init=False)
    epoch: EpochDone | None = None

    def __post_init__(self) -> None:
        self.left = {cell.key: cell for cell in self.unit.cells}
        self.begin(self.unit.cells[0])

    def begin(self, cell: Cell) -> None:
        """It has come to one of its cells."""
        self.cell, self.since, self.epoch = cell, now(), None

    def cell_of(self, key: str) -> Cell:
        """Its cell of a key."""
        return next(cell for cell in self.unit.cells if cell.key == key)

    def record(self, slot: int) -> RunningCell:
        """What others can read of it."""
        return RunningCell(
            key=self.cell.key,
            title=self.cell.title,
            kind="pretrain" if self.unit.pretraining else "evaluate",
            worker=slot,
            since=self.since,
            **(self.epoch._asdict() if self.epoch else {}),
        )
