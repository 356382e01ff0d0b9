"""TiCo against the formula of its paper, in numpy, over several steps of its covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.tico import TiCo, TiCoConfig

DIM, BETA, RHO = 6, 0.7, 5.0


def _method(seed: int = 0) -> TiCo:
    torch.manual_seed(seed)
    config = TiCoConfig(hidden_dim=12, output_dim=DIM, beta=BETA, rho=RHO)
    method = TiCo(create_encoder("vgg16_1d", width=0.05), config).double().train()
    # A target unlike the online network, or mixing them up would not show.
    for p in method.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return method


def _views(step: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(step)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(2)]


def _units(x: Tensor) -> NDArray[np.float64]:
    array = x.detach().numpy()
    unit: NDArray[np.float64] = array / np.linalg.norm(array, axis=1, keepdims=True)
    return unit


def test_the_loss_is_that_of_the_paper_with_the_covariance_of_all_steps() -> None:
    method = _method()
    covariance = np.zeros((DIM, DIM))
    for step in range(4):
        views = _views(step)
        with torch.no_grad():
            z = _units(method.projector(method.encoder(views[0])))
            target = _units(method.target_projector(method.target_encoder(views[1])))
        now = sum(np.outer(x, x) for x in z) / len(z)
        covariance = BETA * covariance + (1 - BETA) * now
        agree = np.mean([x @ t for x, t in zip(z, target, strict=True)])
        used = np.mean([x @ covariance @ x for x in z])
        loss = method.training_step(views).loss.item()
        assert loss == pytest.approx(1 - agree + RHO * used, rel=1e-6), step


def test_the_covariance_is_in_the_state() -> None:
    trained, other = _method(seed=0), _method(seed=1)
    for step in range(3):
        trained.training_step(_views(step))
    other.load_state_dict(trained.state_dict())
    for step in range(3, 6):
        assert other.training_step(_views(step)).loss.item() == pytest.approx(
            trained.training_step(_views(step)).loss.item(), rel=1e-12
        )


def test_the_covariance_lives_where_the_method_does() -> None:
    method = TiCo(create_encoder("vgg16_1d", width=0.05)).to("meta")
    assert {b.device.type for b in method.buffers()} == {"meta"}


def test_the_covariance_has_no_gradient() -> None:
    method = _method()
    for step in range(2):  # a graph that was kept would be gone through a second time
        method.training_step(_views(step)).loss.backward()
    assert not any(b.requires_grad for b in method.buffers())


@pytest.mark.parametrize(
    "bad", [{"beta": 1.0}, {"rho": -1}, {"momentum": 1.1}, {"output_dim": 0}, {"hidden_dim": 0}]
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        TiCoConfig(**bad)
