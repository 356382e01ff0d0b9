"""How far a run is, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lcd_plugin.bench.events import Cell, CellEvent
    from lcd_plugin.pretrain.job import EpochDone

ENDED = ("cached", "done", "elsewhere", "failed", "blocked")
# Cells that take about as long have the same.
Kind = tuple[str, str, str, str]


@dataclass
class Running:
    """A cell that is computed now.

    Attributes:
        cell: which.
        start: when that began, in seconds of the clock.
        epoch: how far it is, where it is a pretraining, and when that was so.
    """

    cell: Cell
    start: float
    epoch: EpochDone | None = None
    epoch_end: float = 0.0


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
        running: the cells that are computed now by their keys, in the order in which they began.
    """

    def __init__(self, cells: Sequence[Cell], now: Callable[[], float] = time.monotonic) -> None:
        self.total = len(cells)
        self.ended: Counter[str] = Counter()
        self.running: dict[str, Running] = {}
        self._left = Counter(map(_alike, cells))
        self._seconds: dict[Kind, list[float]] = defaultdict(list)
        self._now, self._start = now, now()
        self._most_at_once = 1

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
        cell = event.cell
        if event.status == "started":
            self.running[cell.key] = Running(cell, self._now())
            self._most_at_once = max(self._most_at_once, len(self.running))
        elif event.status == "progress" and cell.key in self.running:
            at = self.running[cell.key]
            at.epoch, at.epoch_end = event.epoch, self._now()
        elif event.status in ENDED:
            began = self.running.pop(cell.key, None)
            if event.status == "done" and began is not None:
                self._seconds[_alike(cell)].append(self._now() - began.start)
            self._left[_alike(cell)] -= 1
            self.ended[event.status] += 1
        elif event.status in ("retry", "stopped"):
            self.running.pop(cell.key, None)

    def left(self) -> TimeLeft | None:
        """The rest of the run; None where nothing is known of any of it."""
        expected = {alike: self._expected(alike) for alike, n in self._left.items() if n > 0}
        known = {alike: s for alike, s in expected.items() if s is not None}
        if not known:
            return None
        seconds = sum(self._left[alike] * s for alike, s in known.items())
        for at in self.running.values():
            if (whole := known.get(_alike(at.cell))) is not None:
                seconds -= min(self._now() - at.start, whole)
        # As many at a time as there were at most so far.
        return TimeLeft(seconds / self._most_at_once, at_least=len(known) < len(expected))

    def _expected(self, alike: Kind) -> float | None:
        """Seconds of a cell: the mean of those like it, or as the ones under way promise."""
        if self._seconds[alike]:
            return sum(self._seconds[alike]) / len(self._seconds[alike])
        for at in self.running.values():
            if at.epoch and _alike(at.cell) == alike:
                return (at.epoch_end - at.start) * at.epoch.epochs / at.epoch.epoch
        return None


def _alike(cell: Cell) -> Kind:
    """What makes cells take about as long: dataset, encoder, and the method or the protocol."""
    protocol = getattr(cell, "protocol", None)
    work = ("pretrain", cell.method) if protocol is None else ("evaluate", protocol)
    return *work, cell.dataset, cell.encoder
