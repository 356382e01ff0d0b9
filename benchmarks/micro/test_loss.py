"""The loss of LCD on ready projections: `LCDLoss` against the plain formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from naive.pipeline import OUTPUT, NaiveMethod
from torch import Tensor, nn
from work import Work

from lcd_plugin.losses import LCDLoss

# Milliseconds each, so several make a round.
ITERATIONS = 10


def plain_formula() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The naive method with nothing before its loss: what it takes for views are projections."""
    method = NaiveMethod("lcd")
    method.encoder = method.target_encoder = nn.Flatten()  # type: ignore[assignment]
    method.projector = method.target_projector = method.predictor = nn.Identity()
    return lambda *z: method._lcd([x[:, None] for x in z], 0, 0)


@pytest.mark.parametrize("part", ["forward", "forward and backward"])
def test_loss(timed: Callable[..., Any], work: Work, side: str, part: str) -> None:
    """Projections of two leads and a target, 512 wide; predictions are the projections."""
    torch.manual_seed(0)
    z_a, z_b, t_a = torch.randn(3, work.batch, OUTPUT, device=work.device).unbind()
    for z in (z_a, z_b):
        z.requires_grad_()
    plain, ours = plain_formula(), LCDLoss()

    def loss(of: str) -> Tensor:
        return plain(z_a, z_b, t_a) if of == "naive" else ours(z_a, z_b, z_a, z_b, t_a)

    def call() -> Tensor:
        value = loss(side)
        if part != "forward":
            torch.autograd.grad(value, (z_a, z_b))
        return value

    timed(f"loss, {part}", call, ITERATIONS)
    torch.testing.assert_close(loss("naive"), loss("engine"), rtol=1e-4, atol=1e-4)
