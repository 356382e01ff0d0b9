"""Training records and where they live while a method is trained on them.

A step asks for few leads of a batch of records. If all records fit on the device they are put
there once (`Resident`); if not, the leads that the next steps need are read from the store's file
by a thread of its own, while the present step computes (`Streamed`). Both give the same values.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lcd_plugin.errors import DataError
from lcd_plugin.views import take_leads

# Records copied to the device at a time, so that no second copy of all of them is made.
LOAD_CHUNK = 1024
# One in use, one being filled, one ready.
BUFFERS = 3


@dataclass(frozen=True)
class Records:
    """Rows of an array of signals, in memory or in the file of a prepared store.

    Attributes:
        source: float16 array of shape (all records, leads, time), or the path of a file of one.
        shape: shape of that array.
        rows: the rows that are used.
        patients: whose each of these rows is, int64, shape (rows,); equal numbers are one patient.
            None is a patient for every row.
    """

    source: NDArray[np.float16] | Path
    shape: tuple[int, int, int]
    rows: NDArray[np.int64]
    patients: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, signals: NDArray[np.float16]) -> Records:
        """All rows of an array in memory."""
        records, leads, samples = signals.shape
        return cls(signals, (records, leads, samples), np.arange(records))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_leads(self) -> int:
        """Leads of a record."""
        return self.shape[1]

    @property
    def nbytes(self) -> int:
        """Size of the rows in bytes."""
        return 2 * len(self) * self.shape[1] * self.shape[2]

    def patient_numbers(self) -> Tensor:
        """Whose each record is, int64, (records,), on the host."""
        numbers = np.arange(len(self)) if self.patients is None else self.patients
        return torch.from_numpy(np.asarray(numbers, np.int64))

    def read(self, chosen: NDArray[np.int64] | slice) -> Tensor:
        """Some records with all of their leads, float16, (records, leads, time), on the host."""
        rows = self.rows[chosen]
        if isinstance(self.source, Path):
            try:
                signals = np.memmap(self.source, np.float16, mode="r", shape=self.shape)
            except (OSError, ValueError) as error:
                raise _cut(self.source) from error
            return torch.from_numpy(np.array(signals[rows]))
        return torch.from_numpy(self.source[rows])

    def sample(self, at_least: int) -> Tensor:
        """At least so many records if there are, fewer than twice as many, evenly over all."""
        return self.read(slice(None, None, max(1, len(self) // at_least)))


class Source(Protocol):
    """Where the batches of an epoch come from.

    Attributes:
        kind: `resident` or `stream`.
        waited_s: how long batches had to be waited for, in s.
    """

    kind: Literal["resident", "stream"]
    waited_s: float

    def batches(self, rows: Tensor, leads: Tensor) -> Generator[Tensor, None, None]:
        """The leads that the steps of an epoch need.

        A batch is valid until the next one is asked for.

        Args:
            rows: records of each step, on the host, shape (steps, batch).
            leads: leads of each record, on the host, shape (steps, batch, channels).

        Yields:
            float16 on the device, shape (batch, channels, time).
        """
        ...


class Resident:
    """All records on the device, loaded once."""

    kind: Literal["resident", "stream"] = "resident"

    def __init__(self, records: Records, device: torch.device) -> None:
        self.waited_s = 0.0
        shape = (len(records), *records.shape[1:])
        self._signals = torch.empty(shape, dtype=torch.float16, device=device)
        for start in range(0, len(records), LOAD_CHUNK):
            chunk = slice(start, min(start + LOAD_CHUNK, len(records)))
            self._signals[chunk] = records.read(chunk).to(device)

    def batches(self, rows: Tensor, leads: Tensor) -> Generator[Tensor, None, None]:
        """See `Source.batches`."""
        device = self._signals.device
        # One transfer an epoch, none a step.
        for row, lead in zip(rows.to(device), leads.to(device), strict=True):
            yield take_leads(self._signals, lead, row)


class Streamed:
    """Leads read ahead of the step by a thread, through a few buffers (pinned for a GPU)."""

    kind: Literal["resident", "stream"] = "stream"

    def __init__(self, records: Records, device: torch.device) -> None:
        self.waited_s = 0.0
        self._records = records
        self._device = device

    def batches(self, rows: Tensor, leads: Tensor) -> Generator[Tensor, None, None]:
        """See `Source.batches`."""
        shape = (leads.shape[1], leads.shape[2], self._records.shape[2])
        slots = [_Slot(shape, self._device) for _ in range(BUFFERS)]
        free: queue.Queue[_Slot | None] = queue.Queue()
        ready: queue.Queue[_Slot | BaseException] = queue.Queue()
        for slot in slots:
            free.put(slot)
        work = (rows.numpy(), leads.numpy(), free, ready)
        reader = threading.Thread(target=self._read_ahead, args=work, daemon=True)
        reader.start()
        try:
            for _ in range(len(rows)):
                start = time.perf_counter()
                filled = ready.get()
                self.waited_s += time.perf_counter() - start
                if isinstance(filled, BaseException):
                    raise filled
                yield filled.take()
                filled.give_back()
                free.put(filled)
        finally:
            # The reader may be waiting for a free buffer that will not come.
            free.put(None)
            reader.join()
            for slot in slots:
                slot.finish()

    def _read_ahead(
        self,
        rows: NDArray[np.int64],
        leads: NDArray[np.int64],
        free: queue.Queue[_Slot | None],
        ready: queue.Queue[_Slot | BaseException],
    ) -> None:
        try:
            if self._device.type == "cuda":
                # A thread starts on the first GPU, whichever this process uses.
                torch.cuda.set_device(self._device)
            with _Reader(self._records) as reader:
                for row, lead in zip(rows, leads, strict=True):
                    slot = free.get()
                    if slot is None:
                        return
                    reader.fill(slot.host, row, lead)
                    slot.send()
                    ready.put(slot)
        except BaseException as error:  # it belongs to the thread that trains
            ready.put(error)


class _Slot:
    """A buffer on the host and, for a GPU, one on the device with a stream between them."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        host = torch.empty(shape, dtype=torch.float16, pin_memory=self._gpu)
        self.host: NDArray[np.float16] = host.numpy()
        self._host = host
        if self._gpu:
            self._on_device = torch.empty(shape, dtype=torch.float16, device=device)
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            # The buffer is new memory of the usual stream, which may have work on it queued.
            self._stream.wait_stream(torch.cuda.current_stream())
            self._sent = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._used = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def send(self) -> None:
        """Queue the transfer of what the host buffer holds."""
        if self._gpu:
            with torch.cuda.stream(self._stream):
                self._stream.wait_event(self._used)
                self._on_device.copy_(self._host, non_blocking=True)
                self._sent.record(self._stream)

    def take(self) -> Tensor:
        """The buffer on the device; work queued from now on comes after the transfer."""
        if not self._gpu:
            return self._host
        torch.cuda.current_stream().wait_event(self._sent)
        return self._on_device

    def finish(self) -> None:
        """Wait for a transfer that nobody took, before the buffers go."""
        if self._gpu:
            self._stream.synchronize()

    def give_back(self) -> None:
        """The step has queued all that reads the buffer; the host buffer may be filled again."""
        if self._gpu:
            self._used.record(torch.cuda.current_stream())
            self._sent.synchronize()


class _Reader:
    """Reads single leads by their place in the file.

    Reading, in place of mapping the file, keeps pages that were used from counting as memory of
    this process, and lets other threads run meanwhile.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._file: int | None = None
        if isinstance(records.source, Path):
            try:
                self._file = os.open(records.source, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise _cut(records.source) from error

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            os.close(self._file)

    def fill(
        self, buffer: NDArray[np.float16], rows: NDArray[np.int64], leads: NDArray[np.int64]
    ) -> None:
        """Fill (batch, channels, time) with leads (batch, channels) of records (batch,)."""
        stored = self._records.rows[rows]
        if self._file is None:
            signals: Any = self._records.source
            buffer[...] = signals[stored[:, None], leads]
            return
        _, n_leads, samples = self._records.shape
        size = 2 * samples
        offsets = ((stored[:, None] * n_leads + leads) * size).ravel()
        target = buffer.reshape(-1).view(np.uint8).data
        # In the order of the file, which disks and the system's read-ahead like.
        for i in np.argsort(offsets).tolist():
            if not _read(self._file, target[i * size : (i + 1) * size], int(offsets[i])):
                assert isinstance(self._records.source, Path)
                raise _cut(self._records.source)


def _read(file: int, target: memoryview, offset: int) -> bool:
    """Fill `target`; whether the file has that much."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [target], offset) == len(target)
    os.lseek(file, offset, os.SEEK_SET)
    data = os.read(file, len(target))
    target[: len(data)] = data
    return len(data) == len(target)


def _cut(path: Path) -> DataError:
    return DataError(
        f"The prepared store {path.parent} was cut or removed while in use; the same command "
        f"prepares it anew."
    )
