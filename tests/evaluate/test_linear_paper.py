"""The paper's linear probe against Adam written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work
from lcd_plugin.evaluate.protocols.linear_paper import PROTOCOL
from lcd_plugin.evaluate.settings import LinearPaperSettings

CLASSES, FEATURES = 3, 12
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _part(rows: int, kind: TaskKind, seed: int, signal: float = 1.0) -> Part:
    rng = np.random.default_rng(seed)
    if kind == "single-label":
        targets = np.eye(CLASSES, dtype=np.int8)[rng.integers(0, CLASSES, rows)]
    else:
        targets = (rng.random((rows, CLASSES)) < [0.5, 0.3, 0.2]).astype(np.int8)
    mixing = np.random.default_rng(9).standard_normal((CLASSES, FEATURES))
    features = signal * targets @ mixing + rng.standard_normal((rows, FEATURES))
    return Part(features.astype(np.float32), targets)


def _run(
    train: Part,
    kind: TaskKind,
    *subsets: Subset,
    validation: Part | None = None,
    test: np.ndarray | None = None,
    **settings: Any,
) -> list[Prediction]:
    work = Work(
        None,  # type: ignore[arg-type]  features are all that it reads
        train,
        validation or _part(50, kind, seed=1),
        _part(80, kind, seed=2).inputs if test is None else test,
        kind,
        subsets or (Subset(np.arange(len(train.targets)), 0),),
        torch.device("cpu"),
        "fp32",
    )
    return list(PROTOCOL.predict(work, LinearPaperSettings(**settings)))


def _softmax_or_sigmoid(scores: np.ndarray, kind: TaskKind) -> np.ndarray:
    if kind == "multi-label":
        return 1 / (1 + np.exp(-scores))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _log_loss(targets: np.ndarray, p: np.ndarray, kind: TaskKind) -> float:
    if kind == "single-label":
        return float(sklearn.metrics.log_loss(targets.argmax(axis=1), p, labels=range(CLASSES)))
    pairs = zip(targets.T, p.T, strict=True)
    return float(np.mean([sklearn.metrics.log_loss(t, s, labels=[0, 1]) for t, s in pairs]))


def _by_hand(
    train: Part, validation: Part, test: np.ndarray, kind: TaskKind, seed: int, **s: Any
) -> tuple[list[float], list[np.ndarray]]:
    """Validation losses and test scores of all epochs, by Kingma and Ba's algorithm 1."""
    torch.manual_seed(seed)
    layer = nn.Linear(FEATURES, CLASSES)
    weights = np.hstack([layer.weight.detach().numpy(), layer.bias.detach().numpy()[:, None]])
    weights = weights.astype(np.float64)
    x, x_validation, x_test = (
        np.hstack([a, np.ones((len(a), 1))]) for a in (train.inputs, validation.inputs, test)
    )
    order = torch.Generator().manual_seed(seed)
    first, second, step = np.zeros_like(weights), np.zeros_like(weights), 0
    losses, scores = [], []
    for _ in range(s["epochs"]):
        rows = torch.randperm(len(x), generator=order).numpy()
        for batch in np.array_split(rows, -(-len(x) // s["batch_size"])):
            error = _softmax_or_sigmoid(x[batch] @ weights.T, kind) - train.targets[batch]
            count = len(batch) * (CLASSES if kind == "multi-label" else 1)
            gradient = error.T @ x[batch] / count
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            scaled = first / (1 - 0.9**step), np.sqrt(second / (1 - 0.999**step)) + 1e-8
            weights -= s["learning_rate"] * scaled[0] / scaled[1]
        p = _softmax_or_sigmoid(x_validation @ weights.T, kind)
        losses.append(_log_loss(validation.targets, p, kind))
        scores.append(_softmax_or_sigmoid(x_test @ weights.T, kind))
    return losses, scores


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_equals_adam_by_hand_at_the_best_epoch(kind: TaskKind, rate: float) -> None:
    train, validation = _part(70, kind, seed=0, signal=0.5), _part(50, kind, seed=1, signal=0.5)
    test = _part(80, kind, seed=2).inputs
    settings = {"epochs": 40, "batch_size": 32, "learning_rate": rate}
    rows = np.random.default_rng(0).permutation(70)[:51]
    (prediction,) = _run(train, kind, Subset(rows, 7), validation=validation, test=test, **settings)
    subset = Part(train.inputs[rows], train.targets[rows])
    losses, scores = _by_hand(subset, validation, test, kind, 7, **settings)
    best = int(np.argmin(losses))
    # The small rate is still on its way at the end; the large one has gone past the best.
    assert (best == 39) == (rate == 1e-3)
    assert prediction.chosen["epoch"] == best + 1
    assert prediction.chosen["validation_log_loss"] == pytest.approx(losses[best], rel=1e-4)
    np.testing.assert_allclose(prediction.test, scores[best], atol=1e-4)


def test_settings_of_the_paper() -> None:
    assert LinearPaperSettings().model_dump() == {
        "epochs": 100,
        "batch_size": 128,
        "learning_rate": 1e-3,
    }


def test_features_are_not_scaled() -> None:
    """At a fixed rate, features a thousand times smaller teach it almost nothing."""
    train = _part(60, "multi-label", seed=0)
    small = Part(train.inputs / 1000, train.targets)
    (prediction,) = _run(small, "multi-label", test=_part(80, "multi-label", seed=2).inputs / 1000)
    assert np.ptp(prediction.test, axis=0).max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_know_the_answer(kind: TaskKind) -> None:
    parts = [_part(n, kind, seed=i) for i, n in enumerate((200, 50, 80))]
    train, validation, test = (Part(p.targets.astype(np.float32), p.targets) for p in parts)
    rate = {"learning_rate": 0.05}
    (prediction,) = _run(train, kind, validation=validation, test=test.inputs, **rate)
    assert roc_auc_score(test.targets, prediction.test) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_know_nothing(kind: TaskKind) -> None:
    test = _part(400, kind, seed=2, signal=0)
    (prediction,) = _run(_part(200, kind, seed=0, signal=0), kind, test=test.inputs)
    assert roc_auc_score(test.targets, prediction.test) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_probabilities(kind: TaskKind) -> None:
    (prediction,) = _run(_part(40, kind, seed=0), kind, epochs=3)
    for scores, rows in ((prediction.validation, 50), (prediction.test, 80)):
        assert scores.shape == (rows, CLASSES)
        assert scores.dtype == np.float32
        assert ((scores > 0) & (scores < 1)).all()
        if kind == "single-label":
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_subset_and_seed_decide_and_nothing_else_does() -> None:
    train = _part(60, "multi-label", seed=0)
    few, many = Subset(np.arange(20), 1), Subset(np.arange(50), 2)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    both = _run(train, "multi-label", few, many, epochs=5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    other = Part(train.inputs.copy(), train.targets)
    other.inputs[50:] = 99  # rows that no subset has
    again = _run(other, "multi-label", many, few, epochs=5)[::-1]
    for one, two in zip(both, again, strict=True):
        assert np.array_equal(one.test, two.test)
        assert one.chosen == two.chosen
    (reseeded,) = _run(train, "multi-label", Subset(few.rows, 3), epochs=5)
    assert not np.array_equal(reseeded.test, both[0].test)


def test_test_inputs_play_no_role_in_training() -> None:
    train, test = _part(40, "multi-label", seed=0), _part(80, "multi-label", seed=2).inputs
    changed = test.copy()
    changed[::2] = 5
    one, two = (_run(train, "multi-label", test=t, epochs=5)[0] for t in (test, changed))
    assert one.chosen == two.chosen
    assert np.array_equal(one.validation, two.validation)
    assert np.array_equal(one.test[1::2], two.test[1::2])
    assert not np.array_equal(one.test[::2], two.test[::2])


def test_training_that_diverges_does_not_end_in_scores() -> None:
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        _run(_part(40, "multi-label", seed=0), "multi-label", learning_rate=1e38, epochs=5)
