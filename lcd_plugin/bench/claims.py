"""Which cells are ours to compute, of those that other runners may be at too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.leases import Leases
from lcd_plugin.bench.listing import known_result
from lcd_plugin.bench.results import CellResult
from lcd_plugin.bench.runners import Watch

# Seconds between looks at what other runners have done.
ELSEWHERE_S = 1.0


class Claims:
    """What a runner has claimed, and what it waits for others to compute.

    Args:
        out: the output folder.
        runner: name of the runner.
    """

    def __init__(self, out: Path, runner: str) -> None:
        self._out = out
        self._watch = Watch(out)
        self._leases = Leases(out, runner, self._watch.is_dead)
        self._elsewhere: dict[str, Cell] = {}
        self._looked = 0.0
        # Seals of results that count for nothing.
        self._passed_over: dict[str, str | None] = {}

    @property
    def elsewhere(self) -> list[Cell]:
        """Cells that other runners are at."""
        return list(self._elsewhere.values())

    def result(self, cell: Cell) -> CellResult | None:
        """What is known of a cell at a glance; None too for a result that was passed over."""
        found = known_result(self._out, cell)
        if found is not None and cell.key in self._passed_over:
            return None if found.seal == self._passed_over[cell.key] else found
        return found

    def pass_over(self, cell: Cell) -> None:
        """Let the result that a cell has count for nothing; another one, of whoever, counts."""
        found = known_result(self._out, cell)
        if found is not None:
            self._passed_over[cell.key] = found.seal

    def take(self, cell: Cell) -> CellResult | Literal["ours", "elsewhere"]:
        """Claim a cell; its result, where another runner has computed it meanwhile.

        Raises:
            OSError: nothing can be written.
        """
        if not self._leases.take(cell.key):
            self._elsewhere[cell.key] = cell
            return "elsewhere"
        found = self.result(cell)
        if found is None:
            return "ours"
        self._leases.release(cell.key)
        return found

    def still(self, cell: Cell) -> bool:
        """Whether a claim holds; another runner may have taken us for dead and the cell over."""
        if self._leases.holds(cell.key):
            return True
        self._leases.release(cell.key)
        self._elsewhere[cell.key] = cell
        return False

    def release(self, cell: Cell) -> None:
        """Give a cell back."""
        self._leases.release(cell.key)

    def news(self) -> Iterator[tuple[Cell, CellResult | None]]:
        """Cells that other runners have ended, with their results; None of one that is free now."""
        if not self._elsewhere or time.monotonic() - self._looked < ELSEWHERE_S:
            return
        for cell in self.elsewhere:
            found = self.result(cell)
            if found is None and not self._leases.take(cell.key):
                continue
            # Without a result it was given back, or its runner is dead.
            self._leases.release(cell.key)
            del self._elsewhere[cell.key]
            yield cell, found
        self._looked = time.monotonic()

    def clear_up(self) -> None:
        """Remove what runners have left that were killed; the next one can do so as well."""
        with suppress(OSError):
            self._watch.clear_up()
            self._leases.clear_up()

    def close(self) -> None:
        """Give everything back."""
        self._leases.release_all()
