"""Masked reconstruction against loops over samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lcd_plugin.methods.mae1d as module
from lcd_plugin import create_encoder
from lcd_plugin.methods.mae1d import MAE1d, MAE1dConfig


class Rounding(nn.Module):
    """Positions of eight samples, the last one of what is left of the record."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, 6, kernel_size=8, stride=8)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.layer(nn.functional.pad(x, (0, -x.shape[2] % 8))).tanh()
        return features


def _method(encoder: nn.Module, **settings: Any) -> MAE1d:
    torch.manual_seed(0)
    return MAE1d(encoder, MAE1dConfig(**settings)).double().train()


def _vgg(leads: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return create_encoder("vgg16_1d", in_leads=leads, width=0.05)


def _view(leads: int = 1, time: int = 500) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return 2 + 3 * torch.randn(6, leads, time, dtype=torch.float64, generator=draw)


def _fix_mask(monkeypatch: pytest.MonkeyPatch, mask: Tensor) -> None:
    def given(batch: int, positions: int, *_: Any) -> Tensor:
        assert mask.shape == (batch, positions)
        return mask

    monkeypatch.setattr(module, "draw_span_mask", given)


def _mask(positions: int) -> Tensor:
    return torch.rand(6, positions, generator=torch.Generator().manual_seed(2)) < 0.5


def _naive(method: MAE1d, view: Tensor, mask: Tensor) -> float:
    samples = method.samples
    shown = view.clone()
    for record in range(len(view)):
        for position in range(mask.shape[1]):
            if mask[record, position]:
                shown[record, :, position * samples : (position + 1) * samples] = 0
    with torch.no_grad():
        features = method.encoder.forward_features(shown).numpy()
    weight = method.decoder.weight.detach().numpy()[:, :, 0]
    bias = method.decoder.bias.detach().numpy()
    signals, errors = view.numpy(), []
    for record in range(len(view)):
        for position in np.flatnonzero(mask[record]):
            patches = (weight @ features[record, :, position] + bias).reshape(-1, samples)
            for lead, patch in enumerate(patches):
                x = signals[record, lead]
                wanted = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
                errors += list(abs(patch - wanted[position * samples :][:samples]))
    return float(np.mean(errors))


@pytest.mark.parametrize("leads", [1, 3])
@pytest.mark.parametrize("time", [480, 500])
def test_loss_is_the_mean_error_of_hidden_samples(
    leads: int, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, view, mask = _method(_vgg(leads)), _view(leads, time), _mask(15)
    _fix_mask(monkeypatch, mask)
    # Targets are float32, whatever comes in.
    assert method.training_step([view]).loss.item() == pytest.approx(
        _naive(method, view, mask), rel=1e-5
    )


def test_a_position_that_is_not_full_has_no_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    method, view, mask = _method(Rounding()), _view(time=77), _mask(9)
    assert method.encoder.forward_features(view).shape[2] == 10
    _fix_mask(monkeypatch, mask)
    assert method.training_step([view]).loss.item() == pytest.approx(
        _naive(method, view, mask), rel=1e-5
    )


def _prediction(method: MAE1d, view: Tensor) -> Tensor:
    kept = []
    handle = method.decoder.register_forward_hook(lambda *args: kept.append(args[2].detach()))
    method.training_step([view])
    handle.remove()
    return kept[0]


def test_what_is_hidden_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    method, view, mask = _method(_vgg(2)), _view(2), _mask(15)
    _fix_mask(monkeypatch, mask)
    hidden = torch.nn.functional.pad(mask.repeat_interleave(32, dim=1), (0, 20))[:, None]
    noise = torch.randn_like(view)
    before = _prediction(method, view)
    assert torch.equal(_prediction(method, view + noise * hidden), before)
    assert not torch.equal(_prediction(method, view + noise * ~hidden), before)


def test_predictions_outside_the_mask_get_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    method, view, mask = _method(Rounding()), _view(time=72), _mask(9)
    _fix_mask(monkeypatch, mask)
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, decoded: Tensor) -> None:
        decoded.retain_grad()
        kept.append(decoded)

    method.decoder.register_forward_hook(keep)
    method.training_step([view]).loss.backward()
    assert kept[0].grad is not None
    assert torch.equal(kept[0].grad.abs().sum(dim=1) > 0, mask)


def test_amplitude_and_offset_of_a_lead_do_not_change_its_target() -> None:
    view = _view(3).float()
    same = module.standardise(view * torch.tensor([0.5, 2.0, 30.0])[:, None] + 7)
    torch.testing.assert_close(same, module.standardise(view), rtol=1e-3, atol=1e-3)
    assert torch.equal(module.standardise(torch.full((2, 1, 64), 3.0)), torch.zeros(2, 1, 64))


def test_equal_seeds_hide_the_same_and_settings_count() -> None:
    def loss(seed: int, **settings: Any) -> float:
        method = _method(_vgg(), **settings)
        torch.manual_seed(seed)
        return method.training_step([_view()]).loss.item()

    assert loss(1) == loss(1)
    others = [loss(2), loss(1, mask_ratio=0.2), loss(1, span=5)]
    assert len({loss(1), *others}) == 4
