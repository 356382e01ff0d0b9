"""The paired permutation test against full enumeration and simulations of its null."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from lcd_plugin.evaluate.metrics import TESTED
from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.permutation import (
    holm,
    paired_permutation,
    permutation_tests,
)

THRESHOLD = np.array([0.5])


def _run(targets: NDArray[np.int8], distance: float, rng: np.random.Generator) -> Predicted:
    logits = distance * (targets - 0.5) + rng.standard_normal(targets.shape)
    return Predicted(1 / (1 + np.exp(-logits)), np.full(targets.shape[1], 0.5))


def _naive(metric: str, target: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    scorers = {
        "auroc": roc_auc_score,
        "auprc": average_precision_score,
        "f1": lambda t, s: f1_score(t, s, zero_division=0),
        "balanced_accuracy": balanced_accuracy_score,
    }
    return float(scorers[metric](target, score))


def _enumerated(
    metric: str,
    target: NDArray[np.int8],
    patient_of: NDArray[np.intp],
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    shares: list[float],
) -> float:
    """p of all swaps there are: share with a mean difference at least as large as seen."""
    if metric in ("auroc", "auprc"):
        pairs = [(stats.rankdata(a), stats.rankdata(b)) for a, b in pairs]
    else:
        pairs = [((a >= 0.5).astype(float), (b >= 0.5).astype(float)) for a, b in pairs]
    found = []
    for swaps in product([False, True], repeat=patient_of.max() + 1):
        swap = np.array(swaps)[patient_of]
        difference = 0.0
        for (a, b), share in zip(pairs, shares, strict=True):
            difference += share * _naive(metric, target, np.where(swap, b, a))
            difference -= share * _naive(metric, target, np.where(swap, a, b))
        found.append(difference)
    return float((np.abs(found) >= abs(found[0]) - 1e-9).mean())


@pytest.mark.parametrize("metric", ["auroc", "balanced_accuracy"])
@pytest.mark.parametrize("runs", [1, 2])
def test_is_the_enumeration_of_all_swaps(metric: str, runs: int) -> None:
    rng = np.random.default_rng(4)
    target = np.array([1, 0, 1, 0, 0, 1, 0], np.int8)
    patient_of = np.array([0, 0, 1, 2, 3, 3, 4])
    assert _far_from_enumeration(metric, target, patient_of, runs, rng) < 1e-9


@pytest.mark.parametrize("metric", ["auprc", "f1"])
@pytest.mark.parametrize("runs", [1, 2])
def test_is_close_to_it_where_swaps_are_not_quite_sums(metric: str, runs: int) -> None:
    rng = np.random.default_rng(4)
    target = (rng.random(63) < 0.4).astype(np.int8)
    patient_of = np.repeat(np.arange(7), 9)
    assert _far_from_enumeration(metric, target, patient_of, runs, rng) < 0.04


def _far_from_enumeration(
    metric: str,
    target: NDArray[np.int8],
    patient_of: NDArray[np.intp],
    runs: int,
    rng: np.random.Generator,
) -> float:
    """How far p is from that of all swaps, which were scored."""
    a = [_run(target[:, None], 2.0, rng) for _ in range(runs)]
    b = [_run(target[:, None], 0.5, rng) for _ in range(runs)]
    pairs = [(x.scores[:, 0], y.scores[:, 0]) for x, y in zip(a, b, strict=True)]
    expected = _enumerated(metric, target, patient_of, pairs, [1 / runs] * runs)
    return abs(paired_permutation(metric, target[:, None], patient_of.astype(str), a, b) - expected)


def _targets(n: int = 60, classes: int = 2, seed: int = 0) -> NDArray[np.int8]:
    return (np.random.default_rng(seed).random((n, classes)) < 0.4).astype(np.int8)


@pytest.mark.parametrize("metric", TESTED)
def test_p_is_uniform_for_methods_that_are_equally_good(metric: str) -> None:
    """Also where their scores have different scales, and a patient's records correlate."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(30), 2)
    found = []
    for _ in range(250):
        targets = np.repeat(_targets(30, 2, int(rng.integers(2**31))), 2, axis=0)
        common = rng.standard_normal((60, 2))
        runs = []
        for scale in (1, 5):
            own = rng.standard_normal((30, 2))[patients]
            scores = scale * (targets + common + own)
            runs.append(Predicted(scores, np.full(2, scale)))
        found.append(paired_permutation(metric, targets, patients.astype(str), *runs))
    if metric in ("auroc", "auprc"):  # decisions are often equal, which no uniform p is
        assert stats.kstest(found, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09


@pytest.mark.parametrize("metric", TESTED)
def test_finds_a_method_that_is_clearly_better(metric: str) -> None:
    rng = np.random.default_rng(1)
    targets = _targets(200)
    patients = np.arange(200).astype(str)
    good, bad = _run(targets, 2.5, rng), _run(targets, 0.0, rng)
    assert paired_permutation(metric, targets, patients, good, bad) < 1e-6


@pytest.mark.parametrize("metric", TESTED)
def test_is_symmetric_in_the_methods(metric: str) -> None:
    rng = np.random.default_rng(2)
    targets = _targets()
    patients = rng.integers(0, 40, 60).astype(str)
    a = [_run(targets, 1.5, rng) for _ in range(2)]
    b = [_run(targets, 0.8, rng) for _ in range(3)]
    p = paired_permutation(metric, targets, patients, a, b)
    assert paired_permutation(metric, targets, patients, b, a) == p
    assert 0 < p < 1


def test_a_method_against_itself() -> None:
    targets = _targets()
    run = _run(targets, 1.0, np.random.default_rng(0))
    for metric in TESTED:
        assert paired_permutation(metric, targets, np.arange(60).astype(str), run, run) == 1


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_ranking_metrics_do_not_see_the_scale_of_scores(metric: str) -> None:
    rng = np.random.default_rng(3)
    targets = _targets()
    patients = np.arange(60).astype(str)
    a, b = _run(targets, 1.5, rng), _run(targets, 0.5, rng)
    stretched = Predicted(np.exp(7 * b.scores) - 100, b.thresholds)
    p = paired_permutation(metric, targets, patients, a, b)
    assert paired_permutation(metric, targets, patients, a, stretched) == p


def test_patients_are_not_split() -> None:
    """With two patients there are two ways to differ, so nothing can be shown."""
    targets = _targets(200)
    rng = np.random.default_rng(1)
    patients = np.repeat(["a", "b"], 100)
    good, bad = _run(targets, 9, rng), _run(targets, 0, rng)
    p = paired_permutation("auroc", targets, patients, good, bad)
    # No swap and both swapped: half of all are as large as what was seen.
    assert p == pytest.approx(0.5)


class TestRuns:
    def test_a_run_given_twice_counts_as_once(self) -> None:
        rng = np.random.default_rng(5)
        targets = _targets()
        patients = np.arange(60).astype(str)
        a, b = _run(targets, 1.5, rng), _run(targets, 0.8, rng)
        once = paired_permutation("auroc", targets, patients, a, b)
        assert paired_permutation("auroc", targets, patients, [a, a], [b]) == once
        assert paired_permutation("auroc", targets, patients, [a, a, a], [b, b]) == once

    def test_unequal_numbers_of_runs_are_means_over_each(self) -> None:
        targets = np.array([[0], [1]] * 30, np.int8)
        patients = np.arange(60).astype(str)
        perfect = Predicted(targets.astype(float), THRESHOLD)
        flat = Predicted(np.full((60, 1), 0.5), THRESHOLD)
        # A mean AUROC of 2/3 on both sides: no swap has a smaller difference.
        assert paired_permutation(
            "auroc", targets, patients, [perfect, flat, flat], [flat, perfect, flat]
        ) == pytest.approx(1)
        better = paired_permutation("auroc", targets, patients, [perfect, perfect], [flat] * 3)
        assert better < 1e-9


class TestRunsWithSeeds:
    """Six patients' records, of which all swaps can be enumerated."""

    TARGET = np.array([1, 0, 1, 0, 0, 1, 0, 1], np.int8)
    PATIENT_OF = np.array([0, 0, 1, 2, 3, 3, 4, 5])

    def _runs(self, seeds: list[int], rng: np.random.Generator) -> list[Predicted]:
        """Predictions that differ much between seeds."""
        return [
            Predicted(_run(self.TARGET[:, None], 3.0 * seed, rng).scores, THRESHOLD, (seed, 0))
            for seed in seeds
        ]

    def _p(self, a: list[Predicted], b: list[Predicted]) -> float:
        patients = self.PATIENT_OF.astype(str)
        return paired_permutation("auroc", self.TARGET[:, None], patients, a, b)

    def _expected(
        self, a: list[Predicted], b: list[Predicted], shares: dict[tuple[int, int], float]
    ) -> float:
        pairs = [(a[i].scores[:, 0], b[j].scores[:, 0]) for i, j in shares]
        return _enumerated("auroc", self.TARGET, self.PATIENT_OF, pairs, list(shares.values()))

    def test_order_does_not_matter(self) -> None:
        rng = np.random.default_rng(0)
        a, b = self._runs([0, 1, 2], rng), self._runs([0, 1, 2], rng)
        patients = self.PATIENT_OF.astype(str)
        once = paired_permutation("auroc", self.TARGET[:, None], patients, a, b)
        again = paired_permutation("auroc", self.TARGET[:, None], patients, a, b[::-1])
        assert again == once
        expected = self._expected(a, b, {(0, 0): 1 / 3, (1, 1): 1 / 3, (2, 2): 1 / 3})
        assert self._p(a, b[::-1]) == pytest.approx(expected, abs=1e-9)

    def test_a_missing_run_moves_no_other(self) -> None:
        """The run without a partner swaps with both, in equal shares; the others stay together."""
        rng = np.random.default_rng(1)
        a, b = self._runs([0, 1, 2], rng), self._runs([1, 2], rng)
        shares = {(1, 0): 1 / 3, (2, 1): 1 / 3, (0, 0): 1 / 6, (0, 1): 1 / 6}
        expected = self._expected(a, b, shares)
        in_order = {(0, 0): 1 / 3, (1, 0): 1 / 6, (1, 1): 1 / 6, (2, 1): 1 / 3}
        assert abs(self._expected(a, b, in_order) - expected) > 0.04
        assert self._p(a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", TESTED)
def test_a_clear_lead_among_eighteen_lines_is_left_after_the_correction(metric: str) -> None:
    """153 pairs: p of each of them has to be below 0.0003."""
    rng = np.random.default_rng(0)
    targets = _targets(150)
    lines = [[_run(targets, 4.0, rng)], *([_run(targets, 1.0, rng)] for _ in range(17))]
    found = permutation_tests((metric,), targets, np.arange(150).astype(str), lines)
    pairs = np.triu_indices(18, 1)
    corrected = holm(found[metric].p[pairs])
    assert (corrected[pairs[0] == 0] < 0.05).all()
    assert (corrected[pairs[0] != 0] > 0.05).all()


def test_a_difference_in_one_patient_of_many_shows_nothing() -> None:
    """Every swap has the same difference."""
    rng = np.random.default_rng(0)
    targets = _targets(5000)
    a = _run(targets, 1.0, rng)
    scores = a.scores.copy()
    scores[7] = 1 - scores[7]
    found = permutation_tests(
        TESTED, targets, np.arange(5000).astype(str), [[a], [Predicted(scores, a.thresholds)]]
    )
    for metric in ("f1", "balanced_accuracy"):
        assert found[metric].p[0, 1] == 1


def test_the_calibration_error_is_not_tested() -> None:
    targets = _targets()
    run = _run(targets, 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="'ece' is not tested"):
        paired_permutation("ece", targets, np.arange(60).astype(str), run, run)


def test_all_pairs_are_those_computed_one_by_one() -> None:
    rng = np.random.default_rng(6)
    targets = _targets()
    patients = rng.integers(0, 40, 60).astype(str)
    lines = [[_run(targets, d, rng) for _ in range(2)] for d in (0.5, 1.0, 1.5)]
    together = permutation_tests(TESTED, targets, patients, lines)
    for metric in TESTED:
        p, sums = together[metric].p, together[metric].sums
        assert np.array_equal(p, p.T)
        assert (np.diag(p) == 1).all()
        assert np.array_equal(sums, -sums.T)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            apart = paired_permutation(metric, targets, patients, lines[i], lines[j])
            assert p[i, j] == pytest.approx(apart, rel=1e-6)


def test_a_metric_that_is_not_defined_shows_nothing() -> None:
    targets = np.zeros((10, 1), np.int8)
    rng = np.random.default_rng(0)
    a, b = _run(targets, 1, rng), _run(targets, 1, rng)
    assert paired_permutation("auroc", targets, np.arange(10).astype(str), a, b) == 1


class TestHolm:
    def test_by_hand(self) -> None:
        np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
        np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
        assert holm([]).shape == (0,)

    @pytest.mark.parametrize("seed", range(10))
    def test_rejects_what_the_step_down_procedure_rejects(self, seed: int) -> None:
        p = np.round(np.random.default_rng(seed).random(8) ** 4, 2)
        adjusted = holm(p)
        for level in (0.01, 0.05, 0.2, 0.5):
            rejected = set()
            for step, place in enumerate(np.argsort(p, kind="stable")):
                if p[place] * (len(p) - step) > level:
                    break
                rejected.add(int(place))
            assert set(np.flatnonzero(adjusted <= level)) == rejected
