"""Records cut into windows: labelled, drawn and scored as one record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import Labels


@pytest.fixture
def train(wfdb_folder: Path) -> Labels:
    """The eight training records of 10 s, each in three windows of 3 s."""
    settings = DataSettings(seconds=3, longer="windows")
    store = prepare(WFDBFolder(wfdb_folder, WFDBSettings(), 100), "wfdb", 1, settings)
    return store.labels(store.tasks[0], "train")


def test_a_record_is_labelled_once(train: Labels):
    assert len(train.rows) == 24
    assert train.records.tolist() == np.repeat(np.arange(8), 3).tolist()
    assert train.first.tolist() == list(range(0, 24, 3))


def test_a_chosen_record_brings_all_of_its_windows(train: Labels):
    assert train.windows_of(np.array([5, 0])).tolist() == [15, 16, 17, 0, 1, 2]


def test_the_score_of_a_record_is_the_mean_of_its_windows(train: Labels):
    scores = np.random.default_rng(0).random((24, 2))
    expected = [scores[train.records == record].mean(axis=0) for record in range(8)]
    np.testing.assert_allclose(train.mean_of_windows(scores), expected)


def test_without_windows_nothing_is_moved(wfdb_folder: Path):
    settings = DataSettings(seconds=5)
    store = prepare(WFDBFolder(wfdb_folder, WFDBSettings(), 100), "wfdb", 1, settings)
    labels = store.labels(store.tasks[0], "train")
    scores, chosen = np.ones((8, 2)), np.array([3, 1])
    assert labels.mean_of_windows(scores) is scores
    assert labels.windows_of(chosen) is chosen
