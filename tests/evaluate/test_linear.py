"""The linear probe against scikit-learn, and what may and may not play a role in it."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import sklearn.metrics
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work, log_loss
from lcd_plugin.evaluate.protocols.linear import PROTOCOL
from lcd_plugin.evaluate.settings import LinearSettings

SIZES = {"train": 100, "validation": 90, "test": 120}
CLASSES = 3
GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")
# Features are there already: it plays no part.
ENCODER = LeadwiseEncoder(create_encoder("vgg16_1d"))
Data = dict[str, tuple[np.ndarray, np.ndarray]]


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


def _work(data: Data, kind: TaskKind, subsets: list[np.ndarray] | None = None) -> Work:
    rows = [np.arange(len(data["train"][0]))] if subsets is None else subsets
    return Work(
        encoder=ENCODER,
        train=Part(*data["train"]),
        validation=Part(*data["validation"]),
        test_inputs=data["test"][0],
        kind=kind,
        subsets=tuple(Subset(r, seed=i) for i, r in enumerate(rows)),
        device=torch.device("cpu"),
        precision="fp32",
    )


def _predict(data: Data, kind: TaskKind, grid: tuple[float, ...] = GRID) -> Prediction:
    (prediction,) = PROTOCOL.predict(_work(data, kind), LinearSettings(inverse_penalties=grid))
    return prediction


def _direct(data: Data, kind: TaskKind, c: float) -> dict[str, np.ndarray]:
    """Probabilities of every part by scikit-learn."""
    scaler = StandardScaler().fit(data["train"][0].astype(np.float64))
    x = {part: scaler.transform(f.astype(np.float64)) for part, (f, _) in data.items()}
    targets = data["train"][1]
    model = LogisticRegression(C=c, max_iter=5000, tol=1e-9)
    if kind == "single-label":
        model.fit(x["train"], targets.argmax(axis=1))
        return {p: model.predict_proba(v) for p, v in x.items()}
    scores = []
    for column in targets.T:
        model.fit(x["train"], column)
        scores.append({p: model.predict_proba(v)[:, 1] for p, v in x.items()})
    return {p: np.stack([s[p] for s in scores], axis=1) for p in x}


def _sklearn_log_loss(targets: np.ndarray, probabilities: np.ndarray, kind: TaskKind) -> float:
    if kind == "single-label":
        labels = targets.argmax(axis=1)
        classes = range(targets.shape[1])
        return float(sklearn.metrics.log_loss(labels, probabilities, labels=classes))
    columns = zip(targets.T, probabilities.T, strict=True)
    return float(np.mean([sklearn.metrics.log_loss(t, p, labels=[0, 1]) for t, p in columns]))


@pytest.mark.parametrize("kind", KINDS)
class TestPrediction:
    def test_equals_scikit_learn_at_the_penalty_that_validation_prefers(
        self, kind: TaskKind
    ) -> None:
        data = _data(kind, signal=0.3)
        prediction = _predict(data, kind)
        direct = {c: _direct(data, kind, c) for c in GRID}
        losses = {
            c: _sklearn_log_loss(data["validation"][1], d["validation"], kind)
            for c, d in direct.items()
        }
        best = min(losses, key=losses.__getitem__)
        assert best not in (GRID[0], GRID[-1]), "the example should have a choice"
        assert prediction.chosen["inverse_penalty"] == best
        assert prediction.chosen["validation_log_loss"] == pytest.approx(losses[best], rel=1e-4)
        np.testing.assert_allclose(prediction.test, direct[best]["test"], atol=1e-5)
        np.testing.assert_allclose(prediction.validation, direct[best]["validation"], atol=1e-5)

    def test_equal_losses_take_the_smaller_c(self, kind: TaskKind) -> None:
        """Features that say nothing leave the intercept, which no penalty touches."""
        data = {p: (np.ones_like(x), y) for p, (x, y) in _data(kind).items()}
        assert _predict(data, kind, (1.0, 0.01, 0.1)).chosen["inverse_penalty"] == 0.01

    def test_grid_may_be_given_in_any_order(self, kind: TaskKind) -> None:
        data = _data(kind)
        one, two = (_predict(data, kind, grid) for grid in (GRID, GRID[::-1]))
        assert np.array_equal(one.test, two.test)
        assert one.chosen == two.chosen

    def test_features_that_know_the_answer(self, kind: TaskKind) -> None:
        data = _data(kind)
        oracle = {
            p: (np.hstack([4 * y, 0 * y]).astype(np.float32), y) for p, (_, y) in data.items()
        }
        assert roc_auc_score(data["test"][1], _predict(oracle, kind).test) > 0.999

    def test_features_that_know_nothing(self, kind: TaskKind) -> None:
        scores = [
            roc_auc_score(data["test"][1], _predict(data, kind).test)
            for data in (_data(kind, signal=0, seed=seed) for seed in range(5))
        ]
        assert np.mean(scores) == pytest.approx(0.5, abs=0.07)

    def test_scores_are_probabilities(self, kind: TaskKind) -> None:
        prediction = _predict(_data(kind), kind)
        for part, scores in (("validation", prediction.validation), ("test", prediction.test)):
            assert scores.shape == (SIZES[part], CLASSES)
            assert scores.dtype == np.float32
            assert ((scores >= 0) & (scores <= 1)).all()
            if kind == "single-label":
                np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)

    def test_validation_loss_is_that_of_the_scores(self, kind: TaskKind) -> None:
        data = _data(kind)
        prediction = _predict(data, kind)
        expected = log_loss(data["validation"][1], prediction.validation, kind)
        assert prediction.chosen["validation_log_loss"] == expected

    def test_scale_of_features_does_not_matter(self, kind: TaskKind) -> None:
        data = _data(kind)
        other = {p: (x.astype(np.float64) * 64 + 32, y) for p, (x, y) in data.items()}
        one, two = (_predict(d, kind).test for d in (data, other))
        np.testing.assert_allclose(one, two, atol=1e-5)

    def test_test_records_are_scored_by_themselves(self, kind: TaskKind) -> None:
        data = _data(kind)
        features, targets = data["test"]
        whole = _predict(data, kind)
        few = _predict(data | {"test": (features[::7], targets)}, kind)
        np.testing.assert_allclose(few.test, whole.test[::7], atol=1e-7)
        wild = _predict(data | {"test": (features * 1e6, targets)}, kind)
        assert np.array_equal(wild.validation, whole.validation)
        assert wild.chosen == whole.chosen


@pytest.mark.parametrize("kind", KINDS)
class TestSubsets:
    def test_each_is_a_probe_of_its_rows(self, kind: TaskKind) -> None:
        data = _data(kind)
        rng = np.random.default_rng(0)
        subsets = [rng.permutation(100)[:n] for n in (40, 100, 40, 25)]
        settings = LinearSettings(inverse_penalties=GRID)
        together = list(PROTOCOL.predict(_work(data, kind, subsets), settings))
        assert len(together) == len(subsets)
        for rows, prediction in zip(subsets, together, strict=True):
            x, y = data["train"]
            alone = _predict(data | {"train": (x[rows], y[rows])}, kind)
            np.testing.assert_allclose(prediction.test, alone.test, atol=1e-6)
            assert prediction.chosen["inverse_penalty"] == alone.chosen["inverse_penalty"]

    def test_labels_outside_a_subset_have_no_say(self, kind: TaskKind) -> None:
        data = _data(kind)
        x, y = data["train"]
        other = y.copy()
        other[50:] = y[50:][::-1]
        one, two = (
            next(
                iter(
                    PROTOCOL.predict(
                        _work(data | {"train": (x, targets)}, kind, [np.arange(50)]),
                        LinearSettings(),
                    )
                )
            )
            for targets in (y, other)
        )
        assert np.array_equal(one.test, two.test)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_feature_that_is_not_finite(part: str) -> None:
    data = _data("multi-label")
    data[part][0][3, 2] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        _predict(data, "multi-label")


def test_max_iterations_reach_the_solver(caplog: pytest.LogCaptureFixture) -> None:
    work = _work(_data("multi-label"), "multi-label")
    with caplog.at_level(logging.WARNING):
        list(PROTOCOL.predict(work, LinearSettings(max_iterations=2)))
    assert "after 2 iterations" in caplog.text


def test_two_classes_with_one_label_each() -> None:
    data = {p: (x, y[:, :2].copy()) for p, (x, y) in _data("single-label", signal=0.5).items()}
    for _, targets in data.values():
        targets[:, 1] = 1 - targets[:, 0]
    prediction = _predict(data, "single-label")
    expected = _direct(data, "single-label", prediction.chosen["inverse_penalty"])["test"]
    np.testing.assert_allclose(prediction.test, expected, atol=1e-5)


@pytest.mark.parametrize("grid", [(), (0.0,), (1.0, -1.0)])
def test_bad_grid(grid: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="inverse_penalties"):
        LinearSettings(inverse_penalties=grid)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_is_scikit_learns(kind: TaskKind, dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(0)
    _, targets = _data(kind)["train"]
    probabilities = rng.random(targets.shape)
    if kind == "single-label":
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities = probabilities.astype(dtype)
    exact = probabilities.astype(np.float64)
    if kind == "single-label":
        exact /= exact.sum(axis=1, keepdims=True)  # scikit-learn warns of rounded rows
    expected = _sklearn_log_loss(targets, exact, kind)
    assert log_loss(targets, probabilities, kind) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_log_loss_of_a_certain_mistake_is_large_and_finite(kind: TaskKind) -> None:
    targets = np.array([[1, 0], [0, 1]], np.int8)
    wrong = 1.0 - targets
    assert log_loss(targets, targets.astype(float), kind) == pytest.approx(0, abs=1e-6)
    assert 10 < log_loss(targets, wrong, kind) < 100
