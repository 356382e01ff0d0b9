"""SimSiam against the formula of its paper, in numpy and by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.simsiam import SimSiam, SimSiamConfig

SMALL = SimSiamConfig(hidden_dim=12, output_dim=10, bottleneck_dim=5)


def _method() -> SimSiam:
    torch.manual_seed(0)
    return SimSiam(create_encoder("vgg16_1d", width=0.05), SMALL).double().train()


def _views() -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(2)]


def test_the_loss_is_half_the_squared_distance_of_unit_vectors() -> None:
    method = _method()
    with torch.no_grad():
        z = [method.projector(method.encoder(x)) for x in _views()]
        p = [method.predictor(x) for x in z]

    def distance(p: Tensor, z: Tensor) -> float:
        a, b = (x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in (p, z))
        return float(np.mean(np.sum((a - b) ** 2, axis=1)) / 2)

    expected = (distance(p[0], z[1]) + distance(p[1], z[0])) / 2
    assert method.training_step(_views()).loss.item() == pytest.approx(expected, rel=1e-6)


def test_no_gradient_flows_through_the_projection_that_is_predicted() -> None:
    method = _method()
    z: list[Tensor] = []

    def keep(module: object, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        z.append(output)

    method.projector.register_forward_hook(keep)
    method.training_step(_views()).loss.backward()

    # By the predictor alone: the gradient of each term for its own prediction's input.
    for i in range(2):
        leaf = z[i].detach().requires_grad_()
        cosine = torch.cosine_similarity(method.predictor(leaf), z[1 - i].detach())
        (expected,) = torch.autograd.grad(-cosine.mean() / 2, leaf)
        torch.testing.assert_close(z[i].grad, expected)


def test_the_predictor_has_its_bottleneck() -> None:
    shapes = [tuple(p.shape) for p in _method().predictor.parameters() if p.dim() == 2]
    assert shapes == [(5, 10), (10, 5)]


@pytest.mark.parametrize("name", ["hidden_dim", "output_dim", "bottleneck_dim"])
def test_settings_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        SimSiamConfig(**{name: 0})
