"""How far a run is, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lcd_plugin.bench.runner import Cell, CellEvent
    from lcd_plugin.pretrain.job import EpochDone

# Cells that take about as long have the same.
Kind = tuple[str, str, str, str]
ENDED = ("cached", "done", "failed", "blocked")


@dataclass(frozen=True)
class TimeLeft:
    """An estimate from the cells that were computed so far.

    Attributes:
        seconds: of the cells of which the like has been computed.
        at_least: whether there are others, of which nothing is known yet.
    """

    seconds: float
    at_least: bool


class RunClock:
    """Follows the events of a run.

    Args:
        cells: all cells of its plan.
        now: seconds on a monotonic clock.

    Attributes:
        total: how many cells there are.
        ended: how many ended how.
        running: the cell that is computed now; None in between.
        epoch: how far it is, where it is a pretraining.
    """

    def __init__(self, cells: Sequence[Cell], now: Callable[[], float] = time.monotonic) -> None:
        self.total = len(cells)
        self.ended: Counter[str] = Counter()
        self.running: Cell | None = None
        self.epoch: EpochDone | None = None
        self._left = Counter(map(_alike, cells))
        self._seconds: dict[Kind, list[float]] = defaultdict(list)
        self._now, self._start, self._cell_start = now, now(), now()
        self._epoch_end = self._start

    @property
    def n_ended(self) -> int:
        """Cells that are over, however they ended."""
        return sum(self.ended.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._start

    def listen(self, event: CellEvent) -> None:
        """Take in what happened."""
        if event.status == "started":
            self.running, self.epoch, self._cell_start = event.cell, None, self._now()
        elif event.status == "progress":
            self.epoch, self._epoch_end = event.epoch, self._now()
        elif event.status in ENDED:
            if event.status == "done" and event.cell is self.running:
                self._seconds[_alike(event.cell)].append(self._now() - self._cell_start)
            self._left[_alike(event.cell)] -= 1
            self.ended[event.status] += 1
            self.running = self.epoch = None

    def left(self) -> TimeLeft | None:
        """The rest of the run; None where nothing is known of any of it."""
        expected = {alike: self._expected(alike) for alike, n in self._left.items() if n > 0}
        known = {alike: s for alike, s in expected.items() if s is not None}
        if not known:
            return None
        seconds = sum(self._left[alike] * s for alike, s in known.items())
        if self.running is not None and (whole := known.get(_alike(self.running))) is not None:
            seconds -= min(self._now() - self._cell_start, whole)
        return TimeLeft(seconds, at_least=len(known) < len(expected))

    def _expected(self, alike: Kind) -> float | None:
        """Seconds of a cell: the mean of those like it, or as the one under way promises."""
        if self._seconds[alike]:
            return sum(self._seconds[alike]) / len(self._seconds[alike])
        if self.running is not None and self.epoch and _alike(self.running) == alike:
            return (self._epoch_end - self._cell_start) * self.epoch.epochs / self.epoch.epoch
        return None


def _alike(cell: Cell) -> Kind:
    """What makes cells take about as long: dataset, encoder, and the method or the protocol."""
    protocol = getattr(cell, "protocol", None)
    work = ("pretrain", cell.method) if protocol is None else ("evaluate", protocol)
    return *work, cell.dataset, cell.encoder
