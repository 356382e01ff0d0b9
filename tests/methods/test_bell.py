"""BELL from its formula, and as the half of LCD that it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.bell import BELL, BELLConfig
from lcd_plugin.methods.lcd import LCD, LCDConfig

SIZES = {"hidden_dim": 12, "output_dim": 10}


def _method(**settings: float) -> BELL:
    torch.manual_seed(0)
    made = BELL(create_encoder("vgg16_1d", width=0.05), BELLConfig(**SIZES, **settings)).double()
    # A target unlike the online network, or mixing them up would not show.
    for p in made.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return made.train()


def _views() -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 64, dtype=torch.float64, generator=draw) for _ in range(3)]


def test_both_leads_are_drawn_to_the_first_ones_target() -> None:
    method, views = _method(intra_lead=0.5, inter_lead=2.0), _views()
    with torch.no_grad():
        p = [method.predictor(method.projector(method.encoder(v))).numpy() for v in views[:2]]
        t = method.target_projector(method.target_encoder(views[2])).numpy()
    t = t / np.linalg.norm(t, axis=1, keepdims=True)
    distances = [
        np.mean(np.sum((x / np.linalg.norm(x, axis=1, keepdims=True) - t) ** 2, axis=1)) for x in p
    ]
    output = method.training_step(views)
    assert output.terms["intra_correlation"].item() == pytest.approx(0.5 * distances[0])
    assert output.terms["inter_correlation"].item() == pytest.approx(2.0 * distances[1])
    assert output.loss.item() == pytest.approx(0.5 * distances[0] + 2.0 * distances[1])


def test_it_is_lcd_without_decorrelation() -> None:
    bell = _method()
    config = LCDConfig(**SIZES, gamma=0.0)
    lcd = LCD(create_encoder("vgg16_1d", width=0.05), config).double().train()
    lcd.load_state_dict(bell.state_dict())
    for seed in range(3):
        torch.manual_seed(seed)
        views = [torch.randn_like(v) for v in _views()]
        ours, theirs = bell.training_step(views).loss, lcd.training_step(views).loss
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
        for method, loss in ((bell, ours), (lcd, theirs)):
            trained = [p for p in method.parameters() if p.requires_grad]
            for p, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
                p.data -= 0.01 * gradient
            method.after_step()


def test_target_follows_the_online_network_slowly() -> None:
    method = _method(momentum=0.9)
    before = [p.clone() for p in method.target_projector.parameters()]
    method.after_step()
    for old, online, new in zip(
        before, method.projector.parameters(), method.target_projector.parameters(), strict=True
    ):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * online)
