"""Bootstrap over patients against scipy, a plain loop, and a population whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from lcd_plugin.evaluate.bootstrap import (
    Interval,
    interval,
    intervals,
    patient_weights,
    score_interval,
)
from lcd_plugin.evaluate.metrics import macro, per_class


def _patients(n: int, largest: int, seed: int = 0) -> NDArray[np.str_]:
    rng = np.random.default_rng(seed)
    names = [f"p{i}" for i in range(n) for _ in range(rng.integers(1, largest + 1))]
    return rng.permutation(names)


def _none(patients: NDArray[np.str_]) -> NDArray[np.int8]:
    """Targets without any class: one stratum."""
    return np.zeros((len(patients), 1), np.int8)


class TestDraws:
    def test_patients_are_drawn_whole(self) -> None:
        patients = _patients(30, 5)
        targets = (np.random.default_rng(0).random((len(patients), 3)) < 0.3).astype(np.int8)
        weights = patient_weights(patients, targets, 200)
        assert weights.shape == (len(patients), 200)
        assert weights.dtype == np.float32
        for name in np.unique(patients):
            own = weights[patients == name]
            assert (own == own[:1]).all()

    def test_every_draw_weighs_as_much_as_there_are_patients(self) -> None:
        patients = _patients(25, 4)
        _, first = np.unique(patients, return_index=True)
        weights = patient_weights(patients, _none(patients), 2000)[first]
        np.testing.assert_allclose(weights.sum(axis=0), 25, rtol=1e-6)
        np.testing.assert_allclose(weights.mean(axis=1), 1, atol=0.1)
        # 24 of 25 are drawn with replacement, each with weight 25 / 24.
        times = weights * 24 / 25
        np.testing.assert_allclose(times, times.round(), atol=1e-5)

    def test_variance_of_a_mean_is_the_unbiased_one(self) -> None:
        values = np.random.default_rng(1).exponential(size=8)
        patients = np.arange(8).astype(str)
        means = values @ patient_weights(patients, _none(patients), 40000) / 8
        assert means.var() == pytest.approx(values.var(ddof=1) / 8, rel=0.03)

    def test_seed_decides_and_methods_share_their_draws(self) -> None:
        patients = _patients(12, 3)
        first = patient_weights(patients, _none(patients), 50, seed=1)
        assert np.array_equal(patient_weights(patients, _none(patients), 50, seed=1), first)
        assert not np.array_equal(patient_weights(patients, _none(patients), 50, seed=2), first)

    def test_one_patient_has_nothing_to_draw_from(self) -> None:
        patients = np.array(["a", "a"])
        weights = patient_weights(patients, np.eye(2, dtype=np.int8), 5)
        assert weights.shape == (2, 5)
        draws = macro(per_class("auroc", np.eye(2, dtype=np.int8), np.eye(2), None, weights))
        assert np.isnan([interval(draws).low, interval(draws).high]).all()


class TestStrata:
    def test_no_draw_loses_a_class_of_five_patients(self) -> None:
        patients = np.arange(400).astype(str)
        targets = np.zeros((400, 2), np.int8)
        targets[:200, 0] = 1
        targets[198:203, 1] = 1
        weights = patient_weights(patients, targets, 3000)
        # Patients with both classes belong to the rare one, whose weight is the same every time.
        np.testing.assert_allclose(weights[198:203].sum(axis=0), 5, rtol=1e-6)
        np.testing.assert_allclose(weights[:198].sum(axis=0), 198, rtol=1e-5)
        np.testing.assert_allclose(weights[203:].sum(axis=0), 197, rtol=1e-5)

    def test_class_of_a_patient_is_that_of_any_of_its_records(self) -> None:
        patients = np.repeat(np.arange(60), 2).astype(str)
        targets = np.zeros((120, 1), np.int8)
        targets[:20:2] = 1
        weights = patient_weights(patients, targets, 500)
        np.testing.assert_allclose(weights[:20:2].sum(axis=0), 10, rtol=1e-6)

    def test_a_class_of_one_patient_is_not_drawn_every_time(self) -> None:
        patients = np.arange(100).astype(str)
        targets = np.zeros((100, 2), np.int8)
        targets[0, 0] = 1
        targets[1:41, 1] = 1
        weights = patient_weights(patients, targets, 3000)
        assert (weights[0] == 0).mean() == pytest.approx(np.exp(-1), abs=0.05)
        np.testing.assert_allclose(weights[1:41].sum(axis=0), 40, rtol=1e-5)


def test_interval_of_a_mean_is_scipys() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=80)
    patients = np.arange(80).astype(str)
    ours = interval(values @ patient_weights(patients, _none(patients), 4000) / 80)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng
    ).confidence_interval
    width = theirs.high - theirs.low
    # Two bootstraps of 4000 draws each: their ends differ by a few hundredths of the width.
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_interval_of_auroc_over_patients_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    patients = _patients(40, 4, seed=1)
    effect = dict(zip(np.unique(patients), rng.standard_normal(40), strict=True))
    shared = np.array([effect[p] for p in patients])
    target = np.array([effect[p] > 0 for p in patients]).astype(np.int8)
    score = shared + 2 * rng.standard_normal(len(patients))
    weights = patient_weights(patients, target[:, None], 1500)
    ours = interval(macro(per_class("auroc", target[:, None], score[:, None], None, weights)))

    strata = [np.unique(patients[target == value]) for value in (0, 1)]
    rows_of = {name: np.flatnonzero(patients == name) for name in np.unique(patients)}
    values = []
    for _ in range(300):
        drawn = np.concatenate([rng.choice(names, size=len(names)) for names in strata])
        rows = np.concatenate([rows_of[name] for name in drawn])
        values.append(roc_auc_score(target[rows], score[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.25 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.25 * (high - low))


def _coverage(
    patients: int, share: tuple[float, ...], simulations: int, seed: int = 0
) -> tuple[float, float]:
    """How often the intervals cover the truth: of macro AUROC, and of a difference that is zero.

    Binormal scores: AUROC is Phi(distance / sqrt 2) for unit variances. A patient has one class
    and one to three records, whose scores correlate by a half; two methods of equal merit share
    some of their errors.
    """
    rng = np.random.default_rng(seed)
    truth = stats.norm.cdf(1.5 / np.sqrt(2))
    covered = []
    for _ in range(simulations):
        counts = (np.array(share) * patients).astype(int)
        classes = np.repeat(np.arange(len(share) + 1), [*counts, patients - counts.sum()])
        of = np.repeat(np.arange(patients), rng.integers(1, 4, size=patients))
        targets = (classes[of][:, None] == np.arange(len(share))).astype(np.int8)

        def noise(
            of: NDArray[np.intp] = of, shape: tuple[int, int] = (patients, len(share))
        ) -> NDArray[np.float64]:
            own = rng.standard_normal((len(of), shape[1]))
            return (rng.standard_normal(shape)[of] + own) / np.sqrt(2)

        common = noise()
        weights = patient_weights(of.astype(str), targets, 200, seed=int(rng.integers(2**31)))
        values, draws = [], []
        for _ in range(2):
            scores = 1.5 * targets + (common + noise()) / np.sqrt(2)
            values.append(float(macro(per_class("auroc", targets, scores))[0]))
            draws.append(macro(per_class("auroc", targets, scores, None, weights)))
        own = score_interval(values[0], draws[0])
        covered.append(
            (own.low <= truth <= own.high, not interval(draws[0] - draws[1]).excludes_zero)
        )
    first, second = np.mean(covered, axis=0)
    return float(first), float(second)


@pytest.mark.parametrize(
    ("patients", "share"), [(100, (0.4, 0.3, 0.2)), (200, (0.05,))], ids=["macro", "10 positives"]
)
def test_interval_covers_the_truth_about_95_times_in_100(
    patients: int, share: tuple[float, ...]
) -> None:
    own, difference = _coverage(patients, share, simulations=150)
    # The standard deviation of 150 simulations is 2 %. In 800 of them it was 95 % for the macro
    # mean and 93 % for 10 positives; that of the difference 93 % and 90 %.
    assert 0.88 <= own <= 0.985
    assert 0.86 <= difference <= 0.985


def test_interval_leaves_undefined_draws_out() -> None:
    values = np.concatenate([np.linspace(0, 1, 101), np.full(50, np.nan)])
    assert interval(values) == interval(values[:101])
    assert interval(values).low == pytest.approx(0.025)
    assert interval(values).high == pytest.approx(0.975)


def test_intervals_of_many_rows_are_those_one_by_one() -> None:
    values = np.random.default_rng(0).random((5, 200))
    values[1, :7] = np.nan
    values[3] = np.nan
    for rows in (values, values[[1, 3]], values[:1]):
        np.testing.assert_array_equal(
            [(own.low, own.high) for own in intervals(rows)],
            [(own.low, own.high) for own in map(interval, rows)],
        )


class TestScoreInterval:
    def test_is_the_percentile_interval_where_draws_spread_evenly(self) -> None:
        values = np.random.default_rng(0).normal(0.8, 0.01, 20000)
        ours, percentile = score_interval(0.8, values), interval(values)
        assert ours.low == pytest.approx(percentile.low, abs=1e-3)
        assert ours.high == pytest.approx(percentile.high, abs=1e-3)

    def test_reaches_further_down_than_up_near_one(self) -> None:
        values = stats.beta.rvs(95, 5, size=5000, random_state=0)
        ours = score_interval(0.95, values)
        assert 0.95 - ours.low > ours.high - 0.95 > 0
        assert ours.low < interval(values).low

    def test_stays_between_zero_and_one_and_contains_the_score(self) -> None:
        for score in (0.0, 1.0):
            ours = score_interval(score, np.full(100, score))
            assert ours.low <= score <= ours.high
            assert ours.high - ours.low < 0.002
            assert 0 <= ours.low <= ours.high <= 1

    def test_leaves_undefined_draws_out(self) -> None:
        values = np.linspace(0.6, 0.8, 50)
        assert score_interval(0.7, np.append(values, np.nan)) == score_interval(0.7, values)


@pytest.mark.parametrize(
    ("low", "high", "excludes"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)],
)
def test_interval_that_excludes_zero(low: float, high: float, excludes: bool) -> None:
    assert Interval(low, high).excludes_zero is excludes
