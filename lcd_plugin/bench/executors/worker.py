"""A worker process: it gets units over a socket and says what comes of them, until that closes.

Started by `WorkerProcess` as `python -m lcd_plugin.bench.executors.worker DESCRIPTOR`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

STOP = b"stop"
OOM_SCORE, STATUS = Path("/proc/self/oom_score_adj"), Path("/proc/self/status")


class Mailbox:
    """What the run says, read in a thread of its own so that none of it has to wait.

    When the other end closes, since the run has ended or was killed, this process ends with all
    that it has started: nobody wants its results.

    Attributes:
        order: what the run said first.
        terminated: whether SIGTERM has come while a unit was under way.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._units: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._at_work = self.terminated = False
        self.order = connection.recv_bytes()
        threading.Thread(target=self._read, daemon=True).start()

    def next_unit(self) -> bytes:
        """The next unit, when there is one."""
        self._at_work = False
        if self.terminated:
            end_by_sigterm()
        content = self._units.get()
        self._at_work = True
        return content

    def stopping(self) -> bool:
        """Whether what is under way should be saved and ended."""
        return self.terminated or self._stopping.is_set()

    def on_sigterm(self, number: int, frame: FrameType | None) -> None:
        """Let what is under way be saved; at the second time, or if nothing is, end.

        Whoever ends all of a machine's processes does not ask the run first.
        """
        if self.terminated or not self._at_work:
            end_by_sigterm()
        self.terminated = True

    def greet(self, memory_gb: float) -> None:
        """Say, before anything else, how much memory this process has with nothing to do."""
        self._connection.send_bytes(str(memory_gb).encode())

    def send(self, parts: list[bytes]) -> None:
        """Send a message, whole, from any thread."""
        if os.getpid() != self._process:
            return  # one that a cell has forked, with a copy of the socket, and of the lock
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._connection.send_bytes(struct.pack("<I", len(parts)))
            for part in parts:
                self._connection.send_bytes(part)

    def _read(self) -> None:
        while True:
            try:
                content = self._connection.recv_bytes()
            except (EOFError, OSError):
                os.killpg(os.getpgid(0), signal.SIGKILL)
            if content == STOP:
                self._stopping.set()
            else:
                self._units.put(content)


def main(descriptor: int) -> None:
    """Compute units until the run closes the connection."""
    mailbox = Mailbox(Connection(descriptor))
    # Ctrl-C is the run's to handle, which then says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle_sigterm(mailbox.on_sigterm)
    logging.basicConfig(handlers=[logging.NullHandler()])
    with contextlib.suppress(OSError):
        # If the machine runs out of memory, better a cell is killed than the run.
        OOM_SCORE.write_text("500")

    from lcd_plugin.plugins.offers import be_worker

    be_worker()
    import torch

    from lcd_plugin.bench.executors.messages import Message, Over, pack, unpack_unit
    from lcd_plugin.bench.executors.order import WorkOrder
    from lcd_plugin.bench.faults import fault_of
    from lcd_plugin.bench.own_state import AttemptError, attempt
    from lcd_plugin.bench.workbench import Workbench
    from lcd_plugin.pretrain.memory import keep_freed_memory

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    order = WorkOrder.model_validate_json(mailbox.order)
    if order.threads is not None:
        torch.set_num_threads(order.threads)
    keep_freed_memory()
    mailbox.greet(memory_gb())
    limit_memory(order.memory_gb)

    def send(message: Message) -> None:
        if isinstance(message, Over) and mailbox.terminated:
            # So that the run knows why, and has it go on from there.
            end_by_sigterm()
        mailbox.send(pack(message))

    bench: Workbench | None = None
    while True:
        unit = unpack_unit(mailbox.next_unit())
        if bench is None:
            try:
                plan = attempt(order.open)
            except AttemptError as failure:
                send(Over(fault_of(failure, whole=True)))
                continue
            device = (
                torch.device(order.device, 0) if order.device == "cuda" else torch.device("cpu")
            )
            bench = Workbench(plan, order.root, device, mailbox.stopping)
        bench.compute(unit, send)


def handle_sigterm(handler: Callable[[int, FrameType | None], None]) -> None:
    """Handle SIGTERM in this process and not in those that it forks.

    The interpreter forgets what comes before a fork is complete, which must not be lost either.
    """
    mine = {signal.SIGTERM}

    def not_in_a_copy() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, mine)

    signal.signal(signal.SIGTERM, handler)
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, mine),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, mine),
        after_in_child=not_in_a_copy,
    )


def end_by_sigterm() -> None:
    """End this process as if it had never handled the signal."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def memory_gb() -> float:
    """What `limit_memory` counts of this process, in GB (1e9 bytes); 0 where that is not said."""
    with contextlib.suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024 / 1e9
    return 0.0


def limit_memory(gigabytes: float | None) -> None:
    """Let allocations fail beyond this, in place of filling the machine's memory."""
    if gigabytes is None:
        return
    most = int(gigabytes * 1e9)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(
            resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1])
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
