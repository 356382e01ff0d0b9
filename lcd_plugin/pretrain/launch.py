"""A pretraining on several devices: one process each, gradients averaged between them."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from lcd_plugin.pretrain.job import EpochDone, Job, Keep, PretrainOutcome, Report, Snapshot
from lcd_plugin.pretrain.loop import run_job
from lcd_plugin.pretrain.memory import keep_freed_memory

# How often the listener looks whether there is anything more to come.
POLL_S = 0.1
# What a process is told when its snapshot has been kept.
KEPT = "kept"


def run_on_several(fabric: Fabric, job: Job, report: Report, keep: Keep) -> PretrainOutcome:
    """Start a process for each of the fabric's devices; the first one's outcome.

    Raises:
        Exception: what a process raised, or what `report` or `keep` did.
        RuntimeError: a process ended without saying why.
    """
    spawn = multiprocessing.get_context("spawn")
    # A pipe each, without a lock that a process could take with it when it is ended.
    pipes = [spawn.Pipe() for _ in range(job.engine.devices)]
    listener = Listener([ours for ours, _ in pipes], report, keep)
    listener.start()
    reason = "its processes ended"
    try:
        fabric.launch(partial(_rank, job=job, ends=[theirs for _, theirs in pipes]))
    except (ProcessRaisedException, ProcessExitedException) as error:
        reason = str(error).strip().splitlines()[-1]
    finally:
        # After an interruption processes may still be computing, and would be waited for.
        listener.end_processes()
        listener.stop()
    if listener.error is not None:
        raise listener.error
    if listener.outcome is None:
        raise RuntimeError(f"pretraining on {job.engine.devices} devices failed: {reason}")
    return listener.outcome


class Listener:
    """Hears all that the processes of a pretraining say, so that none of them waits to be heard.

    Args:
        ends: a connection to each process; what comes is the arguments of a report, or bytes.
        report: called with what is reported.
        keep: called with each snapshot; the process is told when that is done.

    Attributes:
        outcome: what the first process came to.
        error: what the first one that failed raised, or what `report` or `keep` did.
    """

    def __init__(self, ends: Sequence[Connection], report: Report, keep: Keep) -> None:
        self.outcome: PretrainOutcome | None = None
        self.error: Exception | None = None
        self._ends, self._report, self._keep = ends, report, keep
        self._others = set(multiprocessing.active_children())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        """Listen, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Hear what has been said, and no more."""
        self._over.set()
        # Not for ever: a process that was ended may have stopped in the middle of a sentence.
        self._thread.join(timeout=10)

    def end_processes(self) -> None:
        """End the processes that are still there, and no others of this program."""
        for process in set(multiprocessing.active_children()) - self._others:
            process.terminate()

    def _listen(self) -> None:
        while True:
            over = self._over.is_set()
            ready: list[Any] = wait(self._ends, timeout=POLL_S)
            for end in ready:
                self._hear(end)
            if over and not ready:
                return

    def _hear(self, end: Connection) -> None:
        message = end.recv()
        try:
            # Bytes are what this program's own process made a moment ago, not a file from anywhere.
            said = pickle.loads(message) if isinstance(message, bytes) else message
            if isinstance(said, PretrainOutcome):
                self.outcome = said
            elif isinstance(said, Exception):
                self.error = self.error or said
            elif self.error is None and isinstance(said, Snapshot):
                self._keep(said)
                end.send(KEPT)
            elif self.error is None:
                self._report(EpochDone(*said))
        except Exception as error:  # it is for who asked for the pretraining
            self.error = self.error or error
            self.end_processes()


def _rank(fabric: Fabric, job: Job, ends: Sequence[Connection]) -> None:
    keep_freed_memory()
    host = ends[fabric.global_rank]

    def keep(snapshot: Snapshot) -> None:
        host.send(pickle.dumps(snapshot))
        # The next thing may be a checkpoint after which this snapshot is not taken again.
        host.recv()

    try:
        outcome = run_job(fabric, job, lambda done: host.send(tuple(done)), keep)
    except Exception as error:
        host.send(pickle.dumps(error))
        raise
    if fabric.is_global_zero:
        # As bytes, since tensors would be shared with a process that is about to end; and not as
        # what the function returns, which is read only after the process has ended.
        host.send(pickle.dumps(outcome))
