from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lcd_plugin.data.cohorts.synthetic import Synthetic, SyntheticSettings
from lcd_plugin.errors import RecordError


def cohort(records: int = 800, rate: float = 100.0, **settings) -> Synthetic:
    return Synthetic(None, SyntheticSettings(records=records, **settings), rate)


def has(table: pd.DataFrame, name: str) -> pd.Series:
    return table["diagnosis"].str.split(";").map(lambda names: name in names)


def test_index_has_the_contract_columns():
    index = cohort().index()
    assert list(index.table.columns) == [
        "record",
        "patient",
        "split",
        *(t.name for t in index.tasks),
    ]
    assert [task.kind for task in index.tasks] == ["multi-label", "single-label"]
    assert index.table["record"].is_unique
    assert list(index.table["record"][:2]) == ["syn00000", "syn00001"]
    known = set(index.tasks[0].classes)
    assert len(known) >= 8
    assert all(set(names.split(";")) <= known for names in index.table["diagnosis"])


def test_patients_are_in_one_split_and_splits_are_70_15_15():
    table = cohort(3000).index().table
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    assert set(table.groupby("patient").size()) == {1, 2, 3}
    shares = table["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.70, abs=0.03)
    assert shares["validation"] == pytest.approx(0.15, abs=0.02)
    assert shares["test"] == pytest.approx(0.15, abs=0.02)
    assert set(cohort(50).index().table["split"]) == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_class_is_common_enough_for_small_label_fractions(seed):
    index = cohort(3000, seed=seed).index()
    shares = {name: has(index.table, name).mean() for name in index.tasks[0].classes}
    assert min(shares.values()) >= 0.08
    assert max(shares.values()) > 1.5 * min(shares.values())


def test_the_default_cohort_can_test_every_class():
    index = cohort().index()
    test = index.table[index.table["split"] == "test"]
    assert min(has(test, name).sum() for name in index.tasks[0].classes) >= 10


def test_single_label_task_keeps_records_with_exactly_one_class():
    table = cohort().index().table
    alone = ~table["diagnosis"].str.contains(";")
    assert (table["diagnosis-single"] == table["diagnosis"].where(alone, "")).all()
    assert 0.5 < alone.mean() < 0.9
    normal = has(table, "NORM")
    assert (table.loc[normal, "diagnosis"] == "NORM").all()
    assert (table["diagnosis"] != "").all()


def test_same_seed_is_bit_identical_in_any_order_instance_and_size():
    names = ["syn00003", "syn00017", "syn00000", "syn00049"]
    first, second, larger = cohort(50), cohort(50), cohort(5000)
    forward = {name: first.read(name).signal for name in names}
    for name in reversed(names):
        np.testing.assert_array_equal(second.read(name).signal, forward[name])
        np.testing.assert_array_equal(larger.read(name).signal, forward[name])
    pd.testing.assert_frame_equal(first.index().table, larger.index().table[:50])


def test_another_seed_is_another_cohort():
    one, other = cohort(50), cohort(50, seed=1)
    assert not one.index().table.equals(other.index().table)
    assert not np.allclose(one.read("syn00000").signal, other.read("syn00000").signal)


@pytest.mark.parametrize(("rate", "samples"), [(100.0, 1000), (204.8, 2048), (500.0, 5000)])
def test_recordings_come_at_the_asked_rate_in_mv(rate, samples):
    recording = cohort(50, rate).read("syn00005")
    assert recording.signal.shape == (12, samples)
    assert recording.signal.dtype == np.float64
    assert recording.rate == rate
    assert recording.leads == (
        "I",
        "II",
        "III",
        "aVR",
        "aVL",
        "aVF",
        "V1",
        "V2",
        "V3",
        "V4",
        "V5",
        "V6",
    )
    assert np.isfinite(recording.signal).all()
    assert 0.3 < np.abs(recording.signal).max() < 8


def test_a_patient_looks_more_like_himself_than_like_others():
    made = cohort(400, noise=0.3)
    table = made.index().table
    normal = table[has(table, "NORM")]

    def fingerprint(record: str) -> np.ndarray:
        """How the leads go together; heart rate and phase do not enter."""
        return np.corrcoef(np.diff(made.read(record).signal))[np.triu_indices(12, 1)]

    pairs = [
        group["record"].tolist()[:2] for _, group in normal.groupby("patient") if len(group) > 1
    ]
    assert len(pairs) >= 5
    one = np.stack([fingerprint(first) for first, _ in pairs])
    two = np.stack([fingerprint(second) for _, second in pairs])
    distance = np.linalg.norm(one[:, np.newaxis] - two, axis=2)
    own = np.diag(distance)
    assert np.median(own) < 0.5 * np.median(distance[~np.eye(len(pairs), dtype=bool)])


@pytest.mark.parametrize(
    "name", ["syn00050", "syn0000", "syn000000", "syn-0001", "", "00001", "syn00001\n"]
)
def test_unknown_records_are_refused_by_name(name):
    with pytest.raises(RecordError, match="no record"):
        cohort(50).read(name)


def test_generated_records_have_no_files_and_bad_settings_are_refused():
    assert cohort(50).files("syn00000") == ()
    for bad in ({"records": 49}, {"seed": -1}, {"noise": -0.1}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            SyntheticSettings(**bad)


def test_simple_features_tell_classes_apart_but_far_from_perfectly():
    made = cohort(700)
    index = made.index()
    upper = np.triu_indices(8)

    def features(record: str) -> np.ndarray:
        signal = made.read(record).signal[[0, 1, 6, 7, 8, 9, 10, 11]]
        signal = signal / signal.std()
        return np.concatenate([np.cov(signal)[upper], 10 * np.cov(np.diff(signal))[upper]])

    values = np.stack([features(record) for record in index.table["record"]])
    train = (index.table["split"] == "train").to_numpy()
    scores = []
    for name in index.tasks[0].classes:
        target = has(index.table, name).to_numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        model.fit(values[train], target[train])
        scores.append(roc_auc_score(target[~train], model.decision_function(values[~train])))
    assert 0.65 < np.mean(scores) < 0.95
