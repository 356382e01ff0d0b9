"""Records and the two places they live in, against plain indexing of an array."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lcd_plugin.errors import DataError, MemoryShortageError
from lcd_plugin.pretrain import memory, placement
from lcd_plugin.pretrain import records as records_module
from lcd_plugin.pretrain.placement import choose_source
from lcd_plugin.pretrain.records import BUFFERS, Records, Resident, Source, Streamed
from lcd_plugin.pretrain.settings import EngineSettings

CPU = torch.device("cpu")
SHAPE = (13, 4, 24)
STEPS, BATCH = 7, 5
# No two values are equal, and all of them are exact in half precision.
SIGNALS = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.float16)
CHOSEN = np.array([11, 2, 7, 0, 12, 5, 3, 8])
SOURCES: list[Callable[[Records, torch.device], Source]] = [Resident, Streamed]


def _file(folder: Path, signals: NDArray[np.float16] = SIGNALS) -> Path:
    path = folder / "signals.bin"
    signals.tofile(path)
    return path


@pytest.fixture(params=["array", "file"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Records:
    """Some rows, in an order of their own."""
    source = _file(tmp_path) if request.param == "file" else SIGNALS
    return Records(source, SHAPE, CHOSEN)


@pytest.fixture
def in_file(tmp_path: Path) -> Records:
    return Records(_file(tmp_path), SHAPE, CHOSEN)


def _draw(channels: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows and, for each record, leads of its own."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(CHOSEN), size=(STEPS, BATCH))
    leads = rng.permuted(np.tile(np.arange(SHAPE[1]), (STEPS, BATCH, 1)), axis=2)[..., :channels]
    return torch.from_numpy(rows), torch.from_numpy(leads)


def _expected(rows: Tensor, leads: Tensor) -> NDArray[np.float16]:
    chosen = zip(rows.flatten().tolist(), leads.flatten(0, 1).tolist(), strict=True)
    batches = [[SIGNALS[CHOSEN[row], lead] for lead in own] for row, own in chosen]
    return np.array(batches).reshape(*leads.shape, SHAPE[2])


def _all(source: Source, rows: Tensor, leads: Tensor) -> NDArray[np.float16]:
    return np.stack([batch.numpy().copy() for batch in source.batches(rows, leads)])


def _result(work: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What a function returns or raises; fails if it hangs."""
    came: list[Any] = []

    def call() -> None:
        try:
            came.append((work(), None))
        except Exception as error:
            came.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert came, "it hangs"
    value, error = came[0]
    if error is not None:
        raise error
    return value


class TestRecords:
    def test_of_an_array_are_all_its_rows(self) -> None:
        records = Records.of(SIGNALS)
        assert (len(records), records.n_leads, records.shape) == (13, 4, SHAPE)
        assert np.array_equal(records.read(slice(None)).numpy(), SIGNALS)

    def test_are_the_chosen_rows_in_their_order(self, records: Records) -> None:
        assert len(records) == 8
        assert np.array_equal(records.read(slice(None)).numpy(), SIGNALS[CHOSEN])
        assert np.array_equal(records.read(slice(2, 5)).numpy(), SIGNALS[[7, 0, 12]])
        assert np.array_equal(records.read(np.array([6, 0])).numpy(), SIGNALS[[3, 11]])

    def test_what_is_read_is_a_copy(self, records: Records) -> None:
        records.read(slice(None)).zero_()
        assert np.array_equal(records.read(slice(None)).numpy(), SIGNALS[CHOSEN])

    def test_size_is_that_of_the_rows(self, records: Records) -> None:
        assert records.nbytes == SIGNALS[CHOSEN].nbytes

    @pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 100])
    @pytest.mark.parametrize("at_least", [1, 8])
    def test_a_sample_has_enough_not_twice_as_many_and_is_even(self, n: int, at_least: int) -> None:
        numbers = np.arange(n, dtype=np.float16).reshape(n, 1, 1)
        sample = Records.of(numbers).sample(at_least).flatten()
        assert min(n, at_least) <= len(sample) < max(2 * at_least, 2)
        assert len(sample.diff().unique()) <= 1
        # What is left over at the end is no wider than the gaps.
        assert n - 1 - sample[-1] < (sample.diff().max() if len(sample) > 1 else n)


class TestBatches:
    @pytest.mark.parametrize("make", SOURCES)
    @pytest.mark.parametrize("channels", [1, 2, 4])
    def test_are_the_leads_that_were_asked_for(
        self, records: Records, make: Callable[[Records, torch.device], Source], channels: int
    ) -> None:
        rows, leads = _draw(channels)
        source = make(records, CPU)
        batches = _all(source, rows, leads)
        assert batches.dtype == np.float16
        assert np.array_equal(batches, _expected(rows, leads))
        # An epoch after the first is like it.
        rows, leads = _draw(channels, seed=1)
        assert np.array_equal(_all(source, rows, leads), _expected(rows, leads))

    @pytest.mark.parametrize("make", SOURCES)
    def test_of_all_leads(
        self, records: Records, make: Callable[[Records, torch.device], Source]
    ) -> None:
        rows, _ = _draw()
        leads = torch.arange(SHAPE[1]).expand(STEPS, BATCH, -1)
        batches = _all(make(records, CPU), rows, leads)
        assert np.array_equal(batches, SIGNALS[CHOSEN[rows.numpy()]])

    def test_are_the_same_from_both(self, records: Records) -> None:
        rows, leads = _draw(3)
        resident, streamed = (_all(make(records, CPU), rows, leads) for make in SOURCES)
        assert resident.tobytes() == streamed.tobytes()

    def test_without_preadv(self, in_file: Records, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "preadv", raising=False)
        rows, leads = _draw()
        assert np.array_equal(_all(Streamed(in_file, CPU), rows, leads), _expected(rows, leads))

    def test_more_records_than_are_loaded_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(records_module, "LOAD_CHUNK", 3)
        rows, leads = _draw()
        source = Resident(Records(SIGNALS, SHAPE, CHOSEN), CPU)
        assert np.array_equal(_all(source, rows, leads), _expected(rows, leads))

    def test_one_stays_valid_until_the_next_is_asked_for(
        self, in_file: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fills = _count_fills(monkeypatch)
        rows, leads = _draw()
        expected = _expected(rows, leads)
        seen = 0
        for step, batch in enumerate(Streamed(in_file, CPU).batches(rows, leads)):
            _wait_for(lambda: len(fills) == min(step + BUFFERS, STEPS))  # noqa: B023
            assert np.array_equal(batch.numpy(), expected[step])
            seen += 1
        assert seen == STEPS


def _count_fills(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> list[int]:
    """Note in a list when the reader has filled a buffer, which takes it so long."""
    fills: list[int] = []
    fill = records_module._Reader.fill

    def counted(self: Any, *arguments: Any) -> None:
        time.sleep(seconds)
        fill(self, *arguments)
        fills.append(1)

    monkeypatch.setattr(records_module._Reader, "fill", counted)
    return fills


def _wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    # A moment more, for what should not happen any longer.
    time.sleep(0.003)


class TestReader:
    @pytest.mark.parametrize("taken", [1, 4, STEPS])
    @pytest.mark.parametrize("wait", [False, True])
    def test_ends_with_the_epoch_however_it_ends(
        self, in_file: Records, monkeypatch: pytest.MonkeyPatch, taken: int, wait: bool
    ) -> None:
        fills = _count_fills(monkeypatch, seconds=0.0 if wait else 0.01)
        before = set(threading.enumerate())
        batches = Streamed(in_file, CPU).batches(*_draw())
        for _ in range(taken):
            next(batches)
        reader = set(threading.enumerate()) - before
        assert len(reader) == 1 or taken == STEPS
        if wait:  # until the reader waits for a buffer in its turn
            _wait_for(lambda: len(fills) == min(taken - 1 + BUFFERS, STEPS))
        _result(batches.close)
        assert not reader & set(threading.enumerate())

    def test_ends_when_the_epoch_is_over(self, in_file: Records) -> None:
        before = set(threading.enumerate())
        _all(Streamed(in_file, CPU), *_draw())
        assert set(threading.enumerate()) <= before

    @pytest.mark.parametrize("preadv", [True, False])
    def test_a_file_that_is_cut_short(
        self, in_file: Records, monkeypatch: pytest.MonkeyPatch, preadv: bool
    ) -> None:
        if not preadv:
            monkeypatch.delattr(os, "preadv", raising=False)
        assert isinstance(in_file.source, Path)
        os.truncate(in_file.source, SIGNALS.nbytes - 20)
        before = set(threading.enumerate())
        last = int(np.argmax(CHOSEN))
        rows = torch.tensor([[0, 1], [2, last], [3, 4]])
        leads = torch.tensor([0, 3]).expand(3, 2, 2)
        taken: list[int] = []

        def consume() -> None:
            for batch in Streamed(in_file, CPU).batches(rows, leads):
                taken.append(len(batch))

        with pytest.raises(DataError, match="was cut or removed while in use"):
            _result(consume)
        assert len(taken) == 1
        assert set(threading.enumerate()) <= before

    def test_a_file_that_is_cut_short_is_not_read_as_a_whole(self, in_file: Records) -> None:
        assert isinstance(in_file.source, Path)
        os.truncate(in_file.source, SIGNALS.nbytes - 20)
        with pytest.raises(DataError, match=in_file.source.parent.name):
            in_file.read(slice(2))

    def test_a_file_that_is_gone(self, in_file: Records) -> None:
        assert isinstance(in_file.source, Path)
        in_file.source.unlink()
        source = Streamed(in_file, CPU)
        with pytest.raises(DataError, match="was cut or removed while in use"):
            _result(lambda: _all(source, *_draw()))

    def test_waiting_is_counted_for_a_slow_reader_only(
        self, in_file: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pause = 0.03
        quick = Streamed(in_file, CPU)
        for _ in quick.batches(*_draw()):
            time.sleep(pause)
        _count_fills(monkeypatch, pause)
        slow = Streamed(in_file, CPU)
        _all(slow, *_draw())
        assert slow.waited_s > 0.8 * STEPS * pause
        assert quick.waited_s < 0.3 * STEPS * pause
        once = slow.waited_s
        _all(slow, *_draw())
        assert slow.waited_s > 1.5 * once

    def test_nobody_waits_for_resident_records(self, records: Records) -> None:
        source = Resident(records, CPU)
        _all(source, *_draw())
        assert source.waited_s == 0


class TestChooseSource:
    RECORDS = Records(SIGNALS, SHAPE, CHOSEN)

    @classmethod
    def _chosen(cls, processes: int = 1, **engine: Any) -> str:
        return choose_source(cls.RECORDS, CPU, EngineSettings(**engine), processes).kind

    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
        """Say how much memory is free."""
        return lambda free: monkeypatch.setattr(placement, "available_memory", lambda device: free)

    def test_forced(self, free: Callable[[int | None], None]) -> None:
        free(10**12)
        assert self._chosen(records="stream") == "stream"
        free(0)
        assert self._chosen(records="resident", memory_gb=1e-12) == "resident"

    def test_auto_keeps_to_a_given_budget(self, free: Callable[[int | None], None]) -> None:
        size = self.RECORDS.nbytes
        free(0)
        assert self._chosen(memory_gb=(size + 1) / 1e9) == "resident"
        free(10**12)
        assert self._chosen(memory_gb=(size - 1) / 1e9) == "stream"

    @pytest.mark.parametrize("processes", [1, 3])
    def test_auto_takes_half_of_what_is_free(
        self, free: Callable[[int | None], None], processes: int
    ) -> None:
        enough = 2 * processes * self.RECORDS.nbytes
        free(enough)
        assert self._chosen(processes) == "resident"
        free(enough - 1)
        assert self._chosen(processes) == "stream"

    def test_auto_where_free_memory_is_unknown(self, free: Callable[[int | None], None]) -> None:
        free(None)
        assert self._chosen() == "resident"

    def test_auto_goes_on_without_when_the_memory_is_not_there_after_all(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(placement, "Resident", _no_memory)
        assert self._chosen() == "stream"
        assert "Reading them ahead" in caplog.text

    def test_forced_resident_without_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(placement, "Resident", _no_memory)
        with pytest.raises(MemoryShortageError, match=r"engine\.records=stream"):
            self._chosen(records="resident")


def _no_memory(*_: Any) -> Resident:
    raise torch.OutOfMemoryError("CUDA out of memory.")


EPOCH = """
import sys
from pathlib import Path
import numpy as np
import torch
from lcd_plugin.pretrain.memory import peak_memory_mb, reset_peak_memory
from lcd_plugin.pretrain.records import Records, Resident, Streamed

cpu, shape = torch.device("cpu"), (2048, 8, 8192)
records = Records(Path(sys.argv[1]), shape, np.arange(shape[0]))
rows = torch.randperm(shape[0]).reshape(-1, 32)
leads = torch.arange(8).expand(*rows.shape, 8)
for make in Streamed, Resident:
    reset_peak_memory(cpu)
    before, read = peak_memory_mb(cpu), 0
    for batch in make(records, cpu).batches(rows, leads):
        read += batch.numel() * 2
    print(peak_memory_mb(cpu) - before, read / 2**20)
"""


@pytest.mark.skipif(not memory.CLEAR_REFS.exists(), reason="peaks are counted where there is /proc")
def test_a_streamed_epoch_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "signals.bin"
    path.touch()
    os.truncate(path, 256 * 2**20)
    done = subprocess.run(
        [sys.executable, "-c", EPOCH, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    (streamed, read), (resident, _) = (
        [float(x) for x in line.split()] for line in done.stdout.splitlines()
    )
    assert read == 256
    assert streamed < 40
    # The measure sees what is there to be seen.
    assert resident > 200
