"""The precision that `auto` chooses, and that a CPU is measured only once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lcd_plugin.pretrain import device as devices

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is remembered in; it is not there yet."""
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "precision.json"


class _Processor:
    """A processor with or without bf16, and how often it was measured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gain = 2.0
        self.measured = 0
        self._patch = monkeypatch
        monkeypatch.setattr(devices, "bf16_gain", self._measure)
        self.has_bf16(True)

    def has_bf16(self, has: bool) -> None:
        self._patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has, raising=False)

    def _measure(self) -> float:
        self.measured += 1
        return self.gain


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> _Processor:
    return _Processor(monkeypatch)


@pytest.mark.parametrize(
    ("gain", "expected"), [(2.0, "bf16"), (1.2, "bf16"), (1.01, "fp32"), (0.5, "fp32")]
)
def test_a_worthwhile_gain_decides_and_is_remembered(
    processor: _Processor, cache: Path, gain: float, expected: str
) -> None:
    processor.gain = gain
    assert devices.choose_precision("auto", CPU) == expected
    assert list(json.loads(cache.read_text()).values()) == [expected]
    # Were it measured again, it would come out otherwise.
    processor.gain = 1 / gain
    assert devices.choose_precision("auto", CPU) == expected
    assert processor.measured == 1


def test_what_was_asked_for_is_not_measured(processor: _Processor, cache: Path) -> None:
    assert devices.choose_precision("fp32", CPU) == "fp32"
    assert devices.choose_precision("bf16", CPU) == "bf16"
    assert processor.measured == 0
    assert not cache.exists()


def test_without_hardware_for_it_nothing_is_measured(processor: _Processor, cache: Path) -> None:
    processor.has_bf16(False)
    assert devices.choose_precision("auto", CPU) == "fp32"
    assert processor.measured == 0
    assert not cache.exists()


def test_a_torch_that_cannot_tell(
    processor: _Processor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert devices.choose_precision("auto", CPU) == "fp32"
    assert processor.measured == 0


def test_another_machine_is_measured_for_itself(
    processor: _Processor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "processor", lambda: "one")
    assert devices.choose_precision("auto", CPU) == "bf16"
    monkeypatch.setattr(devices, "processor", lambda: "other")
    processor.gain = 1.0
    assert devices.choose_precision("auto", CPU) == "fp32"
    monkeypatch.setattr(devices, "processor", lambda: "one")
    assert devices.choose_precision("auto", CPU) == "bf16"
    assert processor.measured == 2
    assert sorted(json.loads(cache.read_text()).values()) == ["bf16", "fp32"]


def test_another_number_of_threads_is_measured_for_itself(
    processor: _Processor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in (1, 16):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        devices.choose_precision("auto", CPU)
    assert processor.measured == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe\x00", b'{"a": []}'])
def test_a_damaged_file_is_replaced(processor: _Processor, cache: Path, content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert devices.choose_precision("auto", CPU) == "bf16"
    assert "bf16" in json.loads(cache.read_text()).values()
    assert devices.choose_precision("auto", CPU) == "bf16"
    assert processor.measured == 1


def test_a_value_that_is_no_precision_is_replaced(processor: _Processor, cache: Path) -> None:
    devices.choose_precision("auto", CPU)
    (machine,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({machine: "fp8"}))
    assert devices.choose_precision("auto", CPU) == "bf16"
    assert json.loads(cache.read_text()) == {machine: "bf16"}


def test_a_folder_that_cannot_be_written_to(
    processor: _Processor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        assert devices.choose_precision("auto", CPU) == "bf16"
    assert processor.measured == 2


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_is_asked_and_not_measured(
    processor: _Processor,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_bf16: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert devices.choose_precision("auto", torch.device("cuda")) == expected
    assert processor.measured == 0


def test_the_measurement_is_a_ratio_of_times() -> None:
    before = torch.get_rng_state()
    gain = devices.bf16_gain()
    assert 1e-3 < gain < 1e3
    torch.set_rng_state(before)
