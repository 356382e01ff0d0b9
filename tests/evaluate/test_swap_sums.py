"""Differences as sums over records against scoring every swap with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from lcd_plugin.evaluate.metrics import RANKING, TESTED
from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.swap_sums import swap_sums

HALF = np.full(3, 0.5)
SCIKIT: dict[str, Callable[..., Any]] = {
    "auroc": roc_auc_score,
    "auprc": average_precision_score,
    "f1": f1_score,
    "balanced_accuracy": balanced_accuracy_score,
}


def _macro(metric: str, targets: np.ndarray, shown: np.ndarray, weights: Any = None) -> float:
    score = SCIKIT[metric]
    if metric == "f1":
        return float(score(targets, shown, average="macro", sample_weight=weights))
    columns = zip(targets.T, shown.T, strict=True)
    return float(np.mean([score(t, s, sample_weight=weights) for t, s in columns]))


def _predictions(
    records: int = 40, strengths: tuple[float, float] = (1.0, 1.2), share: float = 0.4,
    digits: int = 9, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Targets of three classes and two methods' scores, which share some of their errors."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((records, 3)) < share).astype(np.int8)
    targets[:4] = [[0], [1], [1], [0]]
    common = rng.standard_normal(targets.shape)
    a, b = (
        np.round(strength * (targets - 0.5) + 0.7 * common + 0.7 * own + 0.5, digits)
        for strength, own in zip(strengths, rng.standard_normal((2, *targets.shape)), strict=True)
    )
    return targets, a, b


def _sums(metric: str, targets: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What the records add to the difference of two methods."""
    lines = [[Predicted(a, HALF)], [Predicted(b, HALF)]]
    return swap_sums((metric,), targets, lines, {(0, 1): [(0, 0, 1.0)]})[metric][0]


def _shown(metric: str, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """What swaps: ranks or decisions."""
    if metric in RANKING:
        return [stats.rankdata(scores, axis=0) for scores in (a, b)]
    return [(scores >= 0.5).astype(float) for scores in (a, b)]


def _difference(metric: str, targets: np.ndarray, shown: list[np.ndarray], signs: Any) -> float:
    """Of two methods after the records with negative signs were swapped."""
    kept, (a, b) = signs[:, None] > 0, shown
    one, other = np.where(kept, a, b), np.where(kept, b, a)
    return _macro(metric, targets, one) - _macro(metric, targets, other)


def _signs(number: int, records: int, seed: int = 0) -> np.ndarray:
    """Random swaps, the first of nothing."""
    signs = 2 * np.random.default_rng(seed).integers(0, 2, (number, records)) - 1
    signs[0] = 1
    return signs


@pytest.mark.parametrize("metric", ["auroc", "balanced_accuracy"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [1, 9])
def test_the_sum_is_the_difference_after_every_swap(metric: str, seed: int, digits: int):
    targets, a, b = _predictions(digits=digits, seed=seed)
    parts = _sums(metric, targets, a, 30 * b if metric == "auroc" else b)
    for signs in _signs(20, len(targets), seed):
        expected = _difference(metric, targets, _shown(metric, a, b), signs)
        assert signs @ parts == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", TESTED)
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_the_sum_is_the_slope_between_the_methods(metric: str, digits: int):
    """Of the metric of all predictions of both, those of either method weighing a little more."""
    targets, a, b = _predictions(digits=digits, seed=2)
    parts = _sums(metric, targets, a, b)
    twice, shown, step = np.tile(targets, (2, 1)), np.concatenate(_shown(metric, a, b)), 1e-4
    for signs in _signs(8, len(targets)):
        way = step * np.concatenate([signs, -signs])
        ends = [_macro(metric, twice, shown, weights) for weights in (1 + way, 1 - way)]
        assert signs @ parts == pytest.approx((ends[0] - ends[1]) / step, abs=1e-6)


CASES: dict[str, dict[str, Any]] = {
    "alike": {},
    "medium": {"strengths": (2.0, 1.4)},
    "strong": {"strengths": (2.5, 1.0)},
    "ties": {"strengths": (2.0, 1.4), "digits": 1},
    "many ties": {"strengths": (1.7, 1.5), "digits": 0},
    "rare classes": {"strengths": (2.0, 1.5), "share": 0.06},
}


@pytest.mark.parametrize("metric", ["auprc", "f1"])
@pytest.mark.parametrize("case", CASES)
def test_p_is_that_of_swaps_that_are_scored(metric: str, case: str):
    targets, a, b = _predictions(150, **CASES[case], seed=1)
    parts, shown = _sums(metric, targets, a, b), _shown(metric, a, b)
    signs = _signs(120, len(targets))
    scored = np.array([_difference(metric, targets, shown, own) for own in signs])
    sums = signs @ parts
    assert np.corrcoef(scored, sums)[0, 1] > 0.99
    p_values = [np.mean(np.abs(d) >= abs(d[0]) - 1e-9) for d in (scored, sums)]
    # With eight different scores two methods never have as many records above each of them.
    assert p_values[1] == pytest.approx(p_values[0], abs=0.1 if case == "many ties" else 0.05)


def test_the_sum_of_an_average_precision_without_ties_is_the_difference():
    targets, a, b = _predictions(strengths=(4.0, 0.0))
    expected = average_precision_score(targets, a) - average_precision_score(targets, b)
    assert _sums("auprc", targets, a, b).sum() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("limit", [0.5, 1.5, 99])
def test_the_sum_of_an_f1_lacks_a_square(limit: float):
    """Also where one of the methods, or both, decide for nothing."""
    targets, a, b = (x[:, :1] for x in _predictions())
    lines = [[Predicted(a, np.array([limit]))], [Predicted(b, np.array([2 * limit]))]]
    total = swap_sums(("f1",), targets, lines, {(0, 1): [(0, 0, 1.0)]})["f1"].sum()
    decided = [a >= limit, b >= 2 * limit]
    of_a, of_b = (d.sum() + targets.sum() for d in decided)
    off = 1 - ((of_a - of_b) / (of_a + of_b)) ** 2
    scores = [f1_score(targets, d, zero_division=0) for d in decided]
    assert total / off == pytest.approx(scores[0] - scores[1], abs=1e-12)


@pytest.mark.parametrize("metric", TESTED)
def test_a_class_without_a_positive_counts_for_nothing(metric: str):
    targets, a, b = _predictions(30)
    targets[:, 1] = 0
    rest = [0, 2]
    lines = [[Predicted(x[:, rest], HALF[rest])] for x in (a, b)]
    without = swap_sums((metric,), targets[:, rest], lines, {(0, 1): [(0, 0, 1.0)]})[metric][0]
    np.testing.assert_allclose(_sums(metric, targets, a, b), without, rtol=0, atol=1e-14)


@pytest.mark.parametrize("metric", TESTED)
def test_a_class_of_all_records_counts_where_the_metric_is_defined(metric: str):
    targets, a, b = _predictions(30)
    targets[:] = 1
    found = _sums(metric, targets, a, b)
    assert np.isfinite(found).all()
    if metric == "f1":
        assert found.any()
    else:
        np.testing.assert_allclose(found, 0, atol=1e-12)


@pytest.mark.parametrize("metric", TESTED)
def test_runs_count_by_their_shares(metric: str):
    targets, a, b = _predictions(60)
    lines = [[Predicted(a, HALF), Predicted(b, HALF)], [Predicted(b, HALF), Predicted(a, HALF)]]
    # The same two runs on both sides: no difference at all, whatever is swapped with what.
    equal = swap_sums((metric,), targets, lines, {(0, 1): [(0, 0, 0.5), (1, 1, 0.5)]})
    np.testing.assert_allclose(equal[metric], 0, atol=1e-15)
    mostly = swap_sums((metric,), targets, lines, {(0, 1): [(0, 0, 0.75), (1, 1, 0.25)]})
    alone = _sums(metric, targets, a, b)
    np.testing.assert_allclose(mostly[metric][0], 0.5 * alone, rtol=0, atol=1e-14)


def test_many_pairs_are_those_computed_one_by_one():
    """More than are computed together."""
    rng = np.random.default_rng(0)
    targets, _, _ = _predictions(200)
    lines = [
        [Predicted(np.round(targets + rng.standard_normal(targets.shape), 1), HALF) for _ in "ab"]
        for _ in range(12)
    ]
    pairs = [(i, j) for i in range(12) for j in range(i)]
    swaps = [(0, 1, 0.5), (1, 0, 0.5)]
    together = swap_sums(TESTED, targets, lines, dict.fromkeys(pairs, swaps))
    for place in (0, 30, 65):
        i, j = pairs[place]
        apart = swap_sums(TESTED, targets, [lines[i], lines[j]], {(0, 1): swaps})
        for metric in TESTED:
            np.testing.assert_allclose(
                together[metric][place], apart[metric][0], rtol=0, atol=1e-14
            )
