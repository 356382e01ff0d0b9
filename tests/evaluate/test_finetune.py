"""Fine-tuning on toy problems that can be learned in seconds."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.evaluate.finetune import Part, finetune
from lcd_plugin.evaluate.protocols import Prediction, TaskKind
from lcd_plugin.evaluate.settings import FinetuneSettings

LEADS, TIME = 2, 64
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _part(records: int, kind: TaskKind, seed: int) -> Part:
    """A slow wave, a fast wave, or for several labels any of the two."""
    rng = np.random.default_rng(seed)
    if kind == "single-label":
        targets = np.eye(2, dtype=np.int8)[np.arange(records) % 2]
    else:
        targets = rng.integers(0, 2, (records, 2)).astype(np.int8)
        targets[:4] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    time = np.linspace(0, 1, TIME)
    phase = rng.uniform(0, 6.28, (2, records, LEADS, 1))
    waves = [np.sin(6.28 * rate * time + p) for rate, p in zip((3, 14), phase, strict=True)]
    signals = sum(targets[:, k, None, None] * waves[k] for k in range(2))
    noise = 0.1 * rng.standard_normal((records, LEADS, TIME))
    return Part((signals + noise).astype(np.float16), targets)


def _encoder(seed: int = 0) -> LeadwiseEncoder:
    torch.manual_seed(seed)
    return LeadwiseEncoder(create_encoder("vgg16_1d", width=0.05))


def _run(
    train: Part,
    kind: TaskKind = "single-label",
    *,
    encoder: nn.Module | None = None,
    passes_of: int | None = None,
    seed: int = 0,
    precision: Any = "fp32",
    test: Part | None = None,
    **settings: Any,
) -> Prediction:
    return finetune(
        encoder or _encoder(),
        train,
        _part(24, kind, seed=1),
        (test or _part(40, kind, seed=2)).signals,
        kind,
        FinetuneSettings(**({"epochs": 2, "batch_size": 8} | settings)),
        passes_of=passes_of or len(train.signals),
        seed=seed,
        device=torch.device("cpu"),
        precision=precision,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_learns_what_can_be_learned(kind: TaskKind) -> None:
    prediction = _run(_part(48, kind, seed=0), kind, epochs=12, learning_rate=3e-3)
    test = _part(40, kind, seed=2)
    assert roc_auc_score(test.targets, prediction.test) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_probabilities_of_the_best_epoch(kind: TaskKind) -> None:
    """The loss that chose the epoch is the loss of the scores that come back."""
    validation = _part(24, kind, seed=1)
    prediction = _run(_part(32, kind, seed=0), kind, epochs=6, patience=2, learning_rate=3e-2)
    scores = prediction.validation.astype(np.float64)
    if kind == "single-label":
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
        loss = sklearn.metrics.log_loss(validation.targets.argmax(axis=1), scores)
    else:
        pairs = zip(validation.targets.T, scores.T, strict=True)
        loss = np.mean([sklearn.metrics.log_loss(t, s) for t, s in pairs])
    assert prediction.chosen["validation_log_loss"] == pytest.approx(loss, rel=1e-3)
    assert 1 <= prediction.chosen["epoch"] <= 6


def test_a_longer_run_is_never_worse_on_validation() -> None:
    """With the best state kept, more epochs can only find a better one."""
    losses = [
        _run(_part(16, "single-label", seed=0), epochs=n, patience=9, learning_rate=3e-2).chosen[
            "validation_log_loss"
        ]
        for n in (1, 3, 6)
    ]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("training", [True, False])
def test_the_given_encoder_is_left_as_it_was(training: bool) -> None:
    encoder = _encoder().train(training)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    _run(_part(16, "single-label", seed=0), encoder=encoder)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in encoder.parameters())
    assert encoder.training is training


def test_seed_decides_and_the_callers_random_state_does_not() -> None:
    encoder, train = _encoder(), _part(16, "single-label", seed=0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = _run(train, encoder=encoder, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = _run(train, encoder=encoder, seed=3)
    assert np.array_equal(first.test, again.test)
    assert first.chosen == again.chosen
    assert not np.array_equal(first.test, _run(train, encoder=encoder, seed=4).test)


class _Noisy(nn.Module):
    """An encoder with dropout, as many have."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 8, 9, stride=4), nn.Dropout(0.5), nn.ReLU(), nn.AdaptiveAvgPool1d(1)
        )

    def forward(self, signals: Tensor) -> Tensor:
        features: Tensor = self.layers(signals).flatten(1)
        return features


def test_dropout_is_seeded_too() -> None:
    torch.manual_seed(0)
    encoder, train = LeadwiseEncoder(_Noisy()), _part(16, "single-label", seed=0)
    scores = []
    for callers_seed in (1, 2):
        torch.manual_seed(callers_seed)
        scores.append(_run(train, encoder=encoder, seed=3).test)
    assert np.array_equal(scores[0], scores[1])


def test_a_record_is_scored_by_itself() -> None:
    """Neither the labels nor the other records of the test have a way in."""
    assert not {"test", "test_targets"} & set(inspect.signature(finetune).parameters)
    train, test = _part(16, "single-label", seed=0), _part(40, "single-label", seed=2)
    few = Part(test.signals[::9], test.targets[::9])
    one, two = (_run(train, test=t).test for t in (test, few))
    np.testing.assert_allclose(two, one[::9], atol=1e-6)


@pytest.mark.parametrize("records", [2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_records_than_a_batch(records: int, kind: TaskKind) -> None:
    part = _part(max(records, 4), kind, seed=0)
    train = Part(part.signals[:records], part.targets[:records])
    prediction = _run(train, kind, passes_of=16, batch_size=64)
    assert np.isfinite(prediction.test).all()
    assert prediction.test.shape == (40, 2)


class _Counter(nn.Module):
    """An encoder that counts the batches that it is trained on."""

    num_features = 4

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layer = nn.Linear(TIME, 4)
        self.sizes = sizes

    def forward(self, signals: Tensor) -> Tensor:
        if self.training:
            self.sizes.append(len(signals))
        features: Tensor = self.layer(signals).flatten(1)
        return features

    def __deepcopy__(self, memo: dict[int, Any]) -> _Counter:
        copied = _Counter(self.sizes)
        copied.load_state_dict(self.state_dict())
        return copied


@pytest.mark.parametrize("records", [64, 48, 16, 6])
def test_every_fraction_gets_as_many_updates(records: int) -> None:
    """Few labels must not also mean more or less training."""
    sizes: list[int] = []
    part = _part(64, "single-label", seed=0)
    train = Part(part.signals[:records], part.targets[:records])
    encoder = LeadwiseEncoder(_Counter(sizes))
    _run(train, encoder=encoder, passes_of=64, epochs=3, patience=3, batch_size=16)
    assert len(sizes) == 3 * 64 // 16


def test_an_encoder_that_reads_all_leads_at_once() -> None:
    """`encoder` maps (batch, leads, time) to (batch, features), and says how many features."""
    torch.manual_seed(0)
    encoder = create_encoder("vgg16_1d", in_leads=LEADS, width=0.05)
    prediction = _run(_part(16, "single-label", seed=0), encoder=encoder)
    assert prediction.test.shape == (40, 2)


def test_training_that_diverges_does_not_end_in_scores() -> None:
    with pytest.raises(FloatingPointError):
        _run(_part(16, "single-label", seed=0), learning_rate=1e30, epochs=3)


def test_bf16_is_near_fp32() -> None:
    train = _part(32, "single-label", seed=0)
    exact, rounded = (_run(train, precision=p, epochs=1) for p in ("fp32", "bf16"))
    assert rounded.test.dtype == np.float32
    np.testing.assert_allclose(rounded.test, exact.test, atol=0.1)


def test_settings_are_checked() -> None:
    for key, value in (("epochs", 0), ("batch_size", 1), ("learning_rate", 0), ("patience", 0)):
        with pytest.raises(ValidationError, match=key):
            FinetuneSettings(**{key: value})
    with pytest.raises(ValidationError, match="epoch"):
        FinetuneSettings(epoch=3)  # type: ignore[call-arg]
