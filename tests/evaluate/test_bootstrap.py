"""Bootstrap over patients against scipy and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lcd_plugin.evaluate.bootstrap import Interval, interval, patient_weights
from lcd_plugin.evaluate.metrics import auroc


def _patients(n: int, largest: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    names = [f"p{i}" for i in range(n) for _ in range(rng.integers(1, largest + 1))]
    return rng.permutation(names)


def test_patients_are_drawn_whole() -> None:
    patients = _patients(30, 5)
    weights = patient_weights(patients, 200)
    assert weights.shape == (200, len(patients))
    for name in np.unique(patients):
        own = weights[:, patients == name]
        assert (own == own[:, :1]).all()


def test_every_draw_has_as_many_patients_as_there_are() -> None:
    patients = _patients(25, 4)
    _, first = np.unique(patients, return_index=True)
    counts = patient_weights(patients, 300)[:, first]
    assert (counts.sum(axis=1) == 25).all()
    assert (counts == counts.round()).all()
    # With replacement: on average e^-1 of the patients are not drawn.
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert counts.mean(axis=0) == pytest.approx(np.ones(25), abs=0.3)


def test_seed_decides_and_methods_share_their_draws() -> None:
    patients = _patients(12, 3)
    first = patient_weights(patients, 50, seed=1)
    assert np.array_equal(patient_weights(patients, 50, seed=1), first)
    assert not np.array_equal(patient_weights(patients, 50, seed=2), first)


def test_one_patient_has_nothing_to_draw_from() -> None:
    assert (patient_weights(np.array(["a", "a"]), 5) == 1).all()


def test_interval_of_a_mean_is_scipys() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=80)
    weights = patient_weights(np.array([f"p{i}" for i in range(80)]), 4000)
    ours = interval(weights @ values / weights.sum(axis=1))
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
    target = (shared + rng.standard_normal(len(patients)) > 0).astype(np.int8)
    score = (shared + rng.standard_normal(len(patients))).astype(np.float32)
    ours = interval(auroc(target, score, patient_weights(patients, 1500)))

    names = np.unique(patients)
    rows_of = {name: np.flatnonzero(patients == name) for name in names}
    values = []
    for _ in range(600):
        drawn = rng.choice(names, size=len(names), replace=True)
        rows = np.concatenate([rows_of[name] for name in drawn])
        values.append(roc_auc_score(target[rows], score[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.2 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.2 * (high - low))


def test_interval_leaves_undefined_draws_out() -> None:
    values = np.concatenate([np.linspace(0, 1, 101), np.full(50, np.nan)])
    assert interval(values) == interval(values[:101])
    assert interval(values).low == pytest.approx(0.025)
    assert interval(values).high == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("low", "high", "excludes"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)],
)
def test_interval_that_excludes_zero(low: float, high: float, excludes: bool) -> None:
    assert Interval(low, high).excludes_zero is excludes
