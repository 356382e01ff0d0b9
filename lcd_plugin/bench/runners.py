"""Who is at work on an output folder, and who no longer is.

Each runner has a file that it writes anew every few seconds. A runner on this host is alive if its
process is. Of one on another host only its beat can be watched, by the clock of whoever watches:
what clocks of different hosts say is never compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lcd_plugin.files import read_limited, temporary_of, write_whole
from lcd_plugin.timing import now

log = logging.getLogger(__name__)

RUNNERS = "runners"
BEAT_S = 5.0
# News of a runner are written at once, but no more often than this.
NEWS_S = 1.0
# A runner elsewhere that is silent for so long is dead. Shared file systems show what others have
# written after up to a minute.
SILENT_S = 180.0
MOST = 2**20
NAME = re.compile(
    r"^(?P<host>[A-Za-z0-9-]+)\.(?P<boot>[0-9a-f]{8})\.(?P<pid>\d+)\.(?P<start>\d+)\.\d+$"
)
_COUNT = itertools.count()


class RunningCell(BaseModel):
    """A cell that is computed now; `epoch` and what follows where it is a pretraining."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    title: str
    kind: str
    worker: int
    since: str
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    records_per_s: float | None = None


class RunnerRecord(BaseModel):
    """What a runner says of itself.

    Attributes:
        runner: its name, which says on which host and in which process it is.
        started, at: UTC, when it began and when it wrote this; for people only.
        beat: counts up with every writing.
        executor, jobs: who computes, and how many units at a time.
        total: cells of its plan.
        counts: cells that ended, by how.
        running: what is computed now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    runner: str = Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=120)
    host: str
    pid: int
    started: str
    at: str
    beat: int
    executor: str
    jobs: int
    total: int
    counts: dict[str, int] = Field(default_factory=dict)
    running: tuple[RunningCell, ...] = ()


def new_name() -> str:
    """A name for a runner in this process, unlike any other's."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40] or "host"
    pid = os.getpid()
    return f"{host}.{_boot()}.{pid}.{_start_of(pid) or 0}.{next(_COUNT)}"


def alive(runner: str) -> bool | None:
    """Whether a runner's process is there; None where it is, or was, on another host.

    Args:
        runner: its name; anything that is none is taken for dead.
    """
    found = NAME.match(runner)
    if found is None:
        return False
    if found["boot"] != _boot():
        return None
    pid = int(found["pid"])
    if pid == os.getpid():
        # One of this process: its leases are given back when it ends, whichever way.
        return runner in _AT_WORK
    start = _start_of(pid)
    return start is not None and (start == int(found["start"]) or sys.platform != "linux")


def stopped(runner: str) -> bool:
    """Whether the process of a runner on this host was stopped, and does nothing until it goes on.

    Args:
        runner: its name, of one that is alive.
    """
    found = NAME.match(runner)
    fields = _stat(int(found["pid"])) if found and alive(runner) else None
    return fields is not None and fields[0] == "T"


def read_runners(out: Path) -> list[RunnerRecord]:
    """What the runners of an output folder say; a file that cannot be read is left out."""
    records = []
    for path in sorted((out / RUNNERS).glob("*.json")):
        with contextlib.suppress(OSError, ValidationError, ValueError):
            record = RunnerRecord.model_validate_json(read_limited(path, MOST))
            if path.name == f"{record.runner}.json":
                records.append(record)
    return records


class Watch:
    """Tells dead runners, also of other hosts, which takes some watching.

    Args:
        out: the output folder.
        silent_s: seconds without a beat after which a runner elsewhere is dead.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, out: Path, silent_s: float = SILENT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = out / RUNNERS
        self._silent_s, self._clock = silent_s, clock
        self._seen: dict[str, tuple[int | None, float]] = {}

    def is_dead(self, runner: str) -> bool:
        """Whether a runner will never come back."""
        here = alive(runner)
        if here is not None:
            return not here
        beat = self._beat(runner)
        known, since = self._seen.get(runner, (None, None))
        if since is None or beat != known:
            self._seen[runner] = beat, self._clock()
            return False
        return self._clock() - since > self._silent_s

    def clear_up(self) -> None:
        """Remove the files of dead runners, also those of a beat that was cut short."""
        for path in [*self._folder.glob("*.json"), *self._folder.glob(".*.json-*")]:
            runner = (temporary_of(path.name) or path.name).removesuffix(".json")
            # What is called otherwise is somebody else's.
            if NAME.match(runner) and self.is_dead(runner) and path.is_file():
                path.unlink(missing_ok=True)

    def _beat(self, runner: str) -> int | None:
        try:
            content = read_limited(self._folder / f"{runner}.json", MOST)
            return RunnerRecord.model_validate_json(content).beat
        except (OSError, ValidationError, ValueError):
            return None


class Presence:
    """Tells others that a runner is at work, for as long as the body of a `with` statement runs.

    Args:
        out: the output folder.
        runner: its name.
        facts: called for the rest of its record at every beat.
        beat_s: seconds between beats.
    """

    def __init__(
        self, out: Path, runner: str, facts: Callable[[], dict[str, Any]], beat_s: float = BEAT_S
    ) -> None:
        self._path = out / RUNNERS / f"{runner}.json"
        self._runner, self._facts, self._beat_s = runner, facts, beat_s
        self._started, self._beat = now(), 0
        self._over, self._awake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Presence:
        self._write()
        _AT_WORK.add(self._runner)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._awake.set()
        self._thread.join()
        _AT_WORK.discard(self._runner)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()  # if nobody else is there

    def tell(self) -> None:
        """Let others know soon that something has changed."""
        self._awake.set()

    def _go_on(self) -> None:
        while True:
            self._awake.wait(self._beat_s)
            if self._over.is_set():
                return
            self._awake.clear()
            try:
                self._write()
            except Exception as error:
                # Another beat comes. On a full disk the run has other troubles, and says so.
                log.debug("A beat of %s was left out: %r", self._runner, error)
            self._over.wait(min(NEWS_S, self._beat_s))

    def _write(self) -> None:
        record = RunnerRecord(
            runner=self._runner,
            host=platform.node(),
            pid=os.getpid(),
            started=self._started,
            at=now(),
            beat=self._beat,
            **self._facts(),
        )
        self._beat += 1
        write_whole(self._path, record.model_dump_json(indent=1).encode())


_AT_WORK: set[str] = set()


def _boot() -> str:
    """What tells this start of this system, and its numbers of processes, from any other."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        # Containers of one host count their processes each for itself.
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    """When a process began, in ticks since the start of the system; None if it is gone.

    0 where the system does not tell.
    """
    fields = _stat(pid)
    if fields is None:
        if sys.platform == "linux":
            return None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            pass
        return 0
    # A zombie waits for its parent to look at it, and does nothing any more.
    return None if fields[0] in "ZX" else int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """What the system tells of a process, from its state on; None where there is none to tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
