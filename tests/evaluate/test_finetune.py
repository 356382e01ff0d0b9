"""Fine-tuning on toy problems that can be learned in seconds."""

from __future__ import annotations

import copy
import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work
from lcd_plugin.evaluate.protocols.finetune import PROTOCOL
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
    rows: int | None = None,
    seed: int = 0,
    precision: Any = "fp32",
    test: Part | None = None,
    **settings: Any,
) -> Prediction:
    """Train on the first rows of `train`."""
    work = Work(
        encoder or _encoder(),  # type: ignore[arg-type]
        train,
        _part(24, kind, seed=1),
        (test or _part(40, kind, seed=2)).inputs,
        kind,
        (Subset(np.arange(rows or len(train.targets)), seed),),
        torch.device("cpu"),
        precision,
    )
    chosen = FinetuneSettings(**({"epochs": 2, "batch_size": 8} | settings))
    (prediction,) = PROTOCOL.predict(work, chosen)
    return prediction


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
    """The other records of the test have no way in."""
    train, test = _part(16, "single-label", seed=0), _part(40, "single-label", seed=2)
    few = Part(test.inputs[::9], test.targets[::9])
    one, two = (_run(train, test=t).test for t in (test, few))
    np.testing.assert_allclose(two, one[::9], atol=1e-6)


@pytest.mark.parametrize("records", [2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_records_than_a_batch(records: int, kind: TaskKind) -> None:
    prediction = _run(_part(16, kind, seed=0), kind, rows=records, batch_size=64)
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


@pytest.mark.parametrize("records", [64, 48, 33, 16, 6])
def test_every_fraction_gets_as_many_updates(records: int) -> None:
    """Few labels must not also mean more or less training."""
    sizes: list[int] = []
    encoder, train = LeadwiseEncoder(_Counter(sizes)), _part(64, "single-label", seed=0)
    _run(train, encoder=encoder, rows=records, epochs=3, patience=3, batch_size=16)
    assert len(sizes) == 3 * 64 // 16
    assert max(sizes) <= 16 * LEADS
    assert max(sizes) - min(sizes) <= LEADS


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


def test_only_rows_of_the_subset_are_trained_on() -> None:
    part = _part(32, "single-label", seed=0)
    spoiled = Part(part.inputs.copy(), part.targets.copy())
    spoiled.inputs[20:], spoiled.targets[20:] = 3, 1 - part.targets[20:]
    one, two = (_run(train, rows=20).test for train in (part, spoiled))
    assert np.array_equal(one, two)


def test_signals_may_be_a_file_that_is_mapped_read_only(tmp_path: Path) -> None:
    part = _part(16, "single-label", seed=0)
    np.save(tmp_path / "signals.npy", part.inputs)
    mapped = np.load(tmp_path / "signals.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prediction = _run(Part(mapped, part.targets), test=Part(mapped, part.targets))
    expected = _run(part, test=part)
    assert np.array_equal(prediction.test, expected.test)


def test_subsets_are_independent_of_each_other() -> None:
    train = _part(24, "single-label", seed=0)
    work = Work(
        _encoder(),
        train,
        _part(24, "single-label", seed=1),
        _part(40, "single-label", seed=2).inputs,
        "single-label",
        (Subset(np.arange(8), 5), Subset(np.arange(16), 3)),
        torch.device("cpu"),
        "fp32",
    )
    both = list(PROTOCOL.predict(work, FinetuneSettings(epochs=2, batch_size=8)))
    alone = _run(train, rows=16, seed=3)
    assert np.array_equal(both[1].test, alone.test)
    assert not np.array_equal(both[0].test, both[1].test)


class _Kept(LeadwiseEncoder):
    """An encoder that remembers the copies that are made of it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.copies: list[LeadwiseEncoder] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> LeadwiseEncoder:
        copied = LeadwiseEncoder(copy.deepcopy(self.encoder))
        self.copies.append(copied)
        return copied


def _moved(layer_decay: float) -> dict[str, float]:
    """How far the weights of each convolution went in one update."""
    torch.manual_seed(0)
    encoder = _Kept(create_encoder("vgg16_1d", width=0.05))
    rates = {"learning_rate": 1e-2, "weight_decay": 0, "layer_decay": layer_decay}
    _run(_part(8, "single-label", seed=0), encoder=encoder, epochs=1, batch_size=8, **rates)
    before, after = encoder.state_dict(), encoder.copies[0].state_dict()
    names = [n for n, v in before.items() if v.dim() == 3]
    return {n: float((after[n] - before[n]).abs().max()) for n in names}


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_rates_fall_from_layer_to_layer(decay: float) -> None:
    """The first update of Adam is as large as the rate, whatever the gradient."""
    moved = list(_moved(decay).values())
    assert len(moved) == 13
    behind = range(len(moved), 0, -1)
    np.testing.assert_allclose(moved, [1e-2 * decay**n for n in behind], rtol=1e-2)


def test_all_parameters_have_a_rate_and_those_of_a_layer_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[dict[str, Any]]] = []
    adamw = torch.optim.AdamW

    def recorded(parameters: list[dict[str, Any]], **kwargs: Any) -> torch.optim.Optimizer:
        optimiser = adamw(parameters, **kwargs)
        seen.append(optimiser.param_groups)
        return optimiser

    monkeypatch.setattr(torch.optim, "AdamW", recorded)
    encoder = _encoder()
    _run(_part(8, "single-label", seed=0), encoder=encoder, epochs=1, layer_decay=0.5)
    (groups,) = seen
    # Weight and bias of a convolution and of its batch norm; weight and bias of the classifier.
    assert sorted(len(g["params"]) for g in groups) == [2] + [4] * 13
    assert sum(len(g["params"]) for g in groups) == len(list(encoder.parameters())) + 2
    assert {g["weight_decay"] for g in groups} == {FinetuneSettings().weight_decay}
    rates = sorted((g["lr"] for g in groups), reverse=True)
    assert rates[0] == FinetuneSettings().learning_rate
    assert all(b == pytest.approx(a / 2) for a, b in itertools.pairwise(rates))


def test_rates_without_layers() -> None:
    encoder, train = LeadwiseEncoder(_Noisy()), _part(8, "single-label", seed=0)
    with pytest.raises(ConfigError, match=r"layer_decay .* group_matcher, which _Noisy lacks"):
        _run(train, encoder=encoder, layer_decay=0.9)
    _run(train, encoder=encoder, layer_decay=1)


def test_random_labels() -> None:
    rng = np.random.default_rng(0)
    part, test = _part(32, "multi-label", seed=0), _part(200, "multi-label", seed=2)
    shuffled = Part(part.inputs, rng.permutation(part.targets))
    prediction = _run(shuffled, "multi-label", test=test, epochs=3)
    targets = rng.permutation(test.targets)
    assert roc_auc_score(targets, prediction.test) == pytest.approx(0.5, abs=0.12)


def test_settings_are_checked() -> None:
    for key, value in (("epochs", 0), ("batch_size", 1), ("layer_decay", 0), ("patience", 0)):
        with pytest.raises(ValidationError, match=key):
            FinetuneSettings(**{key: value})
    with pytest.raises(ValidationError, match="epoch"):
        FinetuneSettings(epoch=3)  # type: ignore[call-arg]
