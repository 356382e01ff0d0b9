"""How far a run is, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lcd_plugin.bench.events import ENDED, Cell, CellEvent
from lcd_plugin.bench.observe.expected import Alike, TimeLeft, alike
from lcd_plugin.pretrain.job import EpochDone


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


class RunClock:
    """Follows the events of a run.

    Args:
        cells: all cells of its plan.
        now: seconds on a monotonic clock.

    Attributes:
        total: how many cells there are.
        ended: how many ended how.
        running: the cells that are computed now by their keys, in the order in which they began.
        waiting: keys of the cells that other runners are at.
        stopped: cells that an interruption has ended.
    """

    def __init__(self, cells: Sequence[Cell], now: Callable[[], float] = time.monotonic) -> None:
        self.total = len(cells)
        self.ended: Counter[str] = Counter()
        self.running: dict[str, Running] = {}
        self.waiting: set[str] = set()
        self.stopped = 0
        self._left = Counter(map(alike, cells))
        self._seconds: dict[Alike, list[float]] = defaultdict(list)
        self._now, self._start = now, now()
        self._most_at_once = 1

    @property
    def n_ended(self) -> int:
        """Cells that are over, however they ended."""
        return sum(self.ended.values())

    @property
    def n_complete(self) -> int:
        """Cells that have their result."""
        return sum(self.ended[how] for how in ("cached", "done", "elsewhere"))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._start

    def listen(self, event: CellEvent) -> None:
        """Take in what happened."""
        cell = event.cell
        if event.status == "waiting":
            self.waiting.add(cell.key)
        else:
            self.waiting.discard(cell.key)
        if event.status == "started":
            self.running[cell.key] = Running(cell, self._now())
            self._most_at_once = max(self._most_at_once, len(self.running))
        elif event.status == "progress" and cell.key in self.running:
            at = self.running[cell.key]
            at.epoch, at.epoch_end = event.epoch, self._now()
        elif event.status in ENDED:
            began = self.running.pop(cell.key, None)
            if event.status == "done" and began is not None:
                self._seconds[alike(cell)].append(self._now() - began.start)
            self._left[alike(cell)] -= 1
            self.ended[event.status] += 1
        elif event.status in ("retry", "stopped"):
            self.running.pop(cell.key, None)
            self.stopped += event.status == "stopped"

    def left(self) -> TimeLeft | None:
        """The rest of the run; None where nothing is known of any of it."""
        expected = {like: self._expected(like) for like, n in self._left.items() if n > 0}
        known = {like: s for like, s in expected.items() if s is not None}
        if not known:
            return None
        seconds = sum(self._left[like] * s for like, s in known.items())
        for at in self.running.values():
            if (whole := known.get(alike(at.cell))) is not None:
                seconds -= min(self._now() - at.start, whole)
        # As many at a time as there were at most so far.
        return TimeLeft(seconds / self._most_at_once, at_least=len(known) < len(expected))

    def _expected(self, like: Alike) -> float | None:
        """Seconds of a cell: the mean of those like it, or as the ones under way promise."""
        if self._seconds[like]:
            return sum(self._seconds[like]) / len(self._seconds[like])
        for at in self.running.values():
            if at.epoch and alike(at.cell) == like:
                return (at.epoch_end - at.start) * at.epoch.epochs / at.epoch.epoch
        return None
