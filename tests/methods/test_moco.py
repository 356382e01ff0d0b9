"""MoCo against the formula of its paper, in numpy, over several steps of its queue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.moco import MoCo, MoCoConfig

BATCH, DIM = 4, 6


def _method(seed: int = 0, queue: int = 8, temperature: float = 0.3) -> MoCo:
    torch.manual_seed(seed)
    config = MoCoConfig(hidden_dim=12, output_dim=DIM, queue=queue, temperature=temperature)
    method = MoCo(create_encoder("vgg16_1d", width=0.05), config).double().train()
    # A target unlike the online network, or mixing them up would not show.
    for p in method.target_projector.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return method


def _views(step: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(step)
    return [torch.randn(BATCH, 1, 64, dtype=torch.float64, generator=draw) for _ in range(2)]


def _units(x: Tensor) -> NDArray[np.float64]:
    array = x.detach().numpy()
    unit: NDArray[np.float64] = array / np.linalg.norm(array, axis=1, keepdims=True)
    return unit


def test_the_loss_is_that_of_the_paper_with_the_keys_of_the_last_steps() -> None:
    temperature = 0.3
    method = _method(queue=2 * BATCH, temperature=temperature)
    earlier: list[NDArray[np.float64]] = []
    for step in range(5):
        views = _views(step)
        with torch.no_grad():
            query = _units(method.projector(method.encoder(views[0])))
            key = _units(method.target_projector(method.target_encoder(views[1])))
        loss = method.training_step(views).loss.item()
        if step >= 2:  # two batches fill the queue, which starts with random vectors
            terms = []
            for q, k in zip(query, key, strict=True):
                negatives = [np.exp(q @ n / temperature) for batch in earlier[-2:] for n in batch]
                positive = np.exp(q @ k / temperature)
                terms.append(-np.log(positive / (positive + sum(negatives))))
            assert loss == pytest.approx(np.mean(terms), rel=1e-6), step
        earlier.append(key)


def test_the_queue_is_in_the_state() -> None:
    trained, other = _method(seed=0), _method(seed=1)
    for step in range(3):
        trained.training_step(_views(step))
    other.load_state_dict(trained.state_dict())
    for step in range(3, 6):
        # Equal over several steps only if the place in the queue is that of the other one too.
        assert other.training_step(_views(step)).loss.item() == pytest.approx(
            trained.training_step(_views(step)).loss.item(), rel=1e-12
        )


def test_the_queue_lives_where_the_method_does() -> None:
    method = MoCo(create_encoder("vgg16_1d", width=0.05)).to("meta")
    assert {b.device.type for b in method.buffers()} == {"meta"}


def test_a_batch_larger_than_the_queue_trains() -> None:
    method = _method(queue=3)
    losses = [method.training_step(_views(step)).loss.item() for step in range(3)]
    assert np.isfinite(losses).all()


def test_the_target_moves_by_its_momentum_and_is_not_trained() -> None:
    method = _method()
    pairs = [
        (method.encoder, method.target_encoder),
        (method.projector, method.target_projector),
    ]
    assert not any(p.requires_grad for _, target in pairs for p in target.parameters())
    for p in method.encoder.parameters():
        p.data += torch.randn_like(p)
    expected = [
        0.999 * t.clone() + 0.001 * p.detach()
        for online, target in pairs
        for p, t in zip(online.parameters(), target.parameters(), strict=True)
    ]
    method.after_step()
    moved = [t for _, target in pairs for t in target.parameters()]
    torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "bad", [{"queue": 0}, {"temperature": 0}, {"momentum": 1.1}, {"hidden_dim": 0}]
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        MoCoConfig(**bad)
