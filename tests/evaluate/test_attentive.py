"""Attention pooling against the formula for one record, and on tokens planted among noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from lcd_plugin.evaluate.protocols.attentive import (
    PROTOCOL,
    SCALE_ROWS,
    AttentivePooling,
    channel_scale,
)
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work
from lcd_plugin.evaluate.settings import AttentiveSettings

LEADS, POSITIONS, FEATURES = 3, 8, 6
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _targets(rows: int, kind: TaskKind, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "single-label":
        return np.eye(2, dtype=np.int8)[rng.permutation(rows) % 2]
    return rng.integers(0, 2, (rows, 2)).astype(np.int8)


def _part(rows: int, kind: TaskKind, seed: int, signal: float = 2.0) -> Part:
    """Class k is channel k of all tokens, behind noise."""
    rng = np.random.default_rng(seed)
    targets = _targets(rows, kind, seed)
    tokens = rng.standard_normal((rows, LEADS, POSITIONS, FEATURES))
    tokens[..., :2] += signal * targets[:, None, None, :]
    return Part(tokens.astype(np.float16), targets)


def _planted(rows: int, seed: int, lead: int = 1) -> Part:
    """Two tokens of a lead stand out in channel 0; the class is the sign of their channel 1.

    Both signs of channel 1 stand as often in every lead, where nothing marks them, and so its mean
    over tokens is that of noise.
    """
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (rows, 1)).astype(np.int8)
    tokens = 0.3 * rng.standard_normal((rows, LEADS, POSITIONS, FEATURES))
    for i, sign in enumerate(2 * targets[:, 0].astype(int) - 1):
        for other in range(LEADS):
            signs = rng.permutation([1, 1, -1, -1, 0, 0, 0, 0])
            tokens[i, other, :, 1] += 2 * signs
            if other == lead:
                tokens[i, other, signs == sign, 0] += 3
    return Part(tokens.astype(np.float16), targets)


def _run(
    train: Part,
    validation: Part,
    test: np.ndarray,
    *subsets: Subset,
    kind: TaskKind = "multi-label",
    **settings: Any,
) -> list[Prediction]:
    work = Work(
        None,  # type: ignore[arg-type]  tokens are all that it reads
        train,
        validation,
        test,
        kind,
        subsets or (Subset(np.arange(len(train.targets)), 0),),
        torch.device("cpu"),
        "fp32",
    )
    return list(PROTOCOL.predict(work, AttentiveSettings(**settings)))


def test_equals_the_formula_token_by_token() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    mean, deviation = rng.standard_normal(FEATURES), rng.uniform(1, 2, FEATURES)
    model = AttentivePooling(LEADS, 4, torch.tensor(mean).float(), torch.tensor(deviation).float())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    queries, embeddings, scores, bias = (
        p.detach().numpy() for p in (model.queries, model.lead_embeddings, model.scores, model.bias)
    )
    tokens = rng.standard_normal((2, LEADS, POSITIONS, FEATURES)).astype(np.float32)
    expected = np.zeros((2, 4))
    for record in range(2):
        values = (tokens[record] - mean) / deviation
        for k in range(4):
            weights = {}
            for lead in range(LEADS):
                for position in range(POSITIONS):
                    key = values[lead, position] + embeddings[lead]
                    weights[lead, position] = np.exp(queries[k] @ key / np.sqrt(FEATURES))
            total = sum(weights.values())
            found = [w / total * values[i, j] @ scores[k, i] for (i, j), w in weights.items()]
            expected[record, k] = sum(found) + bias[k]
    with torch.no_grad():
        found = model(torch.from_numpy(tokens)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_finds_tokens_that_a_mean_misses() -> None:
    train, validation, test = (_planted(n, seed) for seed, n in enumerate((400, 100, 200)))
    (prediction,) = _run(train, validation, test.inputs, learning_rate=1e-2, patience=30)
    assert roc_auc_score(test.targets, prediction.test) > 0.99
    pooled = [
        p.inputs.astype(np.float64).mean(axis=2).reshape(len(p.targets), -1) for p in (train, test)
    ]
    linear = LogisticRegression().fit(pooled[0], train.targets[:, 0])
    assert roc_auc_score(test.targets, linear.predict_proba(pooled[1])[:, 1]) < 0.65


def test_tells_leads_apart() -> None:
    """All leads hold equal tokens but for one, whose sign is the class; the others' signs vary."""
    parts = []
    for seed, rows in enumerate((400, 100, 200)):
        rng = np.random.default_rng(seed)
        signs = rng.choice([-1.0, 1.0], (rows, LEADS))
        tokens = 0.1 * rng.standard_normal((rows, LEADS, POSITIONS, FEATURES))
        tokens[..., 0] += signs[:, :, None]
        parts.append(Part(tokens.astype(np.float16), (signs[:, 2:] > 0).astype(np.int8)))
    train, validation, test = parts
    (prediction,) = _run(train, validation, test.inputs, learning_rate=2e-2, patience=30)
    assert roc_auc_score(test.targets, prediction.test) > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_that_know_the_answer(kind: TaskKind) -> None:
    parts = [_part(n, kind, seed) for seed, n in enumerate((128, 40, 60))]
    tokens = [np.repeat(p.targets[:, None, None], POSITIONS, 2).repeat(LEADS, 1) for p in parts]
    train, validation, test = (
        Part(t.astype(np.float16), p.targets) for t, p in zip(tokens, parts, strict=True)
    )
    (prediction,) = _run(train, validation, test.inputs, kind=kind, learning_rate=1e-2)
    assert roc_auc_score(test.targets, prediction.test) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_that_know_nothing(kind: TaskKind) -> None:
    train, validation, test = (_part(n, kind, s, signal=0) for s, n in enumerate((96, 40, 400)))
    (prediction,) = _run(train, validation, test.inputs, kind=kind, learning_rate=1e-2)
    assert roc_auc_score(test.targets, prediction.test) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_probabilities(kind: TaskKind) -> None:
    train, validation, test = (_part(n, kind, seed) for seed, n in enumerate((32, 20, 30)))
    (prediction,) = _run(train, validation, test.inputs, kind=kind, epochs=2)
    for scores, rows in ((prediction.validation, 20), (prediction.test, 30)):
        assert scores.shape == (rows, 2)
        assert ((scores > 0) & (scores < 1)).all()
        if kind == "single-label":
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_more_epochs_only_find_a_better_one() -> None:
    """The same course, looked at after each epoch: the best so far is what is kept."""
    train, validation = (_part(n, "multi-label", s, 0.2) for s, n in enumerate((32, 40)))
    settings = {"learning_rate": 0.05, "batch_size": 8, "patience": 12}
    runs = [
        _run(train, validation, validation.inputs, epochs=n, **settings)[0] for n in range(1, 9)
    ]
    losses = [run.chosen["validation_log_loss"] for run in runs]
    assert losses == sorted(losses, reverse=True)
    assert runs[-1].chosen["epoch"] < 8, "the example should go past its best"
    assert runs[-1].chosen == runs[runs[-1].chosen["epoch"] - 1].chosen
    assert np.array_equal(runs[-1].test, runs[runs[-1].chosen["epoch"] - 1].test)


def test_subset_and_seed_decide_and_nothing_else_does() -> None:
    train, validation, test = (_part(n, "multi-label", s) for s, n in enumerate((48, 20, 30)))
    few, many = Subset(np.arange(20), 1), Subset(np.arange(40), 2)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    both = _run(train, validation, test.inputs, few, many, epochs=2)
    assert torch.equal(torch.get_rng_state(), state)
    other = Part(train.inputs.copy(), train.targets)
    other.inputs[40:] = 9  # rows that no subset has
    again = _run(other, validation, test.inputs, many, few, epochs=2)[::-1]
    for one, two in zip(both, again, strict=True):
        assert np.array_equal(one.test, two.test)
    (reseeded,) = _run(train, validation, test.inputs, Subset(few.rows, 3), epochs=2)
    assert not np.array_equal(reseeded.test, both[0].test)


def test_test_inputs_play_no_role_in_training() -> None:
    train, validation, test = (_part(n, "multi-label", s) for s, n in enumerate((48, 20, 30)))
    changed = test.inputs.copy()
    changed[::2] = 5
    one, two = (_run(train, validation, t, epochs=2)[0] for t in (test.inputs, changed))
    assert one.chosen == two.chosen
    assert np.array_equal(one.validation, two.validation)
    np.testing.assert_allclose(one.test[1::2], two.test[1::2], atol=1e-6)
    assert not np.allclose(one.test[::2], two.test[::2], atol=1e-6)


def test_scale_of_channels_does_not_matter() -> None:
    train, validation, test = (_part(n, "multi-label", s) for s, n in enumerate((48, 20, 30)))
    scale, shift = 2.0 ** np.arange(-3, 3), np.arange(6)
    moved = [
        (p.inputs.astype(np.float64) * scale + shift).astype(np.float16)
        for p in (train, validation, test)
    ]
    (one,) = _run(train, validation, test.inputs, epochs=3)
    (two,) = _run(
        Part(moved[0], train.targets), Part(moved[1], validation.targets), moved[2], epochs=3
    )
    np.testing.assert_allclose(one.test, two.test, atol=0.01)


@pytest.mark.parametrize("rows", [1, SCALE_ROWS, SCALE_ROWS + 3])
def test_channel_scale_is_numpys(rows: int) -> None:
    rng = np.random.default_rng(0)
    tokens = (rng.standard_normal((300, 2, 3, 4)) * [0.01, 1, 9, 1] + 50).astype(np.float16)
    tokens[..., 3] = 7
    chosen = rng.permutation(300)[:rows]
    mean, deviation = channel_scale(tokens, chosen)
    flat = tokens[chosen].astype(np.float64).reshape(-1, 4)
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(deviation[:3], flat[:, :3].std(axis=0), rtol=1e-4)
    assert deviation[3] == 1
