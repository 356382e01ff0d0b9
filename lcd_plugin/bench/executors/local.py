"""Workers on this machine: processes that are reused, so that imports and features are paid once.

Whatever a cell does to its process, it costs that process only.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lcd_plugin.bench.executors.base import Sink
from lcd_plugin.bench.executors.messages import (
    Computed,
    Message,
    Over,
    Prepared,
    Said,
    Started,
)
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.worker_process import WorkerProcess
from lcd_plugin.bench.faults import Fault, names_memory, names_threads
from lcd_plugin.bench.units import Unit
from lcd_plugin.errors import ConfigError

log = logging.getLogger(__name__)

# Seconds in which a process that has closed its socket is gone.
DYING_S = 5.0
# What workers may have said that was not passed on yet; then they wait.
MOST_WAITING = 64
# Signals by which a process ends itself, or its own code does.
OWN_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
# Says of a process that ended with a code or was ended, and of its last words, what that was.
Why = Callable[[int | None, str], Fault]


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
        self._workers: dict[int, WorkerProcess] = {}
        self._heard: queue.Queue[tuple[WorkerProcess, Message | Fault | None]]
        self._heard = queue.Queue(MOST_WAITING)
        self._why: Why = _died

    def start(self, slot: int, unit: Unit) -> None:
        """See `Executor`.

        Raises:
            ConfigError: no more processes can be started.
        """
        if slot not in self._workers:
            try:
                worker = WorkerProcess(slot, self._order, self._environment(slot), self._heard)
            except OSError as error:
                raise ConfigError(
                    f"Worker {slot + 1} cannot be started ({error.strerror}); use fewer --jobs."
                ) from error
            self._workers[slot] = worker
        self._workers[slot].begin(unit, self._time_s)

    def wait(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        busy = self._busy()
        deadlines = [w.deadline for w in busy if w.deadline is not None]
        left = min([seconds, *(d - time.monotonic() for d in deadlines)])
        for worker in busy:
            worker.hang_up_if_gone()
        try:
            heard = self._heard.get(timeout=max(left, 0))
        except queue.Empty:
            pass
        else:
            self._hear(*heard, sink)
        # Some have so much to say that there is always something to hear.
        for worker in self._busy():
            if worker.is_late():
                self._lose(worker, sink, self._too_long)
            worker.cut_output()

    def stop(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        end = time.monotonic() + seconds
        self._why = _stopped
        for worker in self._workers.values():
            worker.ask_to_stop()
        while self._busy() and (left := end - time.monotonic()) > 0:
            self.wait(left, sink)
        for worker in self._busy():
            self._lose(worker, sink, _stopped)

    def close(self) -> None:
        """See `Executor`."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def facts(self) -> dict[str, Any]:
        """See `Executor`."""
        return {"name": self.name, "jobs": self.slots}

    def _busy(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers.values() if worker.unit is not None]

    def _hear(self, worker: WorkerProcess, message: Message | Fault | None, sink: Sink) -> None:
        if self._workers.get(worker.slot) is not worker:
            return  # it was ended meanwhile
        if message is None:
            self._lose(worker, sink, self._why, DYING_S)
            return
        if isinstance(message, Fault):
            fault = message
            self._lose(worker, sink, lambda _, words: replace(fault, last_lines=words))
            return
        unit = worker.unit
        if unit is None or not (isinstance(message, Over) or _is_of(message.key, unit)):
            return  # a thread of a cell that is over
        if isinstance(message, Started):
            worker.set_deadline(self._time_s)
            worker.at = message.key
        elif isinstance(message, Prepared):
            worker.prepared = True
        elif isinstance(message, Said):
            log.log(message.level, "%s", message.text)
        if isinstance(message, Computed | Over):
            # Before its cell is over, which then has it in its log.
            for said in worker.printed():
                sink(worker.slot, said)
        if isinstance(message, Over):
            worker.unit = worker.deadline = None
            message = Over(message.fault and self._in_full(worker, message.fault))
        sink(worker.slot, message)

    def _lose(self, worker: WorkerProcess, sink: Sink, why: Why, patience_s: float = 0.0) -> None:
        """End a worker that is of no use any more, and say why of the unit that it was at."""
        del self._workers[worker.slot]
        code = worker.end(patience_s)
        if worker.unit is None:
            return
        for said in worker.printed():
            sink(worker.slot, said)
        sink(worker.slot, Over(self._in_full(worker, why(code, worker.last_words))))

    def _in_full(self, worker: WorkerProcess, fault: Fault) -> Fault:
        """A fault with what is known here only: limits, and which cells it concerns."""
        limit = self._order.memory_gb
        if limit is not None:
            told = fault.reason if fault.kind == "raised" else fault.last_lines
            if fault.kind in ("raised", "crashed") and names_threads(told):
                fault = replace(fault, kind="memory")
            if fault.kind == "memory":
                imports = worker.imports_gb
                share = f", of which imports take about {imports:.2g} GB" if imports else ""
                reason = f"it needed more than the --memory-limit of {limit:g} GB{share}"
                fault = replace(fault, reason=f"{reason}: {fault.reason}")
        # What all cells of a unit have in common, none of them can do without.
        return replace(fault, whole=fault.whole or (fault.own and not worker.prepared))

    def _too_long(self, code: int | None, last_words: str) -> Fault:
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


def _is_of(key: str, unit: Unit) -> bool:
    return any(cell.key == key for cell in unit.cells)


def _stopped(code: int | None, last_words: str) -> Fault:
    return Fault("stopped", "interrupted", last_words)


def _died(code: int | None, last_words: str) -> Fault:
    """What the end of a worker says of its unit."""
    if code is None:
        return Fault("crashed", "it closed the channel of its worker", last_words)
    # What ends a process from outside has nothing to do with what was printed before.
    if (code >= 0 or -code == signal.SIGABRT) and names_memory(last_words):
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
