"""What the host expects of every pretraining method; a method is tested by being registered."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin import MultiLeadViews, create_encoder
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import METHODS

NAMES = [name for name in METHODS.names() if METHODS.spec(name).kind == "pretraining"]
WIDTH = 0.05
BATCH, LEADS, TIME = 24, 3, 128

pytestmark = pytest.mark.parametrize("name", NAMES)


def _method(name: str, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    method: Method = METHODS.load(name)(create_encoder("vgg16_1d", width=WIDTH))
    return method.train()


def _records() -> Tensor:
    """Every record has a rhythm and a shape of its own, seen by every lead in its own way."""
    draw = torch.Generator().manual_seed(0)
    time = torch.linspace(0, 1, TIME)
    rates = torch.linspace(2, 25, BATCH)[:, None, None]
    phase = torch.rand(BATCH, LEADS, 1, generator=draw) * 6.28
    gain = 0.5 + torch.rand(BATCH, LEADS, 1, generator=draw)
    sharp = 1 + 3 * torch.rand(BATCH, 1, 1, generator=draw)
    waves = torch.tanh(sharp * torch.sin(6.28 * rates * time + phase)) * gain
    return waves + 0.05 * torch.randn(BATCH, LEADS, TIME, generator=draw)


def _views(method: Method, seed: int = 0) -> list[Tensor]:
    return MultiLeadViews(method.views)(_records(), torch.Generator().manual_seed(seed))


def _losses(method: Method, steps: int) -> list[float]:
    trained = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-3)
    losses = []
    for step in range(steps):
        output = method.training_step(_views(method, step))
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
        method.after_step()
        losses.append(output.loss.item())
    return losses


def test_step_gives_a_finite_scalar_and_named_terms(name: str) -> None:
    method = _method(name)
    output = method.training_step(_views(method))
    assert isinstance(output, StepOutput)
    assert output.loss.shape == ()
    assert torch.isfinite(output.loss)
    for term, value in output.terms.items():
        assert value.shape == (), term
        assert torch.isfinite(value), term
    assert "loss" not in output.terms


def test_views_are_left_as_they_were(name: str) -> None:
    method = _method(name)
    views = _views(method)
    before = [v.clone() for v in views]
    method.training_step(views)
    assert all(torch.equal(v, b) for v, b in zip(views, before, strict=True))


def test_gradients_reach_all_that_is_trained_and_nothing_else(name: str) -> None:
    method = _method(name)
    method.training_step(_views(method)).loss.backward()
    for parameter_name, p in method.named_parameters():
        if not p.requires_grad:
            assert p.grad is None, parameter_name
            continue
        assert p.grad is not None, parameter_name
        assert torch.isfinite(p.grad).all(), parameter_name
        # A bias before batch norm has no influence; every matrix and kernel has.
        assert p.dim() < 2 or p.grad.any(), parameter_name
    assert all(p.requires_grad for p in method.encoder.parameters())


def test_encoder_given_is_the_encoder_trained(name: str) -> None:
    torch.manual_seed(0)
    encoder = create_encoder("vgg16_1d", width=WIDTH)
    method: Method = METHODS.load(name)(encoder)
    before = copy.deepcopy(encoder.state_dict())
    _losses(method.train(), steps=1)
    assert method.encoder is encoder
    assert any(not torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_equal_seeds_give_equal_losses(name: str) -> None:
    first = _losses(_method(name, seed=1), steps=3)
    assert _losses(_method(name, seed=1), steps=3) == first
    assert _losses(_method(name, seed=2), steps=3) != first


def test_loss_falls(name: str) -> None:
    """On draws of views that training does not see, each compared with itself: free of scale."""
    method = _method(name)

    def on_other_draws() -> list[float]:
        frozen = copy.deepcopy(method)
        with torch.no_grad():
            return [frozen.training_step(_views(method, 100 + i)).loss.item() for i in range(6)]

    before = on_other_draws()
    _losses(method, steps=30)
    assert all(x < y for x, y in zip(on_other_draws(), before, strict=True))


def test_bf16_loss_is_near_the_float32_loss(name: str) -> None:
    method = _method(name)
    views = _views(method)
    exact = copy.deepcopy(method).training_step(views).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = method.training_step(views)
    output.loss.backward()
    assert output.loss.dtype == torch.float32
    assert output.loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert all(p.grad.dtype == torch.float32 for p in method.parameters() if p.grad is not None)


def test_settings_are_frozen_and_unknown_keys_refused(name: str) -> None:
    config_class = METHODS.load(name).config_class
    with pytest.raises(ValidationError, match="no_such_setting"):
        config_class(no_such_setting=1)
    config = config_class()
    if config_class.model_fields:
        key = next(iter(config_class.model_fields))
        with pytest.raises(ValidationError):
            setattr(config, key, getattr(config, key))


def test_settings_survive_json(name: str) -> None:
    config = METHODS.load(name).config_class()
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_state_round_trip(name: str) -> None:
    trained = _method(name, seed=0)
    _losses(trained, steps=2)
    other = _method(name, seed=1)
    views = _views(trained, seed=7)
    other.load_state_dict(trained.state_dict())
    torch.manual_seed(3)
    expected = trained.training_step(views).loss
    torch.manual_seed(3)
    assert other.training_step(views).loss.item() == expected.item()
