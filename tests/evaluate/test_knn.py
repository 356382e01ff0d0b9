"""k-NN probe against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work, log_loss
from lcd_plugin.evaluate.protocols.knn import PROTOCOL
from lcd_plugin.evaluate.settings import KNNSettings

SIZES = {"train": 100, "validation": 90, "test": 120}
CLASSES = 3
Data = dict[str, tuple[np.ndarray, np.ndarray]]
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _data(kind: TaskKind, signal: float = 1.5, seed: int = 0) -> Data:
    """Features that know `signal` standard deviations of the targets, on scales of their own."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((CLASSES, 6)) * signal
    scale, shift = np.array([1, 10, 0.1, 5, 1, 100]), np.array([0, 50, 3, -7, 1, 0])
    data = {}
    for part, n in SIZES.items():
        if kind == "single-label":
            targets = np.eye(CLASSES, dtype=np.int8)[rng.integers(0, CLASSES, n)]
        else:
            targets = (rng.random((n, CLASSES)) < [0.5, 0.3, 0.2]).astype(np.int8)
        features = (targets @ mixing + rng.standard_normal((n, 6))) * scale + shift
        data[part] = features.astype(np.float32), targets
    return data


def _run(
    data: Data,
    kind: TaskKind,
    *subsets: np.ndarray,
    neighbours: tuple[int, ...] = KNNSettings().neighbours,
) -> list[Prediction]:
    """One prediction a subset; all training rows if none is given."""
    rows = subsets or (np.arange(len(data["train"][0])),)
    work = Work(
        None,  # type: ignore[arg-type]  features are all that it reads
        Part(*data["train"]),
        Part(*data["validation"]),
        data["test"][0],
        kind,
        tuple(Subset(r, seed) for seed, r in enumerate(rows)),
        torch.device("cpu"),
        "fp32",
    )
    return list(PROTOCOL.predict(work, KNNSettings(neighbours=neighbours)))


def _naive(data: Data, part: str, k: int) -> np.ndarray:
    """Votes with one voice more, that of the class shares."""
    x, targets = data["train"][0].astype(np.float64), data["train"][1]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    train = (x - mean) / deviation
    scores = []
    for record in (data[part][0] - mean) / deviation:
        cosines = [
            record @ other / (np.linalg.norm(record) * np.linalg.norm(other)) for other in train
        ]
        nearest = targets[np.argsort(cosines)[::-1][:k]]
        scores.append(np.vstack([nearest, targets.mean(axis=0)]).mean(axis=0))
    return np.array(scores)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("grid", "tried"), [((1, 5, 20), (1, 5, 20)), ((30,), (30,)), ((2, 99, 100, 400), (2, 99))]
)
def test_equals_a_plain_loop(kind: TaskKind, grid: tuple[int, ...], tried: tuple[int, ...]) -> None:
    data = _data(kind, signal=0.7)
    (prediction,) = _run(data, kind, neighbours=grid)
    losses = {
        k: log_loss(data["validation"][1], _naive(data, "validation", k), kind) for k in tried
    }
    best = min(losses, key=losses.__getitem__)
    assert prediction.chosen["neighbours"] == best
    assert prediction.chosen["validation_log_loss"] == pytest.approx(losses[best])
    np.testing.assert_allclose(prediction.test, _naive(data, "test", best), atol=1e-6)


@pytest.mark.parametrize("grid", [(100,), (400, 500)])
def test_a_grid_beyond_the_rows_takes_all_of_them(grid: tuple[int, ...]) -> None:
    data = _data("multi-label")
    (prediction,) = _run(data, "multi-label", neighbours=grid)
    assert prediction.chosen["neighbours"] == SIZES["train"]
    shares = np.tile(data["train"][1].mean(axis=0), (SIZES["test"], 1))
    np.testing.assert_allclose(prediction.test, shares, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_labels_and_weak_features(kind: TaskKind) -> None:
    """Few neighbours, which some class never is among, and still more than the class shares."""
    scores, numbers = [], []
    for seed in range(12):
        data = _data(kind, signal=0.8, seed=seed)
        (prediction,) = _run(data, kind, np.arange(20))
        known = data["train"][1][:20].any(axis=0)
        assert (prediction.test[:, known] > 0).all()
        assert (prediction.test < 1).all()
        numbers.append(prediction.chosen["neighbours"])
        scores.append(roc_auc_score(data["test"][1], prediction.test))
    assert max(numbers) < 20
    assert 5 in numbers
    assert np.mean(scores) > 0.6


def test_a_subset_is_all_that_its_prediction_knows() -> None:
    """Neighbours and scale are those of its rows, whatever the other rows are."""
    data = _data("multi-label")
    few, many = np.arange(0, 100, 4), np.arange(60)
    predictions = _run(data, "multi-label", few, many)
    for rows, prediction in zip((few, many), predictions, strict=True):
        x, targets = data["train"]
        (alone,) = _run(data | {"train": (x[rows], targets[rows])}, "multi-label")
        assert np.array_equal(prediction.test, alone.test)
        assert prediction.chosen == alone.chosen


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_know_the_answer(kind: TaskKind) -> None:
    data = _data(kind)
    oracle = {p: (np.hstack([4.0 * y, 0 * y]).astype(np.float32), y) for p, (_, y) in data.items()}
    (prediction,) = _run(oracle, kind)
    assert roc_auc_score(data["test"][1], prediction.test) > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_know_nothing(kind: TaskKind) -> None:
    scores = []
    for seed in range(3):
        data = _data(kind, signal=0, seed=seed)
        scores.append(roc_auc_score(data["test"][1], _run(data, kind)[0].test))
    assert np.mean(scores) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_probabilities(kind: TaskKind) -> None:
    (prediction,) = _run(_data(kind), kind)
    for part, scores in (("validation", prediction.validation), ("test", prediction.test)):
        assert scores.shape == (SIZES[part], CLASSES)
        assert ((scores >= 0) & (scores <= 1)).all()
        if kind == "single-label":
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_a_record_is_scored_by_itself() -> None:
    """The other records of the test have no way in."""
    data = _data("multi-label")
    (whole,) = _run(data, "multi-label")
    (few,) = _run(data | {"test": (data["test"][0][::7], data["test"][1][::7])}, "multi-label")
    np.testing.assert_allclose(few.test, whole.test[::7], atol=1e-6)
    assert np.array_equal(few.validation, whole.validation)


def test_scale_of_features_does_not_matter() -> None:
    data = _data("multi-label")
    other = {p: ((x * 64 + 32).astype(np.float32), y) for p, (x, y) in data.items()}
    one, two = (_run(d, "multi-label")[0].test for d in (data, other))
    # Rounding may move the odd neighbour, no more.
    assert np.quantile(np.abs(one - two), 0.95) < 2e-3


@pytest.mark.parametrize("neighbours", [(), (0,), (5, -1)])
def test_bad_neighbours(neighbours: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="neighbours"):
        KNNSettings(neighbours=neighbours)
