"""Lead-fusion Barlow Twins from its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.lfbt import LFBT, LFBTConfig

Array = NDArray[np.float64]


def _method(**settings: float) -> LFBT:
    torch.manual_seed(0)
    config = LFBTConfig(hidden_dim=12, output_dim=10, **settings)
    return LFBT(create_encoder("vgg16_1d", width=0.05), config).double().train()


def _views() -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(3)]


def _barlow_twins(z_1: Array, z_2: Array, lambda_param: float) -> float:
    unit = [(z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (z_1, z_2)]
    c = unit[0].T @ unit[1] / len(z_1)
    same = np.diag(c)
    return float(np.sum((same - 1) ** 2) + lambda_param * (np.sum(c**2) - np.sum(same**2)))


def test_a_lead_with_itself_and_with_another() -> None:
    method, views = _method(intra_share=0.7, lambda_param=0.02), _views()
    with torch.no_grad():
        z_1, z_2, z_b = (method.projector(method.encoder(v)).numpy() for v in views)
    output = method.training_step(views)
    intra = 0.7 * _barlow_twins(z_1, z_2, 0.02)
    inter = 0.3 * _barlow_twins(z_1, z_b, 0.02)
    assert output.terms["intra_lead"].item() == pytest.approx(intra, rel=1e-6)
    assert output.terms["inter_lead"].item() == pytest.approx(inter, rel=1e-6)
    assert output.loss.item() == pytest.approx(intra + inter, rel=1e-6)


@pytest.mark.parametrize(("share", "unused"), [(1.0, 2), (0.0, 1)])
def test_a_share_of_all_leaves_one_comparison(share: float, unused: int) -> None:
    method, views = _method(intra_share=share), _views()
    loss = method.training_step(views).loss
    views[unused] = torch.randn_like(views[unused])
    assert method.training_step(views).loss.item() == pytest.approx(loss.item(), rel=1e-12)
