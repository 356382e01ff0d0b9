"""A worker process as the run sees it: what it is told, what it says and prints, how it ends."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from tempfile import TemporaryFile

from lcd_plugin.bench.executors.messages import Message, Said, pack_unit, unpack
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.worker import STOP
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.units import Unit

# Characters of what a worker printed that are kept.
LAST_WORDS = 4000
# What the interpreter ends with when it crashes.
EXTENSIONS = re.compile(r"^Extension modules: .*$", re.MULTILINE)
# Bytes that lie on the disk before they are thrown away.
MOST_PRINTED = 2**24
# Seconds that a worker may take before it begins with a cell: imports, opening the stores.
STARTING_S = 300.0
NONSENSE = Fault("crashed", "it wrote to the channel of its worker")


class WorkerProcess:
    """A process with the socket to it, and a file for what it prints.

    Whatever it does with the socket, nobody waits for it but the two threads that serve it.

    Args:
        slot: that it computes in.
        order: what it is told first.
        environment: all of its variables.
        heard: gets what it says; at the end a fault if that was nonsense, else None.

    Attributes:
        unit: that it is at, with `at`, the key of the cell, and whether all that its cells have in
            common is `prepared`.
        deadline: when it has had its time, in s of a monotonic clock; None is never.
        last_words: what it printed in the end.
        imports_gb: memory in GB that it had before its first unit; 0 while that is not known.

    Raises:
        OSError: no process can be started.
    """

    def __init__(
        self,
        slot: int,
        order: WorkOrder,
        environment: Mapping[str, str],
        heard: queue.Queue[tuple[WorkerProcess, Message | Fault | None]],
    ) -> None:
        self.slot = slot
        self._socket, theirs = socket.socketpair()
        # A file and not a pipe, which something that a cell has started could hold open for ever;
        # what is appended is not lost where the file is cut meanwhile.
        self._output = TemporaryFile("a+b")  # noqa: SIM115
        with theirs:
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
        self.unit: Unit | None = None
        self.at = ""
        self.prepared = False
        self.deadline: float | None = None
        self.last_words = ""
        self.imports_gb = 0.0
        # Of the threads, which end when the socket is shut down; theirs to close, therefore.
        connection = Connection(os.dup(self._socket.fileno()))
        self._told: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._told.put(order.model_dump_json().encode())
        for serve in (self._tell, self._listen):
            threading.Thread(target=serve, args=(connection, heard), daemon=True).start()

    def begin(self, unit: Unit, time_s: float | None) -> None:
        """Give it a unit."""
        self.unit, self.at, self.prepared = unit, unit.cells[0].key, False
        self.set_deadline(None if time_s is None else time_s + STARTING_S)
        self._told.put(pack_unit(unit))

    def set_deadline(self, time_s: float | None) -> None:
        """From now on it has so many seconds for a cell."""
        self.deadline = None if time_s is None else time.monotonic() + time_s

    def is_late(self) -> bool:
        """Whether it has had its time."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def ask_to_stop(self) -> None:
        """Let it save what it has and end its unit."""
        self._told.put(STOP)

    def hang_up_if_gone(self) -> None:
        """Hear no more than what was said, where its process has ended.

        What it has started may hold its end of the socket open.
        """
        if self._process.poll() is not None:
            self._hang_up()

    def cut_output(self) -> None:
        """Keep what it prints from filling the disk."""
        if os.fstat(self._output.fileno()).st_size > MOST_PRINTED:
            end = self._tail()
            self._output.truncate(0)
            self._output.write(end)
            self._output.flush()

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

    def end(self, patience_s: float = 0.0) -> int | None:
        """End it with all that it has started.

        Args:
            patience_s: seconds that it has to end by itself.

        Returns:
            How it ended, as `subprocess` says it; None if not by itself.
        """
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(patience_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._hang_up()
        self._socket.close()
        self._process.wait()
        return code

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._told.put(None)

    def _tell(self, connection: Connection, _: object) -> None:
        # A worker that is gone is found out by listening to it.
        with contextlib.suppress(OSError):
            while (content := self._told.get()) is not None:
                connection.send_bytes(content)

    def _listen(
        self,
        connection: Connection,
        heard: queue.Queue[tuple[WorkerProcess, Message | Fault | None]],
    ) -> None:
        try:
            self.imports_gb = float(connection.recv_bytes())
            while True:
                (count,) = struct.unpack("<I", connection.recv_bytes())
                heard.put((self, unpack([connection.recv_bytes() for _ in range(count)])))
        except (EOFError, OSError):  # in the middle of a sentence, too
            heard.put((self, None))
        except Exception:  # a cell found the socket
            heard.put((self, NONSENSE))
