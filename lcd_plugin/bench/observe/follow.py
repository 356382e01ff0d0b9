"""Following the event logs of a run: how long cells took, and which ended last."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcd_plugin.bench.observe.event_log import EVENTS
from lcd_plugin.files import open_file

PIECE = 2**20  # bytes that are read at a time
LONGEST_LINE = 2**16
OVER = {"cell_done": "done", "cell_failed": "failed"}
ENDINGS = tuple(f'"event":"{name}"'.encode() for name in OVER)


@dataclass(frozen=True)
class Ended:
    """A cell that has ended.

    Attributes:
        at: UTC, by the clock of its runner.
        status: `done` or `failed`.
        message: score and cost, or the reason of the failure.
    """

    at: str
    key: str
    title: str
    status: str
    message: str


class EventFollower:
    """Reads what is new in `OUT/events/*.jsonl`; lines that make no sense are left out.

    Args:
        out: folder of the run.
        most: cells that ended last which are kept, of each runner.

    Attributes:
        seconds: what the newest computation of a cell took, by its key.
    """

    def __init__(self, out: Path, most: int = 5) -> None:
        self._folder = out / EVENTS
        self._most = most
        self._read: dict[str, int] = defaultdict(int)
        self._last: dict[str, deque[Ended]] = {}
        self.seconds: dict[str, float] = {}

    def go_on(self) -> None:
        """Read what has been written since the last time."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with contextlib.suppress(OSError):
                self._go_on_in(path)

    @property
    def last(self) -> list[Ended]:
        """The cells of all runners that ended last, the newest first."""
        every = [ended for kept in self._last.values() for ended in kept]
        return sorted(every, key=lambda ended: ended.at, reverse=True)[: self._most]

    def _go_on_in(self, path: Path) -> None:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size < self._read[path.name]:
                return
            file.seek(self._read[path.name])
            while piece := file.read(PIECE):
                whole, newline, rest = piece.rpartition(b"\n")
                if not newline and len(piece) <= LONGEST_LINE:
                    return  # the end of its last line is still to come
                self._read[path.name] += len(piece) - len(rest) if newline else len(piece)
                file.seek(self._read[path.name])
                for line in whole.split(b"\n"):
                    if any(ending in line for ending in ENDINGS):
                        self._take(path.name, line)

    def _take(self, name: str, line: bytes) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            status = OVER[entry["event"]]
            at, key, title, message = (
                str(entry.get(name, "")) for name in ("at", "key", "title", "message")
            )
            seconds = entry.get("seconds")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return
        last = self._last.setdefault(name, deque(maxlen=self._most))
        last.append(Ended(at, key, title, status, message))
        if status == "done" and isinstance(seconds, int | float) and 0 <= seconds < 1e9:
            self.seconds[key] = float(seconds)
