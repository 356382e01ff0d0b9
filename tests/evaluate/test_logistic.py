"""Batched logistic regression against scikit-learn's, converged tightly."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lcd_plugin.evaluate.logistic import Coefficients, fit_logistic, fit_subsets
from lcd_plugin.evaluate.protocols.base import TaskKind

GRID = (1e-4, 1e-2, 1.0)
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _data(
    kind: TaskKind, rows: int, features: int, signal: float = 0.5, classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features on scales from 0.001 to 1,000, far from 0."""
    rng = np.random.default_rng(rows + features)
    if kind == "single-label":
        targets = np.eye(classes, dtype=np.int8)[rng.permutation(np.arange(rows) % classes)]
    else:
        targets = (rng.random((rows, classes)) < np.linspace(0.5, 0.25, classes)).astype(np.int8)
    x = targets @ rng.standard_normal((classes, features)) * signal
    x += rng.standard_normal((rows, features)) @ rng.standard_normal((features, features)) / 4
    x += rng.standard_normal((rows, features))
    return x * 10.0 ** rng.uniform(-3, 3, features) + rng.uniform(-9, 9, features), targets


def _fit(
    x: np.ndarray, targets: np.ndarray, kind: TaskKind, grid: tuple[float, ...] = GRID
) -> Coefficients:
    return fit_logistic(torch.from_numpy(x), torch.from_numpy(targets), kind, grid, 2000)


def _scikit_learn(
    x: np.ndarray, targets: np.ndarray, kind: TaskKind, c: float, other: np.ndarray
) -> np.ndarray:
    """Probabilities of other rows, shape (rows, classes)."""
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000)
    with warnings.catch_warnings():
        # Its line search gives up where rounding errors are as large as what is left to gain.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if kind == "single-label":
            model.fit(scaler.transform(x), targets.argmax(axis=1))
            return model.predict_proba(scaler.transform(other))
        columns = [model.fit(scaler.transform(x), y).predict_proba(scaler.transform(other))[:, 1]
                   for y in targets.T]  # fmt: skip
        return np.stack(columns, axis=1)


def _assert_as_scikit_learn(
    x: np.ndarray,
    targets: np.ndarray,
    kind: TaskKind,
    grid: tuple[float, ...] = GRID,
    atol: float = 1e-5,
) -> None:
    """On the rows of the fit and on rows between and beyond them."""
    rng = np.random.default_rng(0)
    other = np.concatenate([x, x[rng.permutation(len(x))] * 0.5 + x * 0.7])
    ours = _fit(x, targets, kind, grid).probabilities(torch.from_numpy(other)).numpy()
    assert ours.shape == (len(grid), len(other), targets.shape[1])
    for probabilities, c in zip(ours, grid, strict=True):
        expected = _scikit_learn(x, targets, kind, c, other)
        np.testing.assert_allclose(probabilities, expected, atol=atol, err_msg=f"C = {c}")


@pytest.mark.parametrize("kind", KINDS)
class TestAgainstScikitLearn:
    @pytest.mark.parametrize(("rows", "features"), [(150, 8), (30, 60), (40, 40), (41, 40)])
    def test_more_and_fewer_rows_than_features(
        self, kind: TaskKind, rows: int, features: int
    ) -> None:
        _assert_as_scikit_learn(*_data(kind, rows, features), kind)

    def test_constant_and_repeated_columns(self, kind: TaskKind) -> None:
        x, targets = _data(kind, 60, 5)
        constant = np.full((60, 1), 0.1)
        _assert_as_scikit_learn(np.hstack([constant, x, 1e6 * constant, x[:, :2]]), targets, kind)

    def test_every_column_constant(self, kind: TaskKind) -> None:
        """Nothing but the intercept: the shares of the classes."""
        _, targets = _data(kind, 60, 5)
        x = np.full((60, 3), 7.7)
        probabilities = _fit(x, targets, kind).probabilities(torch.from_numpy(x[:1])).numpy()
        shares = np.broadcast_to(targets.mean(axis=0), (len(GRID), 1, 3))
        np.testing.assert_allclose(probabilities, shares, atol=1e-6)

    def test_extreme_penalties(self, kind: TaskKind) -> None:
        _assert_as_scikit_learn(*_data(kind, 150, 8), kind, grid=(1e-9, 1e-7, 1e2, 1e5), atol=1e-4)

    @pytest.mark.parametrize(("rows", "features"), [(150, 8), (30, 60)])
    def test_classes_that_can_be_separated(self, kind: TaskKind, rows: int, features: int) -> None:
        x, targets = _data(kind, rows, features, signal=20)
        _assert_as_scikit_learn(x, targets, kind, grid=(1e-2, 1.0, 1e2), atol=1e-4)

    def test_two_classes(self, kind: TaskKind) -> None:
        _assert_as_scikit_learn(*_data(kind, 80, 6, classes=2), kind)

    def test_one_penalty(self, kind: TaskKind) -> None:
        _assert_as_scikit_learn(*_data(kind, 80, 6), kind, grid=(0.1,))

    def test_single_precision_features(self, kind: TaskKind) -> None:
        x, targets = _data(kind, 80, 6)
        rounded = x.astype(np.float32)
        ours = _fit(rounded, targets, kind).probabilities(torch.from_numpy(rounded)).numpy()
        exact = rounded.astype(np.float64)
        expected = _scikit_learn(exact, targets, kind, GRID[2], exact)
        np.testing.assert_allclose(ours[2], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
class TestSubsets:
    def test_are_as_if_fitted_alone(self, kind: TaskKind, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of equal and of different sizes; also where the stack is too small for all."""
        x, targets = _data(kind, 90, 10)
        rng = np.random.default_rng(0)
        subsets = [rng.permutation(90)[:n] for n in (20, 60, 20, 60, 20, 90)]
        alone = [_fit(x[rows], targets[rows], kind) for rows in subsets]
        for stacked in (2**20, 2 * 20 * 10, 1):
            monkeypatch.setattr("lcd_plugin.evaluate.logistic.STACKED", stacked)
            together = list(
                fit_subsets(
                    torch.from_numpy(x), torch.from_numpy(targets), subsets, kind, GRID, 2000
                )
            )
            assert len(together) == len(subsets)
            for one, other in zip(alone, together, strict=True):
                a, b = (fit.probabilities(torch.from_numpy(x)) for fit in (one, other))
                torch.testing.assert_close(a, b, atol=1e-6, rtol=0)

    def test_equal_rows_give_equal_fits(self, kind: TaskKind) -> None:
        x, targets = _data(kind, 50, 10)
        order = np.random.default_rng(0).permutation(50)
        subsets = [np.arange(50), np.arange(25), order, np.append(order, order[:5])]
        fits = list(
            fit_subsets(torch.from_numpy(x), torch.from_numpy(targets), subsets, kind, GRID, 2000)
        )
        for other in (fits[2], fits[3]):
            assert torch.equal(fits[0].weights, other.weights)
            assert torch.equal(fits[0].intercepts, other.intercepts)
        assert not torch.equal(fits[0].weights, fits[1].weights)

    def test_scaling_is_that_of_the_subset(self, kind: TaskKind) -> None:
        """Rows outside it, however large, have no say."""
        x, targets = _data(kind, 50, 5)
        wild = x.copy()
        wild[30:] *= 1e6
        rows = [np.arange(30)]
        one, other = (
            next(fit_subsets(torch.from_numpy(v), torch.from_numpy(targets), rows, kind, GRID, 500))
            for v in (x, wild)
        )
        assert torch.equal(one.weights, other.weights)


class TestRefused:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_feature_that_is_not_finite(self, value: float) -> None:
        x, targets = _data("multi-label", 30, 4)
        x[7, 2] = value
        with pytest.raises(FloatingPointError, match="not finite"):
            _fit(x, targets, "multi-label")

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("value", "name"), [(0, "positive"), (1, "negative")])
    def test_class_without_a_positive_or_a_negative(
        self, kind: TaskKind, value: int, name: str
    ) -> None:
        x, targets = _data(kind, 30, 4)
        targets[:15, 1] = value
        with pytest.raises(ValueError, match=f"column 1 .* no {name} row among the 15"):
            _fit(x[:15], targets[:15], kind)


def test_too_few_iterations_are_told(caplog: pytest.LogCaptureFixture) -> None:
    x, targets = (torch.from_numpy(v) for v in _data("multi-label", 60, 20))
    with caplog.at_level(logging.WARNING):
        fit_logistic(x, targets, "multi-label", (1e-9, 10.0), 9)
    assert "not converged after 9 iterations: 3;" in caplog.text
    caplog.clear()
    fit_logistic(x, targets, "multi-label", (1e-9, 10.0), 500)
    assert not caplog.records
