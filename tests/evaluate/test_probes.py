"""Linear probe and k-NN probe against scikit-learn and plain loops."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from lcd_plugin.evaluate.knn import knn_probe
from lcd_plugin.evaluate.linear import linear_probe
from lcd_plugin.evaluate.protocols import Prediction, TaskKind, log_loss
from lcd_plugin.evaluate.settings import KNNSettings, LinearSettings

SIZES = {"train": 100, "validation": 90, "test": 120}
CLASSES = 3
Data = dict[str, tuple[np.ndarray, np.ndarray]]
PROBES: list[tuple[Callable[..., Prediction], Any]] = [
    (linear_probe, LinearSettings()),
    (knn_probe, KNNSettings()),
]
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


def _probe(
    probe: Callable[..., Prediction], data: Data, kind: TaskKind, settings: Any
) -> Prediction:
    return probe(data["train"], data["validation"], data["test"][0], kind, settings)


def _scaled(data: Data) -> dict[str, np.ndarray]:
    scaler = StandardScaler().fit(data["train"][0].astype(np.float64))
    return {part: scaler.transform(x.astype(np.float64)) for part, (x, _) in data.items()}


@pytest.mark.parametrize(("probe", "settings"), PROBES)
@pytest.mark.parametrize("kind", KINDS)
class TestBoth:
    def test_features_that_know_the_answer(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        data = _data(kind)
        oracle = {
            p: (np.hstack([4.0 * y, 0 * y]).astype(np.float32), y) for p, (_, y) in data.items()
        }
        prediction = _probe(probe, oracle, kind, settings)
        assert roc_auc_score(data["test"][1], prediction.test) > 0.999

    def test_features_that_know_nothing(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        scores = [
            roc_auc_score(data["test"][1], _probe(probe, data, kind, settings).test)
            for data in (_data(kind, signal=0, seed=seed) for seed in range(3))
        ]
        assert np.mean(scores) == pytest.approx(0.5, abs=0.07)

    def test_scores_are_probabilities(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        data = _data(kind)
        prediction = _probe(probe, data, kind, settings)
        for part, scores in (("validation", prediction.validation), ("test", prediction.test)):
            assert scores.shape == (SIZES[part], CLASSES)
            assert ((scores >= 0) & (scores <= 1)).all()
            if kind == "single-label":
                np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)

    def test_a_record_is_scored_by_itself(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        """Neither the labels nor the other records of the test have a way in."""
        assert not {"test_targets", "test_labels", "test"} & set(
            inspect.signature(probe).parameters
        )
        data = _data(kind)
        whole = _probe(probe, data, kind, settings).test
        features, targets = data["test"]
        few = _probe(probe, data | {"test": (features[::7], targets)}, kind, settings).test
        np.testing.assert_allclose(few, whole[::7], atol=1e-6)

    def test_validation_loss_is_that_of_the_scores(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        data = _data(kind)
        prediction = _probe(probe, data, kind, settings)
        expected = log_loss(data["validation"][1], prediction.validation, kind)
        assert prediction.chosen["validation_log_loss"] == pytest.approx(expected)

    def test_scale_of_features_does_not_matter(
        self, probe: Callable[..., Prediction], settings: Any, kind: TaskKind
    ) -> None:
        data = _data(kind)
        other = {p: ((x * 64 + 32).astype(np.float32), y) for p, (x, y) in data.items()}
        one, two = (_probe(probe, d, kind, settings).test for d in (data, other))
        # Rounding may move the odd neighbour or solver step, no more.
        assert np.quantile(np.abs(one - two), 0.95) < 2e-3


class TestLinear:
    GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)

    def _direct(self, data: Data, kind: TaskKind, c: float) -> dict[str, np.ndarray]:
        x, targets = _scaled(data), data["train"][1]
        if kind == "single-label":
            model = LogisticRegression(C=c, max_iter=5000, tol=1e-8)
            model.fit(x["train"], targets.argmax(axis=1))
            return {p: model.predict_proba(v) for p, v in x.items()}
        models = [
            LogisticRegression(C=c, max_iter=5000, tol=1e-8).fit(x["train"], targets[:, k])
            for k in range(CLASSES)
        ]
        return {
            p: np.stack([m.predict_proba(v)[:, 1] for m in models], axis=1) for p, v in x.items()
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_equals_scikit_learn_at_the_best_penalty(self, kind: TaskKind) -> None:
        data = _data(kind, signal=0.3)
        prediction = _probe(linear_probe, data, kind, LinearSettings(inverse_penalties=self.GRID))
        direct = {c: self._direct(data, kind, c) for c in self.GRID}
        losses = {
            c: _sklearn_log_loss(data["validation"][1], d["validation"], kind)
            for c, d in direct.items()
        }
        best = min(losses, key=losses.__getitem__)
        assert best not in (self.GRID[0], self.GRID[-1]), "the example should have a choice"
        assert prediction.chosen["inverse_penalty"] == best
        np.testing.assert_allclose(prediction.test, direct[best]["test"], atol=2e-3)
        np.testing.assert_allclose(prediction.validation, direct[best]["validation"], atol=2e-3)

    @pytest.mark.parametrize("kind", KINDS)
    def test_grid_may_be_given_in_any_order(self, kind: TaskKind) -> None:
        data = _data(kind)
        one, two = (
            _probe(linear_probe, data, kind, LinearSettings(inverse_penalties=grid))
            for grid in (self.GRID, self.GRID[::-1])
        )
        assert np.array_equal(one.test, two.test)

    def test_two_classes_with_one_label_each(self) -> None:
        data = {p: (x, y[:, :2].copy()) for p, (x, y) in _data("single-label").items()}
        for _, targets in data.values():
            targets[:, 1] = 1 - targets[:, 0]
        prediction = _probe(linear_probe, data, "single-label", LinearSettings())
        assert prediction.test.shape == (SIZES["test"], 2)
        assert roc_auc_score(data["test"][1][:, 0], prediction.test[:, 0]) > 0.75

    @pytest.mark.parametrize("grid", [(), (0.0,), (1.0, -1.0)])
    def test_bad_grid(self, grid: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="inverse_penalties"):
            LinearSettings(inverse_penalties=grid)


class TestKNN:
    @staticmethod
    def _naive(data: Data, part: str, k: int) -> np.ndarray:
        x, targets = _scaled(data), data["train"][1]
        scores = []
        for record in x[part]:
            cosines = [
                record @ other / (np.linalg.norm(record) * np.linalg.norm(other))
                for other in x["train"]
            ]
            nearest = np.argsort(cosines)[::-1][:k]
            scores.append(targets[nearest].mean(axis=0))
        return np.array(scores)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("grid", [(1, 5, 20), (30,), (2, 400)])
    def test_equals_a_plain_loop(self, kind: TaskKind, grid: tuple[int, ...]) -> None:
        data = _data(kind, signal=0.7)
        prediction = _probe(knn_probe, data, kind, KNNSettings(neighbours=grid))
        usable = [min(k, SIZES["train"]) for k in grid]
        losses = {
            k: log_loss(data["validation"][1], self._naive(data, "validation", k), kind)
            for k in usable
        }
        best = min(losses, key=losses.__getitem__)
        assert prediction.chosen["neighbours"] == best
        np.testing.assert_allclose(prediction.test, self._naive(data, "test", best), atol=1e-6)

    @pytest.mark.parametrize("neighbours", [(), (0,), (5, -1)])
    def test_bad_neighbours(self, neighbours: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="neighbours"):
            KNNSettings(neighbours=neighbours)


def _sklearn_log_loss(targets: np.ndarray, probabilities: np.ndarray, kind: TaskKind) -> float:
    if kind == "single-label":
        labels = targets.argmax(axis=1)
        return float(
            sklearn.metrics.log_loss(labels, probabilities, labels=range(targets.shape[1]))
        )
    columns = zip(targets.T, probabilities.T, strict=True)
    return float(np.mean([sklearn.metrics.log_loss(t, p, labels=[0, 1]) for t, p in columns]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_is_scikit_learns(kind: TaskKind, dtype: Any) -> None:
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
