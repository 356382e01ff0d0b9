from __future__ import annotations

from typing import Literal

import pytest
import torch

from lcd_plugin.errors import ConfigError
from lcd_plugin.pretrain import device as devices

CPU = torch.device("cpu")


def test_peak_memory_is_that_since_the_reset() -> None:
    if not devices.STATUS.exists():
        pytest.skip("the kernel's high-water mark is only known where there is /proc")
    devices.reset_peak_memory(CPU)
    before = devices.peak_memory_mb(CPU)
    torch.ones(64 * 2**20, dtype=torch.uint8).sum()
    during = devices.peak_memory_mb(CPU)
    assert during > before + 50
    devices.reset_peak_memory(CPU)
    assert devices.peak_memory_mb(CPU) < during - 50


@pytest.mark.parametrize(("has_gpu", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_if_there_is_one(
    has_gpu: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert devices.choose_device("auto").type == expected
    assert devices.choose_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA device"):
        devices.choose_device("cuda")


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_a_precision_that_was_asked_for_is_kept(asked: Literal["fp32", "bf16"]) -> None:
    assert devices.choose_precision(asked, CPU) == asked


def test_auto_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_bf16, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has_bf16: has)
        assert devices.choose_precision("auto", CPU) == expected
