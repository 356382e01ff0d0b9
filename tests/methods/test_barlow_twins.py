"""Barlow Twins against the formula of its paper, in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lcd_plugin import create_encoder
from lcd_plugin.methods.barlow_twins import BarlowTwins, BarlowTwinsConfig


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_the_loss_is_that_of_the_paper(weight: float) -> None:
    torch.manual_seed(0)
    config = BarlowTwinsConfig(hidden_dim=12, output_dim=10, lambda_param=weight)
    method = BarlowTwins(create_encoder("vgg16_1d", width=0.05), config).double().train()
    views = [torch.randn(9, 1, 64, dtype=torch.float64) for _ in range(2)]
    with torch.no_grad():
        z_a, z_b = (method.projector(method.encoder(x)).numpy() for x in views)

    a, b = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (z_a, z_b))
    expected = 0.0
    for i in range(10):
        for j in range(10):
            correlation = np.mean(a[:, i] * b[:, j])
            expected += (1 - correlation) ** 2 if i == j else weight * correlation**2
    assert method.training_step(views).loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bad", [{"hidden_dim": 0}, {"output_dim": 1}, {"lambda_param": -0.1}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        BarlowTwinsConfig(**bad)
