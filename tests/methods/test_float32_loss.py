"""Losses that the host's precision does not reach, of tensors and of lists of them."""

from __future__ import annotations

import pytest
import torch
from lightly.loss import FroSSLLoss
from torch import Tensor, nn

from lcd_plugin.methods.base import Float32Loss


class SaysItsPrecision(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (a @ b).sum()


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_never_below_float32(given: torch.dtype, computed: torch.dtype) -> None:
    x = torch.eye(3, dtype=given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Float32Loss(SaysItsPrecision())(x, x).dtype == computed
        assert SaysItsPrecision()(x.float(), x.float()).dtype == torch.bfloat16


def test_a_loss_of_a_list_of_views() -> None:
    torch.manual_seed(0)
    views = [torch.randn(8, 4).bfloat16() for _ in range(2)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = Float32Loss(FroSSLLoss())(views)
    assert value.dtype == torch.float32
    assert value.item() == FroSSLLoss()([v.float() for v in views]).item()
