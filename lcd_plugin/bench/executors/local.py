"""Workers on this machine: processes that are reused, so that imports and features are paid once.

Whatever a cell does to its process, it costs that process only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from tempfile import TemporaryFile
from typing import Any

from lcd_plugin.bench.executors.base import Sink
from lcd_plugin.bench.executors.messages import (
    Computed,
    Message,
    Over,
    Said,
    Started,
    pack_unit,
    unpack,
)
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.worker import STOP
from lcd_plugin.bench.faults import Fault, names_memory
from lcd_plugin.bench.units import Unit

log = logging.getLogger(__name__)

# Characters of what a worker printed that are kept.
LAST_WORDS = 4000
# What the interpreter ends with when it crashes.
EXTENSIONS = re.compile(r"^Extension modules: .*$", re.MULTILINE)
# Bytes that lie on the disk before they are thrown away.
MOST_PRINTED = 2**24
# Seconds that a worker may take before it begins with a cell: imports, opening the stores.
STARTING_S = 300.0
# Seconds in which a process that has closed its socket is gone.
DYING_S = 5.0
# Signals by which a process ends itself, or its own code does.
OWN_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
# Says of a process that ended with a code, and of its last words, what that was.
Why = Callable[[int, str], Fault]


class LocalExecutor:
    """A pool of worker processes.

    Args:
        order: what the workers are told first.
        jobs: how many.
        gpus: numbers of the GPUs that are dealt out, as CUDA_VISIBLE_DEVICES has them.
        gpus_each: how many each worker gets.
        time_s: seconds that a cell may take; None is no limit.
    """

    name = "local"
    interruptible = False

    def __init__(
        self,
        order: WorkOrder,
        jobs: int,
        *,
        gpus: Sequence[str] = (),
        gpus_each: int = 1,
        time_s: float | None = None,
    ) -> None:
        self.slots = jobs
        self._order = order
        self._gpus, self._gpus_each, self._time_s = gpus, gpus_each, time_s
        self._workers: dict[int, _Worker] = {}

    def start(self, slot: int, unit: Unit) -> None:
        """See `Executor`."""
        if slot not in self._workers:
            self._workers[slot] = _Worker(self._order, self._environment(slot))
        self._workers[slot].begin(unit, self._time_s)

    def wait(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        busy = {slot: w for slot, w in self._workers.items() if w.unit is not None}
        deadlines = [w.deadline for w in busy.values() if w.deadline is not None]
        left = min([seconds, *(d - time.monotonic() for d in deadlines)])
        ready = wait([w.connection for w in busy.values()], timeout=max(left, 0))
        for slot, worker in busy.items():
            if worker.connection in ready:
                self._hear(slot, worker, sink)
            elif worker.is_gone():
                # What it has started may hold its end of the socket open.
                self._lose(slot, sink, _died)
            # Some have so much to say that they are always heard.
            if worker.is_late() and self._workers.get(slot) is worker:
                self._lose(slot, sink, self._too_long)
            worker.cut_output()

    def stop(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        end = time.monotonic() + seconds
        for worker in self._workers.values():
            worker.ask_to_stop()
        while any(w.unit is not None for w in self._workers.values()):
            left = end - time.monotonic()
            if left <= 0:
                break
            self.wait(left, sink)
        for slot in [s for s, w in self._workers.items() if w.unit is not None]:
            self._lose(slot, sink, _stopped)

    def close(self) -> None:
        """See `Executor`."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def facts(self) -> dict[str, Any]:
        """See `Executor`."""
        return {"name": self.name, "jobs": self.slots}

    def _hear(self, slot: int, worker: _Worker, sink: Sink) -> None:
        try:
            message = worker.receive()
        except (EOFError, OSError):  # in the middle of a sentence, too
            self._lose(slot, sink, _died, DYING_S)
            return
        if isinstance(message, Started):
            worker.set_deadline(self._time_s)
            worker.at = message.key
        elif isinstance(message, Said):
            log.log(message.level, "%s", message.text)
        if isinstance(message, Computed | Over):
            # Before its cell is over, which then has it in its log.
            for said in worker.printed():
                sink(slot, said)
        if isinstance(message, Over):
            worker.unit = worker.deadline = None
        sink(slot, message)

    def _lose(self, slot: int, sink: Sink, why: Why, patience_s: float = 0.0) -> None:
        """End a worker whose unit will not come to an end, and say why."""
        worker = self._workers.pop(slot)
        code = worker.end(patience_s)
        for said in worker.printed():
            sink(slot, said)
        sink(slot, Over(why(code, worker.last_words)))

    def _too_long(self, code: int, last_words: str) -> Fault:
        return Fault("time", f"it took longer than its limit of {self._time_s:g} s", last_words)

    def _environment(self, slot: int) -> dict[str, str]:
        changes = {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}  # noqa: PTH109
        if self._order.threads is not None:
            # Read when libraries are loaded; what a user has set is theirs.
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                changes[name] = os.environ.get(name, str(self._order.threads))
        if self._gpus:
            first = slot * self._gpus_each
            own = [self._gpus[(first + i) % len(self._gpus)] for i in range(self._gpus_each)]
            changes["CUDA_VISIBLE_DEVICES"] = ",".join(own)
        return os.environ | changes


class _Worker:
    """A process with the socket to it, and a file for what it prints."""

    def __init__(self, order: WorkOrder, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        # A file and not a pipe, which something that a cell has started could hold open for ever;
        # what is appended is not lost where the file is cut meanwhile.
        self._output = TemporaryFile("a+b")  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: the search path is ours, without the folder that we happen to be in.
            # -u: what was printed is not lost where the process is.
            [sys.executable, "-P", "-u", "-X", "faulthandler", "-m",
             "lcd_plugin.bench.executors.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self.connection = Connection(ours.detach())
        self.unit: Unit | None = None
        self.at = ""
        self.deadline: float | None = None
        self.last_words = ""
        self._send(order.model_dump_json().encode())

    def begin(self, unit: Unit, time_s: float | None) -> None:
        """Give it a unit."""
        self.unit, self.at = unit, unit.cells[0].key
        self.set_deadline(None if time_s is None else time_s + STARTING_S)
        self._send(pack_unit(unit))

    def set_deadline(self, time_s: float | None) -> None:
        """From now on it has so many seconds for a cell."""
        self.deadline = None if time_s is None else time.monotonic() + time_s

    def is_late(self) -> bool:
        """Whether it has had its time."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def is_gone(self) -> bool:
        """Whether its process has ended."""
        return self._process.poll() is not None

    def cut_output(self) -> None:
        """Keep what it prints from filling the disk."""
        if os.fstat(self._output.fileno()).st_size > MOST_PRINTED:
            end = self._tail()
            self._output.truncate(0)
            self._output.write(end)
            self._output.flush()

    def ask_to_stop(self) -> None:
        """Let it save what it has and end its unit."""
        self._send(STOP)

    def receive(self) -> Message:
        """The next thing that it says; raises EOFError or OSError where it cannot."""
        count = int.from_bytes(self.connection.recv_bytes(), "little")
        return unpack([self.connection.recv_bytes() for _ in range(count)])

    def printed(self) -> list[Said]:
        """What it has printed since this was asked last, as said by the cell under way."""
        text = self._tail().decode(errors="replace")
        # Several thousand characters that say nothing of where it was.
        text = EXTENSIONS.sub("", text).strip()[-LAST_WORDS:]
        self._output.seek(0)
        self._output.truncate()
        self.last_words = text
        return [Said(self.at, 0, text)] if text and self.unit is not None else []

    def _tail(self) -> bytes:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 10 * LAST_WORDS))
        return self._output.read()

    def end(self, patience_s: float = 0.0) -> int:
        """End it with all that it has started; how it ended, as `subprocess` says it.

        Args:
            patience_s: seconds that it has to end by itself.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.connection.close()
        return self._process.wait()

    def _send(self, content: bytes) -> None:
        # A worker that is gone is found out when it is listened to.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(content)


def _stopped(code: int, last_words: str) -> Fault:
    return Fault("stopped", "interrupted", last_words)


def _died(code: int, last_words: str) -> Fault:
    """What the end of a worker says of its unit."""
    if names_memory(last_words):
        return Fault("memory", "its process ran out of memory", last_words)
    if code >= 0:
        return Fault("crashed", f"it ended its process with code {code}", last_words)
    said = f"signal {-code} ({signal.strsignal(-code)})"
    if -code == signal.SIGBUS:
        reason = f"a file that it had mapped was cut or could not be read: {said}"
        return Fault("data", reason, last_words)
    if -code in OWN_SIGNALS:
        return Fault("crashed", f"it ended its process with {said}", last_words)
    if -code == signal.SIGKILL:
        said += ", as the system does that runs out of memory"
    return Fault("killed", f"its process was killed: {said}", last_words)
