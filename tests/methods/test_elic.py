"""ELIC from its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.elic import ELIC, ELICConfig

LAMBDA, TEMPERATURE = 0.02, 0.3


def _method(**settings: float) -> ELIC:
    torch.manual_seed(0)
    config = ELICConfig(
        hidden_dim=12, output_dim=10, temperature=TEMPERATURE, lambda_param=LAMBDA, **settings
    )
    return ELIC(create_encoder("vgg16_1d", width=0.05), config).double().train()


def _views() -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(4)]


def test_contrast_of_two_leads_and_correlation_of_all_dimensions() -> None:
    method, views = _method(invariance_share=0.6), _views()
    with torch.no_grad():
        a, b, again_a, again_b = (method.projector(method.encoder(v)).numpy() for v in views)

    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, again_b)]
    similar = np.exp(unit[0] @ unit[1].T / TEMPERATURE)
    rows, columns = similar.sum(axis=1), similar.sum(axis=0)
    pairs = np.diag(similar)
    invariance = -np.mean(np.log(pairs / rows) + np.log(pairs / columns)) / 2

    z = [np.concatenate(x, axis=1) for x in ((a, b), (again_a, again_b))]
    z = [(x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) for x in z]
    c = z[0].T @ z[1] / len(a)
    same = np.diag(c)
    covariance = np.sum((same - 1) ** 2) + LAMBDA * (np.sum(c**2) - np.sum(same**2))

    output = method.training_step(views)
    assert output.terms["invariance"].item() == pytest.approx(0.6 * invariance, rel=1e-6)
    assert output.terms["covariance"].item() == pytest.approx(0.4 * covariance / 2, rel=1e-6)
    assert output.loss.item() == pytest.approx(sum(t.item() for t in output.terms.values()))


def test_invariance_alone_compares_two_leads_and_nothing_else() -> None:
    method, views = _method(invariance_share=1.0), _views()
    loss = method.training_step(views).loss
    for unused in (1, 2):
        views[unused] = torch.randn_like(views[unused])
    assert method.training_step(views).loss.item() == pytest.approx(loss.item(), rel=1e-12)
