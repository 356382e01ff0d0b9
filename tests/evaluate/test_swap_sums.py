"""Differences as sums over records against scoring every swap with scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.permutation import permutation_p_values
from lcd_plugin.evaluate.swap_sums import LINEAR, p_values_of_sums


def _predictions(records: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Targets and two methods' scores; the second one's are rounded, so that many are equal."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((records, classes)) < 0.4).astype(np.int8)
    targets[:2] = [[0], [1]]
    a = targets + 1.5 * rng.standard_normal(targets.shape)
    b = np.round(targets + 1.2 * rng.standard_normal(targets.shape), 1) * 30
    return targets, a, b


def _swapped(signs: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = signs[:, None] > 0
    return np.where(kept, a, b), np.where(kept, b, a)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_of_every_swap(seed: int):
    targets, a, b = _predictions(40, seed=seed)
    ranks = [stats.rankdata(scores, axis=0) for scores in (a, b)]
    parts = LINEAR["auroc"].parts(targets, *ranks)
    rng = np.random.default_rng(seed)
    for signs in (np.ones(40), -np.ones(40), *(2 * rng.integers(0, 2, (20, 40)) - 1)):
        one, other = _swapped(signs, *ranks)
        expected = roc_auc_score(targets, one) - roc_auc_score(targets, other)
        assert signs @ parts == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_balanced_accuracy_of_every_swap(seed: int):
    targets, a, b = _predictions(40, seed=seed)
    decisions = [(scores > 0.5).astype(float) for scores in (a, b / 30)]
    parts = LINEAR["balanced_accuracy"].parts(targets, *decisions)
    rng = np.random.default_rng(seed)
    for signs in (np.ones(40), *(2 * rng.integers(0, 2, (20, 40)) - 1)):
        means = [
            np.mean([balanced_accuracy_score(t, d) for t, d in zip(targets.T, x.T, strict=True)])
            for x in _swapped(signs, *decisions)
        ]
        assert signs @ parts == pytest.approx(means[0] - means[1], abs=1e-12)


def test_a_class_with_one_value_counts_for_nothing():
    targets, a, b = _predictions(30)
    targets[:, 1] = 0
    ranks = [stats.rankdata(scores, axis=0) for scores in (a, b)]
    parts = LINEAR["auroc"].parts(targets, *ranks)
    rest = [0, 2]
    expected = roc_auc_score(targets[:, rest], a[:, rest]) - roc_auc_score(
        targets[:, rest], b[:, rest]
    )
    assert parts.sum() == pytest.approx(expected, abs=1e-12)


def test_p_is_that_of_all_swaps_of_patients_one_by_one():
    """Ten patients of two records each: all 1,024 swaps can be counted."""
    targets, a, b = _predictions(20, seed=3)
    patients = np.repeat([f"p{i}" for i in range(10)], 2)
    ranks = [stats.rankdata(scores, axis=0) for scores in (a, b)]
    differences = []
    for choice in itertools.product((1, -1), repeat=10):
        one, other = _swapped(np.repeat(choice, 2), *ranks)
        differences.append(roc_auc_score(targets, one) - roc_auc_score(targets, other))
    exact = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-9)
    half = np.full(3, 0.5)
    lines = [[Predicted(a, half)], [Predicted(b, half)]]
    found = permutation_p_values({"auroc": 20_000}, targets, patients, lines)["auroc"][0, 1]
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_runs_count_by_their_shares():
    targets, a, b = _predictions(60)
    half, patients = np.full(3, 0.5), np.arange(60).astype(str)
    lines = [[Predicted(a, half), Predicted(b, half)], [Predicted(b, half), Predicted(a, half)]]
    # The same two runs on both sides: no difference at all, whatever is swapped with what.
    shares = {(0, 1): [(0, 0, 0.5), (1, 1, 0.5)]}
    assert p_values_of_sums("auroc", 500, targets, patients, lines, shares, 0) == {(0, 1): 1.0}
