"""Label factors against scikit-learn's isotonic regression, numpy's interpolation and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from lcd_plugin.evaluate.label_factor import estimate_factor, label_factor, monotone

LABELS = np.array([10, 100, 1000])


def _factor(score: float, curve: list[float], labels: np.ndarray = LABELS, n: int = 10) -> float:
    return float(label_factor(n, np.array([score]), labels, np.array([curve])).factor[0])


@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize("points", [1, 2, 3, 7])
def test_monotone_is_scikit_learns(points: int, decimals: int) -> None:
    scores = np.round(np.random.default_rng(points).random((60, points)), decimals)
    expected = [IsotonicRegression().fit_transform(np.arange(points), row) for row in scores]
    np.testing.assert_allclose(monotone(scores), expected, rtol=0, atol=1e-14)


def test_a_curve_that_is_monotone_stays_as_it_is() -> None:
    scores = np.sort(np.random.default_rng(0).random((200, 7)), axis=1)
    np.testing.assert_array_equal(monotone(scores), scores)


def test_interpolates_on_a_logarithmic_axis_of_labels() -> None:
    rng = np.random.default_rng(1)
    curves = np.sort(rng.random((300, 3)), axis=1)
    scores = rng.random(300)
    factors = label_factor(50, scores, LABELS, curves)
    for factor, score, curve in zip(factors.factor, scores, curves, strict=True):
        expected = np.exp(np.interp(score, curve, np.log(LABELS))) / 50
        assert factor == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(factors.more, scores > curves[:, 2])
    np.testing.assert_array_equal(factors.less, scores < curves[:, 0])


@pytest.mark.parametrize(
    ("score", "factor", "more", "less"),
    [
        (0.95, 100, True, False),
        (0.9, 100, False, False),
        (0.85, 10 * np.sqrt(10), False, False),
        (0.8, 10, False, False),
        (0.6, 1, False, False),
        (0.5, 1, False, True),
    ],
)
def test_on_between_and_beyond_the_points(
    score: float, factor: float, more: bool, less: bool
) -> None:
    found = label_factor(10, np.array([score]), LABELS, np.array([[0.6, 0.8, 0.9]]))
    assert found.factor[0] == pytest.approx(factor, rel=1e-9)
    assert (found.more[0], found.less[0]) == (more, less)


class TestFlatStretches:
    def test_the_smallest_number_of_labels_that_reaches_the_score_counts(self) -> None:
        assert _factor(0.8, [0.6, 0.8, 0.8]) == pytest.approx(10)
        assert _factor(0.8, [0.8, 0.8, 0.9]) == 1

    def test_a_dip_is_levelled_first(self) -> None:
        # 0.8 and 0.6 become 0.7 each, which 10 labels reach.
        assert _factor(0.7, [0.8, 0.6, 0.9]) == pytest.approx(1)

    def test_a_curve_that_is_flat_throughout(self) -> None:
        assert _factor(0.8, [0.7, 0.7, 0.7]) == 100
        assert _factor(0.7, [0.7, 0.7, 0.7]) == 1


def test_a_baseline_with_one_number_of_labels() -> None:
    factors = label_factor(20, np.array([0.6, 0.7, 0.8]), np.array([100]), np.full((3, 1), 0.7))
    np.testing.assert_array_equal(factors.factor, [5, 5, 5])
    np.testing.assert_array_equal(factors.less, [True, False, False])
    np.testing.assert_array_equal(factors.more, [False, False, True])


def test_a_baseline_against_itself_is_one() -> None:
    curve = np.random.default_rng(0).random(3).cumsum()
    for n, score in zip(LABELS, curve, strict=True):
        assert _factor(score, list(curve), n=int(n)) == pytest.approx(1, rel=1e-12)


def test_draws_without_a_score_have_no_factor() -> None:
    curves = np.array([[0.6, 0.8, 0.9], [0.6, np.nan, 0.9], [0.6, 0.8, 0.9]])
    factors = label_factor(10, np.array([np.nan, 0.7, 0.8]), LABELS, curves)
    np.testing.assert_allclose(factors.factor, [np.nan, np.nan, 10])


@pytest.mark.parametrize("labels", [[100, 10], [10, 10], [0, 10], []])
def test_numbers_of_labels_that_do_not_ascend_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="must be positive and ascend"):
        label_factor(10, np.array([0.5]), np.array(labels), np.empty((1, len(labels))))


class TestEstimate:
    CURVE = np.array([0.6, 0.8, 0.9])

    def _estimate(self, score: float, draws: np.ndarray):  # type: ignore[no-untyped-def]
        curves = np.tile(self.CURVE, (len(draws), 1))
        return estimate_factor(10, score, draws, LABELS, self.CURVE, curves)

    def test_interval_within_the_curve_is_that_of_the_scores(self) -> None:
        draws = np.random.default_rng(0).normal(0.75, 0.02, 4001)
        found = self._estimate(0.75, draws)
        assert (found.bound, found.low_bound, found.high_bound) == ("exact",) * 3
        low, high = np.percentile(draws, [2.5, 97.5])
        assert found.factor == pytest.approx(_factor(0.75, [0.6, 0.8, 0.9]))
        assert found.ci_low == pytest.approx(_factor(low, [0.6, 0.8, 0.9]))
        assert found.ci_high == pytest.approx(_factor(high, [0.6, 0.8, 0.9]))

    def test_an_end_beyond_the_curve_is_a_bound(self) -> None:
        draws = np.random.default_rng(0).normal(0.88, 0.02, 1000)
        found = self._estimate(0.88, draws)
        assert (found.bound, found.low_bound, found.high_bound) == ("exact", "exact", "more")
        assert found.ci_low < found.factor < found.ci_high == 100

    def test_all_above_or_all_below(self) -> None:
        above = self._estimate(0.95, np.full(50, 0.96))
        assert (above.bound, above.low_bound, above.high_bound) == ("more",) * 3
        assert above.ci_low == above.factor == above.ci_high == 100
        below = self._estimate(0.55, np.full(50, 0.5))
        assert (below.bound, below.low_bound, below.high_bound) == ("less",) * 3
        assert below.ci_low == below.factor == below.ci_high == 1

    def test_draws_without_a_score_are_left_out(self) -> None:
        draws = np.random.default_rng(0).normal(0.75, 0.02, 401)
        with_gaps = np.concatenate([draws, np.full(100, np.nan)])
        assert self._estimate(0.75, with_gaps) == self._estimate(0.75, draws)

    def test_no_draw_with_a_score_is_no_interval(self) -> None:
        """As with one patient, whom nothing can be drawn from."""
        found = self._estimate(0.75, np.full(50, np.nan))
        assert found.factor == pytest.approx(_factor(0.75, [0.6, 0.8, 0.9]))
        assert np.isnan([found.ci_low, found.ci_high]).all()
        assert (found.bound, found.low_bound, found.high_bound) == ("exact",) * 3
        above = self._estimate(0.95, np.full(50, np.nan))
        assert above.bound == "more"
        assert np.isnan([above.ci_low, above.ci_high]).all()
