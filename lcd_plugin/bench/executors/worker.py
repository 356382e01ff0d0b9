"""A worker process: it gets units over a socket and says what comes of them, until that closes.

Started by `LocalExecutor` as `python -m lcd_plugin.bench.executors.worker DESCRIPTOR`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

STOP = b"stop"
OOM_SCORE = Path("/proc/self/oom_score_adj")


class Mailbox:
    """What the run says, read in a thread of its own so that none of it has to wait.

    When the other end closes, since the run has ended or was killed, this process ends with all
    that it has started: nobody wants its results.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._units: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.order = connection.recv_bytes()
        threading.Thread(target=self._read, daemon=True).start()

    def next_unit(self) -> bytes:
        """The next unit, when there is one."""
        return self._units.get()

    def stopping(self) -> bool:
        """Whether what is under way should be saved and ended."""
        return self._stopping.is_set()

    def send(self, parts: list[bytes]) -> None:
        """Send a message, whole, from any thread."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._connection.send_bytes(len(parts).to_bytes(4, "little"))
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
    logging.basicConfig(handlers=[logging.NullHandler()])
    with contextlib.suppress(OSError):
        # If the machine runs out of memory, better a cell is killed than the run.
        OOM_SCORE.write_text("500")

    from lcd_plugin.plugins.offers import be_worker

    be_worker()
    import torch

    from lcd_plugin.bench.executors.messages import Over, Send, pack, unpack_unit
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
    limit_memory(order.memory_gb)
    send: Send = lambda message: mailbox.send(pack(message))  # noqa: E731
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
