"""A log of every cell that was tried."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lcd_plugin.bench.observe.lines import Entries, LineFile

if TYPE_CHECKING:
    from lcd_plugin.bench.events import CellEvent

log = logging.getLogger(__name__)

LOGS = "logs"  # the folder of these logs in that of a run


class CellLog:
    """Writes `OUT/logs/<kind>/<key>.jsonl`: the lines of the event log that are about one cell.

    Each attempt begins with `cell_started`. A cell that is not tried gets no line. The file is
    open for one line only, since thousands of cells may be computed in the life of a runner.

    Args:
        out: folder of the run.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._entries = Entries()
        self._begun: set[str] = set()
        self._warned = False

    def listen(self, event: CellEvent) -> None:
        """Write what happened to a cell."""
        if event.status == "started":
            self._begun.add(event.cell.key)
        # One without both has failed in an earlier run, which wrote of it.
        tried = event.cell.key in self._begun or event.result is not None
        entry = self._entries.of(event) if tried else None
        if event.status in ("done", "failed", "stopped"):
            self._begun.discard(event.cell.key)
        if entry is None:
            return
        path = self._out / LOGS / entry["kind"] / f"{entry['key']}.jsonl"
        own = {n: v for n, v in entry.items() if n not in ("kind", "key", "title")}
        try:
            with LineFile(path) as file:
                file.append(own)
        except OSError as error:
            if not self._warned:
                self._warned = True
                log.warning("The log of a cell, %s, lacks lines (%s).", path, error.strerror)

    def close(self) -> None:
        """Nothing is open between two lines."""
