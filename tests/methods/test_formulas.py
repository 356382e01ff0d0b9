"""Losses of the built-in methods from the formulas of their papers, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.base import Method
from lcd_plugin.plugins import METHODS

Array = NDArray[np.float64]
SIZES = {"hidden_dim": 12, "output_dim": 10}


def _method(name: str, **settings: Any) -> Method:
    torch.manual_seed(0)
    made = METHODS.load(name)
    method: Method = made(
        create_encoder("vgg16_1d", width=0.05), made.config_class(**SIZES, **settings)
    )
    return method.double().train()


def _views(n: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(n)]


def _project(method: Method, view: Tensor, *modules: str) -> Array:
    with torch.no_grad():
        x = view
        for module in modules:
            x = getattr(method, module)(x)
    array: Array = x.numpy()
    return array


def _cosines(x: Array, y: Array) -> Array:
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    return x @ y.T


def test_simclr() -> None:
    temperature = 0.2
    method = _method("simclr", temperature=temperature)
    views = _views(2)
    z = np.concatenate([_project(method, v, "encoder", "projector") for v in views])
    similar = np.exp(_cosines(z, z) / temperature)
    n = len(z) // 2
    terms = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = sum(similar[i, k] for k in range(2 * n) if k != i)
        terms.append(-np.log(similar[i, partner] / others))
    loss = method.training_step(views).loss.item()
    assert loss == pytest.approx(np.mean(terms), rel=1e-6)


def test_byol() -> None:
    method = _method("byol")
    # A target unlike the online network, or mixing them up would not show.
    for p in method.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    views = _views(2)
    p = [_project(method, v, "encoder", "projector", "predictor") for v in views]
    t = [_project(method, v, "target_encoder", "target_projector") for v in views]
    expected = sum(np.mean(np.sum((_unit(p[i]) - _unit(t[1 - i])) ** 2, axis=1)) for i in range(2))
    assert method.training_step(views).loss.item() == pytest.approx(expected, rel=1e-6)


def _unit(x: Array) -> Array:
    unit: Array = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit


def test_vicreg() -> None:
    method = _method("vicreg", invariance=10.0, variance=20.0, covariance=3.0)
    views = _views(2)
    z = [_project(method, v, "encoder", "projector") for v in views]
    invariance = np.mean((z[0] - z[1]) ** 2)
    variance = np.mean([np.maximum(0, 1 - np.sqrt(x.var(axis=0, ddof=1) + 1e-4)).mean() for x in z])
    covariance = 0.0
    for x in z:
        c = np.cov(x, rowvar=False)
        covariance += (np.sum(c**2) - np.sum(np.diag(c) ** 2)) / x.shape[1]
    expected = 10 * invariance + 20 * variance + 3 * covariance
    assert method.training_step(views).loss.item() == pytest.approx(expected, rel=1e-6)


def test_lcd() -> None:
    gamma, lambda_param = 0.05, 0.01
    method = _method("lcd", gamma=gamma, lambda_param=lambda_param)
    for p in method.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    views = _views(3)
    z_a, z_b = (_project(method, v, "encoder", "projector") for v in views[:2])
    p_a, p_b = (_project(method, v, "encoder", "projector", "predictor") for v in views[:2])
    t_a = _project(method, views[2], "target_encoder", "target_projector")
    z = np.concatenate([z_a, z_b], axis=1)
    z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
    c = z.T @ z / len(z)
    diagonal = np.diag(c)
    decorrelation = gamma * (
        np.sum((diagonal - 1) ** 2) + lambda_param * (np.sum(c**2) - np.sum(diagonal**2))
    )
    intra, inter = (np.mean(2 - 2 * np.diag(_cosines(p, t_a))) for p in (p_a, p_b))

    output = method.training_step(views)

    terms = {name: value.item() for name, value in output.terms.items()}
    assert terms["intra_correlation"] == pytest.approx(intra, rel=1e-6)
    assert terms["inter_correlation"] == pytest.approx(inter, rel=1e-6)
    both = terms["intra_decorrelation"] + terms["inter_decorrelation"]
    assert both == pytest.approx(decorrelation, rel=1e-6)
    assert output.loss.item() == pytest.approx(intra + inter + decorrelation, rel=1e-6)


@pytest.mark.parametrize(
    "mechanism",
    ["intra_correlation", "inter_correlation", "intra_decorrelation", "inter_decorrelation"],
)
def test_lcd_mechanisms_can_be_switched_off(mechanism: str) -> None:
    views = _views(3)
    full = _method("lcd").training_step(views)
    less = _method("lcd", **{mechanism: 0.0}).training_step(views)
    assert less.terms[mechanism].item() == 0
    assert less.loss.item() == pytest.approx((full.loss - full.terms[mechanism]).item())


@pytest.mark.parametrize("name", ["lcd", "byol"])
class TestMovingAverage:
    @pytest.mark.parametrize("momentum", [0.0, 0.9, 0.996, 1.0])
    def test_parameters_move_and_buffers_do_not(self, name: str, momentum: float) -> None:
        method = _method(name, momentum=momentum)
        pairs = {
            "encoder": method.target_encoder,
            "projector": method.target_projector,
        }
        torch.manual_seed(5)
        for online, target in pairs.items():
            for tensor in (*getattr(method, online).parameters(), *target.parameters()):
                tensor.data = torch.randn_like(tensor)
            for tensor in (*getattr(method, online).buffers(), *target.buffers()):
                tensor.copy_(torch.rand_like(tensor.double()) * 9)
        before = {k: v.clone() for k, v in method.state_dict().items()}

        method.after_step()

        parameters = {k for k, _ in method.named_parameters()}
        for key, value in method.state_dict().items():
            if key.startswith("target_") and key in parameters:
                online = before[key.removeprefix("target_")]
                expected = momentum * before[key] + (1 - momentum) * online
                torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
            else:
                assert torch.equal(value, before[key]), key

    def test_target_starts_equal_and_is_not_trained(self, name: str) -> None:
        method = _method(name)
        for online, target in (
            (method.encoder, method.target_encoder),
            (method.projector, method.target_projector),
        ):
            for p, t in zip(online.parameters(), target.parameters(), strict=True):
                assert torch.equal(p, t)
                assert p.data_ptr() != t.data_ptr()
                assert not t.requires_grad

    def test_target_keeps_batch_norm_statistics_of_its_own(self, name: str) -> None:
        method = _method(name)
        mean = next(method.target_encoder.buffers())
        before = mean.clone()
        method.training_step(_views(len(method.views)))
        assert not torch.equal(mean, before)


@pytest.mark.parametrize(
    "name", [n for n in METHODS.names() if METHODS.spec(n).kind != "pretraining"]
)
def test_baselines_have_nothing_to_train_on(name: str) -> None:
    method = METHODS.load(name)(create_encoder("vgg16_1d", width=0.05))
    with pytest.raises(TypeError, match="no self-supervised training step"):
        method.training_step(_views(1))
