"""What the host relies on in every dataset whose records are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.bench.cohorts import usual_places
from lcd_plugin.plugins import DATASETS
from lcd_plugin.testing import Check, check_dataset, checks_for

WITHOUT_FILES = [name for name in DATASETS.names() if not DATASETS.spec(name).needs_path]
# Those that have a release of their own; any folder is as good for the others.
RELEASED = [name for name in DATASETS.names() if DATASETS.spec(name).source]
CHECKS = [check for name in WITHOUT_FILES for check in checks_for("dataset", name)]
STRICT = pytest.mark.filterwarnings("error::lcd_plugin.testing.ConformanceWarning")
# What it is for a user's own records to say is the user's affair.
NO_LICENCE = pytest.mark.filterwarnings("ignore:.*names no licence")


@STRICT
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.trial.title}-{check.name}")
def test_records_that_are_made(check: Check) -> None:
    check.run()


@NO_LICENCE
def test_a_wfdb_folder(wfdb_folder: Path) -> None:
    check_dataset("wfdb", wfdb_folder)


@NO_LICENCE
@pytest.mark.parametrize("one_file", [True, False])
def test_a_numpy_folder(tmp_path: Path, one_file: bool) -> None:
    draw = np.random.default_rng(0)
    signals = draw.normal(0, 0.3, (20, 2, 600)).cumsum(axis=2) / 10
    names = [str(i) for i in range(20)]
    if one_file:
        np.save(tmp_path / "signals.npy", signals)
    else:
        for name, signal in zip(names, signals, strict=True):
            np.save(tmp_path / f"{name}.npy", signal)
    splits = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    table = {"record": names, "label": ["AF", "SR"] * 10, "split": splits}
    pd.DataFrame(table).assign(patient=names).to_csv(tmp_path / "labels.csv", index=False)
    check_dataset("numpy", tmp_path, {"rate": 100, "leads": ["I", "V1"]})


@pytest.mark.real
@pytest.mark.parametrize("name", RELEASED)
def test_a_release(name: str, real_data: Path) -> None:
    places = [real_data / place for place in usual_places(DATASETS.spec(name))]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        pytest.skip(f"the records of {name} are not in {real_data}")
    check_dataset(name, folder)
