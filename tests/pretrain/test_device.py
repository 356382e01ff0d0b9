from __future__ import annotations

from typing import Literal

import pytest
import torch

from lcd_plugin.errors import ConfigError
from lcd_plugin.pretrain import device as devices

CPU = torch.device("cpu")


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
