"""Memory: what is counted, and what is said when there is too little."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.errors import MemoryShortageError
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.pretrain import memory
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings

CPU = torch.device("cpu")
ADVICE = "Buy more memory."


def test_peak_memory_is_that_since_the_reset() -> None:
    if not memory.STATUS.exists():
        pytest.skip("the kernel's high-water mark is only known where there is /proc")
    # As in a run, and in this process too if a test has made one before.
    memory.keep_freed_memory()
    memory.reset_peak_memory(CPU)
    before = memory.peak_memory_mb(CPU)
    torch.ones(64 * 2**20, dtype=torch.uint8).sum()
    during = memory.peak_memory_mb(CPU)
    assert during > before + 50
    memory.reset_peak_memory(CPU)
    assert memory.peak_memory_mb(CPU) < during - 50


class TestEnoughMemory:
    @pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
    def test_shortage_is_one_sentence(self, error: Exception) -> None:
        with pytest.raises(MemoryShortageError) as raised, memory.enough_memory(ADVICE):
            raise error
        assert str(raised.value) == ADVICE
        assert raised.value.__cause__ is error

    def test_what_torch_says_when_the_host_has_none(self) -> None:
        with pytest.raises(MemoryShortageError) as raised, memory.enough_memory(ADVICE):
            torch.empty(1 << 60, dtype=torch.uint8)
        assert str(raised.value) == ADVICE

    def test_what_numpy_says_when_the_host_has_none(self) -> None:
        with pytest.raises(MemoryShortageError), memory.enough_memory(ADVICE):
            np.zeros(1 << 60, np.uint8)

    @pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("no")])
    def test_other_errors_stay_what_they_are(self, error: Exception) -> None:
        with pytest.raises(type(error)) as raised, memory.enough_memory(ADVICE):
            raise error
        assert raised.value is error


class _Features(nn.Module):
    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def forward(self, signals: Tensor) -> Tensor:
        features: Tensor = self.layer(signals[:, 0])
        return features


class _Greedy(Method):
    views = "a"

    def training_step(self, views: list[Tensor]) -> StepOutput:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def test_a_step_that_does_not_fit_names_the_batch_size() -> None:
    with pytest.raises(MemoryShortageError, match=r"step of 6 records .*--batch-size") as raised:
        pretrain(
            lambda: _Greedy(_Features()),
            np.ones((12, 1, 16), np.float16),
            PretrainSettings(epochs=1, batch_size=6),
            ViewSettings(),
            seed=0,
            device=CPU,
            precision="fp32",
        )
    assert "Tried to allocate" not in str(raised.value)


class TestAvailableMemory:
    @pytest.fixture(autouse=True)
    def _no_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "CGROUPS", ())

    @pytest.fixture
    def group(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
        """Files of a control group that are not there yet, after another that never is."""
        files = (tmp_path / "memory.max", tmp_path / "memory.current")
        missing = (tmp_path / "missing.max", tmp_path / "missing.current")
        monkeypatch.setattr(memory, "CGROUPS", (missing, files))
        return files

    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
        """A machine with 3000 kB to spare."""
        path = tmp_path / "meminfo"
        path.write_text("MemTotal: 9000 kB\nMemFree: 1000 kB\nMemAvailable:    3000 kB\n")
        monkeypatch.setattr(memory, "MEMINFO", path)
        return 3000 * 1024

    @pytest.mark.skipif(not memory.MEMINFO.exists(), reason="needs /proc/meminfo")
    def test_is_what_the_kernel_says(self) -> None:
        said = re.search(r"^MemAvailable:\s*(\d+) kB$", memory.MEMINFO.read_text(), re.MULTILINE)
        assert said
        assert memory.available_memory(CPU) == pytest.approx(1024 * int(said[1]), rel=0.2)

    def test_is_what_the_machine_has(self, machine: int, group: tuple[Path, Path]) -> None:
        assert memory.available_memory(CPU) == machine

    def test_is_no_more_than_the_groups_limit_leaves(
        self, machine: int, group: tuple[Path, Path]
    ) -> None:
        limit, used = group
        used.write_text("600000\n")
        for text, expected in (
            ("1000000\n", 400_000),
            ("100000\n", 0),  # over its limit
            (f"{2**63 - 4096}\n", machine),  # no limit in version 1
            ("max\n", machine),  # no limit in version 2
        ):
            limit.write_text(text)
            assert memory.available_memory(CPU) == expected

    def test_may_be_unknown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "missing")
        assert memory.available_memory(CPU) is None


FAULTS = """
import resource
import torch
from lcd_plugin.pretrain.memory import keep_freed_memory

def faults():
    # The first few widen the heap, until there is a place that each of the others fits into.
    for i in range(30):
        if i == 20:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(64 * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), keep_freed_memory(), faults())
"""


def test_freed_memory_is_kept() -> None:
    """In a process of its own, as it stays so to the end."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    before, kept, after = done.stdout.split()
    assert kept in ("True", "False")
    if kept == "False":
        pytest.skip("the C library is another one")
    # Even with pages of 2 MB.
    assert int(before) > 10 * 64 * 2**20 / os.sysconf("SC_PAGE_SIZE") / 512
    assert int(after) < 0.2 * int(before)


def test_freed_memory_is_not_kept_where_the_library_is_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
