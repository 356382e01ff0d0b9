"""The masked latent predictor against loops over positions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lcd_plugin.methods.jepa1d as module
from lcd_plugin import create_encoder
from lcd_plugin.methods.jepa1d import JEPA1d, JEPA1dConfig


def _method(name: str = "vgg16_1d", leads: int = 1, **settings: Any) -> JEPA1d:
    torch.manual_seed(0)
    encoder = create_encoder(name, in_leads=leads, width=0.05)
    method = JEPA1d(encoder, JEPA1dConfig(hidden_dim=12, **settings)).double().train()
    # A target unlike the online network, or mixing them up would not show.
    for p in method.target_encoder.parameters():
        p.data += 0.1 * torch.randn_like(p)
    nn.init.normal_(method.token)
    return method


def _view(leads: int = 1, time: int = 500) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(6, leads, time, dtype=torch.float64, generator=draw)


@pytest.fixture
def mask(monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """A mask of 15 positions of 32 samples that every step uses."""
    made = torch.rand(6, 15, generator=torch.Generator().manual_seed(2)) < 0.5
    monkeypatch.setattr(module, "draw_span_mask", lambda *_: made)
    return made


def _hidden_samples(mask: Tensor) -> Tensor:
    return F.pad(mask.repeat_interleave(32, dim=1), (0, 20))[:, None]


@pytest.mark.parametrize("leads", [1, 3])
def test_loss_is_smooth_l1_at_hidden_positions(leads: int, mask: Tensor) -> None:
    method, view = _method(leads=leads), _view(leads)
    with torch.no_grad():
        features = method.encoder.forward_features(view * ~_hidden_samples(mask))
        for record, position in mask.nonzero().tolist():
            features[record, :, position] = method.token[:, 0]
        predicted = method.predictor(features).numpy()
        targets = method.target_encoder.forward_features(view).numpy()
    terms = []
    for record, position in mask.nonzero().tolist():
        t = targets[record, :, position]
        t = (t - t.mean()) / np.sqrt(t.var() + 1e-5)
        distance = abs(predicted[record, :, position] - t)
        terms.append(np.where(distance < 1, distance**2 / 2, distance - 0.5).mean())
    loss = method.training_step([view]).loss.item()
    assert loss == pytest.approx(np.mean(terms), rel=1e-5)


def _prediction(method: JEPA1d, view: Tensor) -> Tensor:
    kept = []
    handle = method.predictor.register_forward_hook(lambda *args: kept.append(args[2].detach()))
    method.training_step([view])
    handle.remove()
    return kept[0]


def test_what_is_hidden_cannot_be_seen_by_the_predictor(mask: Tensor) -> None:
    method, view, hidden = _method(), _view(), _hidden_samples(mask)
    noise = torch.randn_like(view)
    before = _prediction(method, view)
    assert torch.equal(_prediction(method, view + noise * hidden), before)
    assert not torch.equal(_prediction(method, view + noise * ~hidden), before)


def test_the_target_sees_the_whole_record(mask: Tensor) -> None:
    method, view = _method(), _view()
    seen: list[Tensor] = []
    network = method.target_encoder.forward_features
    method.target_encoder.forward_features = lambda x: seen.append(x) or network(x)
    method.training_step([view])
    assert len(seen) == 1
    assert torch.equal(seen[0], view)


def test_predictions_outside_the_mask_get_no_gradient(mask: Tensor) -> None:
    method = _method()
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, predicted: Tensor) -> None:
        predicted.retain_grad()
        kept.append(predicted)

    method.predictor.register_forward_hook(keep)
    method.training_step([_view()]).loss.backward()
    assert kept[0].grad is not None
    assert torch.equal(kept[0].grad.abs().sum(dim=1) > 0, mask)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_target_follows_the_encoder(momentum: float) -> None:
    method = _method(momentum=momentum)
    before = copy.deepcopy(method.target_encoder)
    method.after_step()
    moved = zip(
        method.target_encoder.parameters(),
        before.parameters(),
        method.encoder.parameters(),
        strict=True,
    )
    for target, was, online in moved:
        assert not target.requires_grad
        torch.testing.assert_close(target.data, momentum * was + (1 - momentum) * online.data)


def test_more_positions_than_the_mask_has_are_not_hidden() -> None:
    """This encoder rounds up: 500 samples are 16 positions, the mask has 15."""
    method, view = _method("resnet1d18"), _view()
    assert method.encoder.forward_features(view).shape[2] == 16
    assert torch.isfinite(method.training_step([view]).loss)


def test_equal_seeds_hide_the_same_and_settings_count() -> None:
    def loss(seed: int, **settings: Any) -> float:
        method = _method(**settings)
        torch.manual_seed(seed)
        return method.training_step([_view()]).loss.item()

    assert loss(1) == loss(1)
    others = [loss(2), loss(1, mask_ratio=0.2), loss(1, span=5)]
    assert len({loss(1), *others}) == 4
