"""Metrics against scikit-learn: plain, with ties, and for weighted (repeated) records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from lcd_plugin.evaluate.metrics import (
    BINS,
    DECIDING,
    LOWER_IS_BETTER,
    METRICS,
    RANKING,
    choose_thresholds,
    macro,
    per_class,
    per_class_many,
)

THRESHOLDS = np.array([0.3, 0.5, 0.7], np.float32)


def _naive_ece(target: Any, score: Any, sample_weight: Any) -> float:
    error = 0.0
    for low in np.arange(BINS) / BINS:
        last = low + 1 / BINS >= 1 - 1e-9
        inside = (score >= low) & ((score < low + 1 / BINS) | last)
        if sample_weight[inside].sum() > 0:
            w = sample_weight[inside]
            gap = np.average(target[inside], weights=w) - np.average(score[inside], weights=w)
            error += w.sum() * abs(gap)
    return float(error / sample_weight.sum())


SCIKIT: dict[str, Callable[..., Any]] = {
    "auroc": roc_auc_score,
    "auprc": average_precision_score,
    "f1": f1_score,
    "balanced_accuracy": balanced_accuracy_score,
    "ece": _naive_ece,
}


def _records(seed: int, ties: bool = False, n: int = 90) -> tuple[NDArray[Any], NDArray[Any]]:
    """Three classes: a common, a rare one, and one that most records have."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, 3)) < [0.4, 0.08, 0.8]).astype(np.int8)
    targets[:2] = [[0, 0, 0], [1, 1, 1]]
    scores = 1 / (1 + np.exp(-(targets - 0.5 + rng.standard_normal((n, 3)))))
    return targets, np.round(scores, 1) if ties else scores


def _weights(seed: int, n: int, draws: int = 3) -> NDArray[np.float64]:
    """How often each record is drawn; every draw has a positive and a negative one (0 and 1)."""
    rng = np.random.default_rng(seed)
    weights = rng.poisson(1, (n, draws)).astype(np.float64)
    weights[:2] = np.maximum(weights[:2], 1)
    return weights


def _scikit(metric: str, targets: Any, scores: Any, weights: Any) -> NDArray[np.float64]:
    shown = scores >= THRESHOLDS if metric in DECIDING else scores
    return np.array(
        [
            [
                SCIKIT[metric](targets[:, k], shown[:, k], sample_weight=column)
                for k in range(targets.shape[1])
            ]
            for column in weights.T
        ]
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ties", [False, True])
class TestAgainstScikitLearn:
    @pytest.mark.parametrize("seed", range(2))
    def test_weighted(self, metric: str, ties: bool, seed: int) -> None:
        targets, scores = _records(seed, ties)
        weights = _weights(seed, len(targets))
        values = per_class(metric, targets, scores, THRESHOLDS, weights)
        expected = _scikit(metric, targets, scores, weights)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)

    def test_weights_that_are_no_counts(self, metric: str, ties: bool) -> None:
        targets, scores = _records(3, ties)
        weights = np.random.default_rng(0).random((len(targets), 2))
        values = per_class(metric, targets, scores, THRESHOLDS, weights)
        expected = _scikit(metric, targets, scores, weights)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)

    def test_plain(self, metric: str, ties: bool) -> None:
        targets, scores = _records(4, ties)
        values = per_class(metric, targets, scores, THRESHOLDS)
        assert values.shape == (1, 3)
        assert values.dtype == np.float64
        expected = _scikit(metric, targets, scores, np.ones((len(targets), 1)))
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)

    def test_single_precision_is_close_and_exact_where_only_counts_matter(
        self, metric: str, ties: bool
    ) -> None:
        targets, scores = _records(5, ties, n=2000)
        weights = _weights(5, 2000)
        exact = per_class(metric, targets, scores, THRESHOLDS, weights)
        single = per_class(metric, targets, scores, THRESHOLDS, weights.astype(np.float32))
        counts_only = metric in ("auroc", *DECIDING)
        np.testing.assert_allclose(single, exact, rtol=0, atol=0 if counts_only else 1e-6)


def test_calibration_error_is_that_of_scikit_learns_curve() -> None:
    targets, scores = _records(0, n=3000)
    (values,) = per_class("ece", targets, scores)
    for k in range(3):
        shown, predicted = calibration_curve(targets[:, k], scores[:, k], n_bins=BINS)
        sizes = np.histogram(scores[:, k], np.linspace(0, 1, BINS + 1))[0]
        expected = np.average(np.abs(shown - predicted), weights=sizes[sizes > 0])
        assert values[k] == pytest.approx(expected, abs=1e-12)


def test_calibration_error_of_a_calibrated_score_is_small_and_of_a_shifted_one_large() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((20000, 1)) * 0.8
    targets = (rng.random((20000, 1)) < scores).astype(np.int8)
    assert per_class("ece", targets, scores) < 0.02
    assert per_class("ece", targets, scores + 0.2) == pytest.approx(0.2, abs=0.02)
    assert frozenset({"ece"}) == LOWER_IS_BETTER


def test_a_score_of_exactly_one_is_in_the_last_bin() -> None:
    targets = np.array([[1], [0]], np.int8)
    assert per_class("ece", targets, np.array([[1.0], [0.0]])) == 0
    assert per_class("ece", targets, np.array([[0.0], [1.0]])) == 1


def test_metrics_computed_together_are_those_computed_apart() -> None:
    targets, scores = _records(1, ties=True)
    weights = _weights(1, len(targets))
    together = per_class_many(METRICS, targets, scores, THRESHOLDS, weights)
    assert tuple(together) == METRICS
    for metric, values in together.items():
        apart = per_class(metric, targets, scores, THRESHOLDS, weights)
        np.testing.assert_array_equal(values, apart)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("draws", [3, 2000])
def test_runs_computed_together_are_those_computed_apart(ties: bool, draws: int) -> None:
    """Also where there are more draws than are computed together."""
    targets, _ = _records(1, n=900)
    targets[:, 1] = 0  # a class that nothing is known of
    scores = np.stack([_records(seed, ties, n=900)[1] for seed in range(3)])
    thresholds = np.random.default_rng(0).random((3, 3))
    weights = _weights(1, len(targets), draws)
    together = per_class_many(METRICS, targets, scores, thresholds, weights)
    for metric, values in together.items():
        assert values.shape == (3, draws, 3)
        for run in range(3):
            apart = per_class(metric, targets, scores[run], thresholds[run], weights[:, -2:])
            np.testing.assert_allclose(values[run, -2:], apart, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("metric", "expected"), [("auroc", 0.5), ("auprc", 0.6)])
def test_a_score_without_information(metric: str, expected: float) -> None:
    targets = np.array([[0], [1], [0], [1], [1]], np.int8)
    assert per_class(metric, targets, np.zeros((5, 1))) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_records_given_in_another_order_score_the_same(metric: str) -> None:
    targets, scores = _records(1, ties=True)
    order = np.random.default_rng(0).permutation(len(targets))
    np.testing.assert_allclose(
        per_class(metric, targets, scores, THRESHOLDS),
        per_class(metric, targets[order], scores[order], THRESHOLDS),
        atol=1e-15,
    )


class TestUndefined:
    def test_auroc_and_balanced_accuracy_need_both_kinds(self) -> None:
        targets = np.array([[1], [1], [0], [0]], np.int8)
        scores = np.array([[0.9], [0.1], [0.8], [0.2]])
        weights = np.array([[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 1]], np.float64)
        for metric in ("auroc", "balanced_accuracy"):
            values = per_class(metric, targets, scores, np.array([0.5]), weights)
            np.testing.assert_array_equal(values[:, 0], [np.nan, np.nan, 0.5])

    def test_auprc_and_f1_need_a_positive(self) -> None:
        targets = np.array([[1], [0], [0]], np.int8)
        scores = np.array([[0.9], [0.8], [0.2]])
        weights = np.array([[0, 1, 1], [1, 0, 1], [1, 0, 1]], np.float64)
        found = per_class_many(("auprc", "f1"), targets, scores, np.array([0.5]), weights)
        np.testing.assert_allclose(found["auprc"][:, 0], [np.nan, 1, 1])
        np.testing.assert_allclose(found["f1"][:, 0], [np.nan, 1, 2 / 3])

    @pytest.mark.parametrize("metric", [*RANKING, *DECIDING])
    def test_a_class_that_the_test_set_lacks(self, metric: str) -> None:
        targets = np.array([[1, 0], [0, 0]], np.int8)
        values = per_class(metric, targets, np.array([[0.9, 0.3], [0.2, 0.4]]), np.full(2, 0.5))
        np.testing.assert_array_equal(values, [[1, np.nan]])
        assert macro(values) == 1

    def test_nothing_found_is_zero_and_not_undefined(self) -> None:
        targets = np.array([[1], [0]], np.int8)
        assert per_class("f1", targets, np.zeros((2, 1)), np.array([0.5])) == 0

    def test_records_that_a_draw_leaves_out_at_the_top_of_the_ranking(self) -> None:
        targets = np.array([[0], [1], [0]], np.int8)
        scores = np.array([[3.0], [2.0], [1.0]])
        assert per_class("auprc", targets, scores, None, np.array([[0.0], [1.0], [1.0]])) == 1

    def test_macro_of_no_class_at_all(self) -> None:
        assert np.isnan(macro(np.array([np.nan, np.nan])))


class TestRefused:
    def test_a_metric_that_is_not_there(self) -> None:
        with pytest.raises(ValueError, match=r"Unknown metric 'auc'; there are auroc, "):
            per_class("auc", *_records(0))

    def test_scores_that_are_not_a_number(self) -> None:
        targets, scores = _records(0)
        scores[[3, 7], 1] = np.nan
        with pytest.raises(ValueError, match="2 of 90 records have scores that are not a number"):
            per_class("auroc", targets, scores)

    def test_decisions_without_thresholds(self) -> None:
        with pytest.raises(ValueError, match="need thresholds"):
            per_class("f1", *_records(0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 9])
def test_thresholds_give_the_best_f1_there_is(dtype: Any, decimals: int) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 2)) < 0.3).astype(np.int8)
    scores = np.round(0.3 * targets + rng.random((60, 2)), decimals).astype(dtype)
    thresholds = choose_thresholds(targets, scores)
    for k in range(2):
        best = max(f1_score(targets[:, k], scores[:, k] >= s) for s in scores[:, k])
        chosen = f1_score(targets[:, k], scores[:, k] >= thresholds[k])
        assert chosen == pytest.approx(best, abs=1e-12)


def test_threshold_of_a_class_that_validation_does_not_have() -> None:
    targets = np.array([[1, 0], [0, 0]], np.int8)
    scores = np.array([[0.8, 0.9], [0.1, 0.2]], np.float32)
    np.testing.assert_array_equal(
        choose_thresholds(targets, scores), np.array([0.8, 0.5], np.float32)
    )
