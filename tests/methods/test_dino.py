"""DINO against the formula of its paper, in numpy, over several steps of its centre."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.dino import DINO, DINOConfig
from lcd_plugin.methods.short_views import short_views

SMALL = DINOConfig(
    hidden_dim=12,
    bottleneck_dim=6,
    output_dim=10,
    local_views=3,
    student_temperature=0.2,
    teacher_temperature=0.05,
    center_momentum=0.8,
)


def _method(seed: int = 0) -> DINO:
    torch.manual_seed(seed)
    method = DINO(create_encoder("vgg16_1d", width=0.05), SMALL).double().train()
    # A target unlike the online network, or mixing them up would not show.
    for p in method.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return method


def _views(step: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(step)
    return [torch.randn(9, 1, 256, dtype=torch.float64, generator=draw) for _ in range(2)]


def _softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(x)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def test_the_loss_is_that_of_the_paper_with_the_centre_of_the_steps_before() -> None:
    method = _method()
    center = np.zeros(10)
    for step in range(3):
        long = _views(step)
        torch.manual_seed(step)
        short = short_views(long, SMALL.local_share, SMALL.local_views)
        with torch.no_grad():
            students = [method.projector(method.encoder(x)).numpy() for x in [*long, *short]]
            teachers = [method.target_projector(method.target_encoder(x)).numpy() for x in long]
        terms = [
            -np.mean(np.sum(_softmax((t - center) / 0.05) * np.log(_softmax(s / 0.2)), axis=1))
            for i, t in enumerate(teachers)
            for j, s in enumerate(students)
            if i != j
        ]
        assert len(terms) == 8
        torch.manual_seed(step)
        loss = method.training_step(long).loss.item()
        assert loss == pytest.approx(np.mean(terms), rel=1e-6), step
        center = 0.8 * center + 0.2 * np.mean(teachers, axis=(0, 1))


def test_the_centre_is_in_the_state() -> None:
    trained, other = _method(seed=0), _method(seed=1)
    for step in range(3):
        trained.training_step(_views(step))
    other.load_state_dict(trained.state_dict())
    for step in range(3, 5):
        losses = []
        for method in (trained, other):
            torch.manual_seed(step)
            losses.append(method.training_step(_views(step)).loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_prototypes_have_unit_length_however_they_are_trained() -> None:
    method = _method()
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.1)
    before = method.projector.last_layer.weight.detach().clone()
    for step in range(2):
        optimiser.zero_grad()
        method.training_step(_views(step)).loss.backward()
        optimiser.step()
    after = method.projector.last_layer.weight.detach()
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after.norm(dim=1), torch.ones(10, dtype=torch.float64))


def test_a_method_that_was_trained_can_be_copied() -> None:
    method = _method()
    method.training_step(_views(0)).loss.backward()
    copied = copy.deepcopy(method)
    losses = []
    for m in (method, copied):
        torch.manual_seed(3)
        losses.append(m.training_step(_views(1)).loss.item())
    assert losses[0] == losses[1]


def test_the_target_moves_by_its_momentum_and_is_not_trained() -> None:
    method = _method()
    online, target = method.projector, method.target_projector
    assert not any(p.requires_grad for p in target.parameters())
    pairs = zip(online.parameters(), target.parameters(), strict=True)
    expected = [0.996 * t.clone() + 0.004 * p.detach() for p, t in pairs]
    method.after_step()
    torch.testing.assert_close(list(target.parameters()), expected, rtol=1e-12, atol=1e-12)


def test_it_works_without_short_views() -> None:
    method = DINO(create_encoder("vgg16_1d", width=0.05), DINOConfig(local_views=0))
    assert torch.isfinite(method.training_step([v.float() for v in _views(0)]).loss)


class TestShortViews:
    def test_are_contiguous_pieces_of_the_views_in_turn(self) -> None:
        time = torch.arange(1000.0)
        views = [sign * time.expand(50, 3, 1000) for sign in (1, -1)]
        torch.manual_seed(0)
        pieces = short_views(views, 0.2, 3)
        for sign, piece in zip((1, -1, 1), pieces, strict=True):
            assert piece.shape == (50, 3, 200)
            starts = sign * piece[:, :, :1]
            assert torch.equal(sign * piece, starts + torch.arange(200.0))
            assert torch.equal(starts, starts[:, :1].expand_as(starts))  # leads stay together
            assert len(set(starts[:, 0, 0].tolist())) > 30  # each record by itself
        assert not torch.equal(pieces[0], pieces[2])

    def test_reach_from_the_first_to_the_last_sample(self) -> None:
        view = torch.arange(100.0).expand(4000, 1, 100)
        (piece,) = short_views([view], 0.9, 1)
        assert piece.min() == 0
        assert piece.max() == 99

    @pytest.mark.parametrize(("time", "length"), [(1000, 100), (300, 64), (40, 40)])
    def test_are_long_enough_for_an_encoder(self, time: int, length: int) -> None:
        (piece,) = short_views([torch.zeros(2, 1, time)], 0.1, 1)
        assert piece.shape[2] == length

    def test_follow_torchs_own_generator(self) -> None:
        view = torch.randn(20, 1, 500)
        drawn = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            drawn.append(short_views([view], 0.3, 1)[0])
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    "bad",
    [
        {"local_views": -1},
        {"local_share": 0},
        {"local_share": 1.2},
        {"teacher_temperature": 0},
        {"student_temperature": 0},
        {"center_momentum": 1},
        {"momentum": -0.1},
        {"output_dim": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        DINOConfig(**bad)
