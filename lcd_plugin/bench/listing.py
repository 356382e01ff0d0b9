"""What is done of a plan, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import PretrainCell
from lcd_plugin.bench.recorder import cell_folder
from lcd_plugin.bench.results import CellResult, EvaluateResult, PretrainResult, quick_look


@dataclass(frozen=True, slots=True)
class Listed:
    """A planned cell and how far it is."""

    key: str
    title: str
    status: Literal["complete", "failed", "to do"]


def listing(plan: Plan, out: Path) -> Iterator[Listed]:
    """All cells of a plan, with what an output folder has of them.

    One at a time: a long list need never be in memory.
    """
    cells: Iterable[Cell] = chain(plan.pretrain, plan.evaluate)
    for cell in cells:
        result = known_result(out, cell)
        yield Listed(cell.key, cell.title, "to do" if result is None else result.status)


def known_result(out: Path, cell: Cell) -> CellResult | None:
    """What an output folder has of a cell; its files are not read, see `quick_look`."""
    kind = PretrainResult if isinstance(cell, PretrainCell) else EvaluateResult
    return quick_look(cell_folder(out, cell), kind, cell.key)
