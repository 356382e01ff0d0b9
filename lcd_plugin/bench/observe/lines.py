"""Lines of JSON about a run: what is in them, and a file that takes one after the other."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # it loads torch, which reading lines does not need
    from lcd_plugin.bench.events import Cell, CellEvent

# Names of the events that get a line. There is none for a cell that has its result from before or
# from another runner: there may be a hundred thousand of those.
NAMES = {
    "started": "cell_started",
    "progress": "epoch",
    "logged": "cell_logged",
    "retry": "cell_retry",
    "stopped": "cell_stopped",
    "done": "cell_done",
    "failed": "cell_failed",
    "blocked": "cell_blocked",
}
ENDS = ("done", "failed", "stopped", "retry")
EPOCHS_APART = 1.0  # least seconds between two epochs of a cell that get a line
LONGEST = 4000  # characters of a message


class LineFile:
    """A file of lines that is only ever appended to, each line in one write.

    Args:
        path: made, with its folder, where it is not there yet.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(path, flags, 0o644)
        size = os.fstat(self._file).st_size
        self._whole = size == 0 or os.pread(self._file, 1, size - 1) == b"\n"

    def append(self, entry: dict[str, Any]) -> None:
        """Write a line.

        Raises:
            OSError: it cannot be written, or only a part of it.
        """
        line = ("" if self._whole else "\n") + as_json(entry) + "\n"
        written = os.write(self._file, line.encode())
        # What was cut off must not spoil the line after it too.
        self._whole = written == len(line)
        if not self._whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def as_json(document: dict[str, Any], indent: int | None = None) -> str:
    """A document in ASCII, in one line or with an indent; what is not finite is null."""
    between = (",", ":") if indent is None else None
    return json.dumps(_plain(document), separators=between, indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def timed(event: str) -> dict[str, Any]:
    """The start of every entry."""
    return {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}


def kind_of(cell: Cell) -> Literal["pretrain", "evaluate"]:
    """What is computed, which is also the folder that it is in."""
    return "pretrain" if getattr(cell, "protocol", None) is None else "evaluate"


class Entries:
    """Makes the entries of events.

    Args:
        clock: seconds on a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}
        self._epoch: dict[str, float] = {}

    def of(self, event: CellEvent) -> dict[str, Any] | None:
        """The entry of an event; None where it gets no line."""
        name = NAMES.get(event.status)
        key, now = event.cell.key, self._clock()
        if name is None or (event.status == "progress" and not self._is_due(key, now)):
            return None
        cell = {"kind": kind_of(event.cell), "key": key, "title": event.cell.title}
        entry = timed(name) | cell | {"worker": event.worker}
        if event.status == "started":
            self._began[key] = now
        elif event.epoch is not None:
            entry |= event.epoch._asdict()
        elif event.status in ENDS:
            entry |= self._end(event, now)
        return entry | ({"message": event.message[:LONGEST]} if event.message else {})

    def _is_due(self, key: str, now: float) -> bool:
        due = now - self._epoch.get(key, -math.inf) >= EPOCHS_APART
        if due:
            self._epoch[key] = now
        return due

    def _end(self, event: CellEvent, now: float) -> dict[str, Any]:
        began = self._began.pop(event.cell.key, None)
        self._epoch.pop(event.cell.key, None)
        found: dict[str, Any] = {"seconds": None if began is None else round(now - began, 3)}
        if event.status == "done" and event.result is not None:
            names = ("macro", "n_labels", "final_loss", "records_per_s", "peak_memory_mb")
            found |= {n: getattr(event.result, n) for n in names if hasattr(event.result, n)}
        return found
