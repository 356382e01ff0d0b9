"""Metrics against scikit-learn: plain, with ties, and for weighted (repeated) records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from lcd_plugin.evaluate.metrics import (
    METRICS,
    auroc,
    average_precision,
    balanced_accuracy,
    choose_thresholds,
    f1,
    per_class,
)

RANKING = [(auroc, roc_auc_score), (average_precision, average_precision_score)]
DECIDING = [(f1, f1_score), (balanced_accuracy, balanced_accuracy_score)]
SEEDS = range(5)


def _records(seed: int, n: int = 80, ties: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(np.int8)
    target[:2] = 0, 1
    score = (target + rng.standard_normal(n)).astype(np.float32)
    return target, np.round(score * 2).astype(np.float32) if ties else score


def _draws(seed: int, n: int, draws: int = 7) -> NDArray[np.float64]:
    """How often each record is drawn; every draw has a positive and a negative one (0 and 1)."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    weights[:, :2] = np.maximum(weights[:, :2], 1)
    return weights


@pytest.mark.parametrize("seed", SEEDS)
class TestAgainstScikitLearn:
    @pytest.mark.parametrize(("ours", "theirs"), RANKING)
    @pytest.mark.parametrize("ties", [False, True])
    def test_ranking(self, ours: Callable[..., Any], theirs: Any, ties: bool, seed: int) -> None:
        target, score = _records(seed, ties=ties)
        (value,) = ours(target, score, np.ones((1, len(target))))
        assert value == pytest.approx(theirs(target, score), abs=1e-12)

    @pytest.mark.parametrize(("ours", "theirs"), RANKING)
    @pytest.mark.parametrize("ties", [False, True])
    def test_ranking_of_repeated_records(
        self, ours: Callable[..., Any], theirs: Any, ties: bool, seed: int
    ) -> None:
        target, score = _records(seed, ties=ties)
        weights = _draws(seed, len(target))
        values = ours(target, score, weights)
        for value, times in zip(values, weights.astype(int), strict=True):
            expected = theirs(np.repeat(target, times), np.repeat(score, times))
            assert value == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize(("ours", "theirs"), DECIDING)
    def test_decisions(self, ours: Callable[..., Any], theirs: Any, seed: int) -> None:
        target, score = _records(seed)
        decision = score > 0.5
        (value,) = ours(target, decision, np.ones((1, len(target))))
        assert value == pytest.approx(theirs(target, decision), abs=1e-12)

    @pytest.mark.parametrize(("ours", "theirs"), DECIDING)
    def test_decisions_on_repeated_records(
        self, ours: Callable[..., Any], theirs: Any, seed: int
    ) -> None:
        target, score = _records(seed)
        decision = score > 0.5
        weights = _draws(seed, len(target))
        for value, times in zip(ours(target, decision, weights), weights.astype(int), strict=True):
            expected = theirs(np.repeat(target, times), np.repeat(decision, times))
            assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_a_score_without_information(metric: Callable[..., Any]) -> None:
    target = np.array([0, 1, 0, 1, 1], np.int8)
    (value,) = metric(target, np.zeros(5, np.float32), np.ones((1, 5)))
    assert value == pytest.approx(0.5 if metric is auroc else 0.6)


def test_records_given_in_another_order_score_the_same() -> None:
    target, score = _records(1, ties=True)
    order = np.random.default_rng(0).permutation(len(target))
    once = np.ones((1, len(target)))
    for metric in (auroc, average_precision):
        assert metric(target, score, once) == metric(target[order], score[order], once)


class TestUndefined:
    def test_auroc_and_balanced_accuracy_need_both_kinds(self) -> None:
        target = np.array([1, 1, 0, 0], np.int8)
        score = np.array([0.9, 0.1, 0.8, 0.2], np.float32)
        weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]], np.float64)
        for values in (
            auroc(target, score, weights),
            balanced_accuracy(target, score > 0.5, weights),
        ):
            assert np.isnan(values[:2]).all()
            assert values[2] == 0.5

    def test_auprc_and_f1_need_a_positive(self) -> None:
        target = np.array([1, 0, 0], np.int8)
        score = np.array([0.9, 0.8, 0.2], np.float32)
        weights = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 1]], np.float64)
        np.testing.assert_allclose(average_precision(target, score, weights), [np.nan, 1, 1])
        np.testing.assert_allclose(f1(target, score > 0.5, weights), [np.nan, 1, 2 / 3])

    def test_nothing_found_is_zero_and_not_undefined(self) -> None:
        target = np.array([1, 0], np.int8)
        assert f1(target, np.zeros(2, bool), np.ones((1, 2))) == 0

    def test_scores_that_are_all_drawn_below_the_first_positive(self) -> None:
        """Records that a draw leaves out, at the top of the ranking, count as absent."""
        target = np.array([0, 1, 0], np.int8)
        score = np.array([3, 2, 1], np.float32)
        (value,) = average_precision(target, score, np.array([[0.0, 1.0, 1.0]]))
        assert value == 1


@pytest.mark.parametrize("metric", METRICS)
def test_per_class_is_class_by_class(metric: str) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 3)) < 0.4).astype(np.int8)
    targets[:2] = [[0, 0, 0], [1, 1, 1]]
    scores = (targets + rng.standard_normal((60, 3))).astype(np.float32)
    thresholds = np.array([0.1, 0.5, 0.9], np.float32)
    weights = _draws(0, 60, draws=4)
    values = per_class(metric, targets, scores, thresholds, weights)
    assert values.shape == (4, 3)
    theirs = {
        "auroc": roc_auc_score,
        "auprc": average_precision_score,
        "f1": f1_score,
        "balanced_accuracy": balanced_accuracy_score,
    }[metric]
    for draw, times in enumerate(weights.astype(int)):
        for k in range(3):
            shown = scores[:, k] if metric.startswith("au") else scores[:, k] >= thresholds[k]
            expected = theirs(np.repeat(targets[:, k], times), np.repeat(shown, times))
            assert values[draw, k] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 9])
def test_thresholds_give_the_best_f1_there_is(dtype: Any, decimals: int) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((120, 6)) < 0.3).astype(np.int8)
    scores = np.round(0.3 * targets + rng.random((120, 6)), decimals).astype(dtype)
    thresholds = choose_thresholds(targets, scores)
    for k in range(6):
        best = max(f1_score(targets[:, k], scores[:, k] >= s) for s in scores[:, k])
        chosen = f1_score(targets[:, k], scores[:, k] >= thresholds[k])
        assert chosen == pytest.approx(best, abs=1e-12)


def test_threshold_of_a_class_that_validation_does_not_have() -> None:
    targets = np.array([[1, 0], [0, 0]], np.int8)
    scores = np.array([[0.8, 0.9], [0.1, 0.2]], np.float32)
    np.testing.assert_array_equal(
        choose_thresholds(targets, scores), np.array([0.8, 0.5], np.float32)
    )
