"""What happens to the cells of a run: the one thing that all who watch it are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.results import CellResult
from lcd_plugin.pretrain.job import EpochDone

Cell = PretrainCell | EvaluateCell
# How a cell can end: with a result of before, of this run, of another runner on the same folder;
# failed; or without a try, since what it needs failed.
Status = Literal["cached", "done", "elsewhere", "failed", "blocked"]
ENDED: tuple[Status, ...] = ("cached", "done", "elsewhere", "failed", "blocked")


@dataclass(frozen=True)
class CellEvent:
    """Something happened to a cell.

    Attributes:
        cell: the cell.
        status: how it ended; or `started`, `progress` (an epoch is done), `logged` (it said
            something), `retry` (it failed, and will be tried again in this run), `waiting` (another
            runner is at it; said again from time to time), `stopped` (it was under way when the run
            was interrupted).
        message: score and cost, reason of the failure, or what was said.
        epoch: how far its pretraining is; None but for `progress`.
        result: what is on disk now; None but for `done` and `failed`.
        worker: number of the worker, counted from 0; None where none is at work.
    """

    cell: Cell
    status: Status | Literal["started", "progress", "logged", "retry", "waiting", "stopped"]
    message: str = ""
    epoch: EpochDone | None = None
    result: CellResult | None = None
    worker: int | None = None


Listen = Callable[[CellEvent], None]


def tell_all(listeners: Iterable[Listen]) -> Listen:
    """A listener that tells several."""
    every = tuple(listeners)

    def listen(event: CellEvent) -> None:
        for one in every:
            one(event)

    return listen


@dataclass
class RunSummary:
    """How many cells ended how, and why some failed.

    Attributes:
        total: cells of the plan.
    """

    total: int = 0
    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(ENDED, 0))
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def not_tried(self) -> int:
        """Cells that the run has not come to."""
        return max(0, self.total - sum(self.counts.values()))

    @property
    def complete(self) -> bool:
        """Whether every cell has its result."""
        return not self.failures and not self.counts["blocked"]
