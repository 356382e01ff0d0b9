"""A line of JSON for every event of a runner, for machines that follow a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.observe.lines import Entries, LineFile, timed

if TYPE_CHECKING:
    from lcd_plugin.bench.events import CellEvent

log = logging.getLogger(__name__)

EVENTS = "events"  # the folder of these logs in that of a run


class EventLog:
    """Writes `OUT/events/<runner>.jsonl`, whose fields are described in docs/watching.md.

    Nothing that happens to the log ends the run: if a line cannot be written, for want of room or
    of the right, it is left out, and a warning says so once.

    Args:
        out: folder of the run.
        runner: the id of the runner that writes it, which no other has.
    """

    def __init__(self, out: Path, runner: str) -> None:
        self._path = out / EVENTS / f"{runner}.jsonl"
        self._entries = Entries()
        self._warned = False
        self._file: LineFile | None = None
        try:
            self._file = LineFile(self._path)
        except OSError as error:
            self._warn(error)

    def run_started(self, **facts: Any) -> None:
        """The runner begins.

        Args:
            facts: more fields of the line.
        """
        self._append(timed("run_started") | facts)

    def listen(self, event: CellEvent) -> None:
        """Write what happened to a cell."""
        entry = self._entries.of(event)
        if entry is not None:
            self._append(entry)

    def run_ended(self, **facts: Any) -> None:
        """The runner ends.

        Args:
            facts: more fields of the line.
        """
        self._append(timed("run_ended") | facts)

    def close(self) -> None:
        """Close the file; what comes later is left out."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, entry: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.append(entry)
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            log.warning("The event log %s lacks lines (%s).", self._path, error.strerror)
