"""MIMIC-IV-ECG, on generated trees of its layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.data.cohort import CohortIndex, CohortSettings
from lcd_plugin.data.cohorts.mimic_iv_ecg import MIMICIVECG, stated_rhythms
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.splits import check_splits, split_of_patient
from lcd_plugin.errors import DataError, RecordError

# As the files have them: aVF before aVL.
LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
REPORTS = [f"report_{i}" for i in range(18)]
# Lines of a report, and what they are to be read as.
READINGS = [
    (["Sinus rhythm", "Normal ECG"], "sinus rhythm"),
    (["--- Warning: data quality may affect ---", "ATRIAL FIBRILLATION"], "atrial fibrillation"),
    (["Sinus bradycardia with PAC(s).", "Sinus arrhythmia"], "sinus bradycardia;sinus arrhythmia"),
    (["Probable atrial fibrillation", "Abnormal ECG"], ""),
    (["Demand pacing", *["Abnormal ECG"] * 16, "Atrial flutter"], "atrial flutter;paced rhythm"),
]


def cohort(folder: Path) -> MIMICIVECG:
    return MIMICIVECG(folder, CohortSettings(), 100)


def write_tables(folder: Path, subjects: list[int]) -> list[str]:
    """A record for each entry of `subjects`, with the readings in turn; gives their paths."""
    paths, listed, measured = [], [], []
    reports = [",".join(lines + [""] * (18 - len(lines))) for lines, _ in READINGS]
    for i, subject in enumerate(subjects):
        study = 40_000_000 + 37 * i
        paths.append(f"files/p{subject // 10_000}/p{subject}/s{study}/{study}")
        listed.append(f"{subject},{study},{study},2180-07-23 08:44:00,{paths[-1]}\n")
        measured.append(f"{subject},{study},6848296,{reports[i % len(reports)]},800\n")
    head = "subject_id,study_id,file_name,ecg_time,path\n"
    (folder / "record_list.csv").write_text(head + "".join(listed))
    head = f"subject_id,study_id,cart_id,{','.join(REPORTS)},rr_interval\n"
    # The two tables need not be in one order.
    (folder / "machine_measurements.csv").write_text(head + "".join(reversed(measured)))
    return paths


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Tables of thirty records of fifteen patients, and the folders of their two groups."""
    subjects = [10_000_032 + 9_973 * (i // 2 % 2) + 64 * (i // 2) for i in range(30)]
    for path in write_tables(tmp_path, subjects):
        (tmp_path / path).parents[2].mkdir(parents=True, exist_ok=True)
    return tmp_path


@pytest.fixture
def recorded(release: Path, write_record: Callable[..., None]) -> Path:
    """The same with signals of 2 s."""
    for seed, path in enumerate(pd.read_csv(release / "record_list.csv")["path"]):
        place = release / path
        place.parent.mkdir(parents=True)
        write_record(place.parent, place.name, seed=seed, rate=500, seconds=2, leads=LEADS)
    return release


@pytest.fixture
def index(release: Path) -> CohortIndex:
    return cohort(release).index()


def test_records_patients_and_rhythms(release: Path, index: CohortIndex):
    records = pd.read_csv(release / "record_list.csv")
    assert list(index.table["record"]) == list(records["path"])
    assert list(index.table["patient"]) == [str(subject) for subject in records["subject_id"]]
    assert list(index.table["split"]) == [split_of_patient(p) for p in index.table["patient"]]
    assert list(index.table["rhythm"]) == [READINGS[i % 5][1] for i in range(30)]
    (task,) = index.tasks
    assert task.kind == "multi-label"
    assert {name for _, text in READINGS for name in text.split(";")} - {""} < set(task.classes)
    check_splits(index.table, "mimic-iv-ecg")


def test_records_are_read_as_they_were_written(recorded: Path):
    record = cohort(recorded).index().table["record"][7]
    recording, shape = cohort(recorded).read(record), cohort(recorded).shape(record)
    assert (recording.rate, recording.leads) == (500, tuple(LEADS))
    assert (shape.rate, shape.samples, shape.leads) == (500, 1000, tuple(LEADS))
    written = np.random.default_rng(7).normal(0, 0.3, (1000, 12)).T
    np.testing.assert_allclose(recording.signal, written, atol=1e-3)
    header, signal = cohort(recorded).files(record)
    assert (header.suffix, signal.suffix) == (".hea", ".dat")
    with pytest.raises(RecordError, match="no header file 1"):
        cohort(recorded).read("files/p1000/p1/s1/1")


def test_a_store_is_made_of_it(recorded: Path):
    store = prepare(cohort(recorded), "mimic-iv-ecg", 1, DataSettings(seconds=2))
    assert store.manifest.n_records == 30
    assert store.labels(store.tasks[0], "train").targets.sum() > 0


def test_only_the_tables_are_looked_at(release: Path, index: CohortIndex):
    names = [path.name for path in cohort(release).sources(index.table["record"])]
    assert names == ["record_list.csv", "machine_measurements.csv"]


def test_without_reports_records_serve_for_pretraining(
    release: Path, caplog: pytest.LogCaptureFixture
):
    (release / "machine_measurements.csv").unlink()
    index = cohort(release).index()
    assert len(index.table) == 30
    assert set(index.table["rhythm"]) == {""}
    assert [task.name for task in index.tasks] == ["rhythm"]
    assert [path.name for path in cohort(release).tables()] == ["record_list.csv"]
    assert "no record of MIMIC-IV-ECG has a label" in caplog.text


def test_studies_without_a_report_are_unlabelled(release: Path, caplog: pytest.LogCaptureFixture):
    """Copies of the table without the records that hold NaN are about."""
    path = release / "machine_measurements.csv"
    pd.read_csv(path).iloc[:-4].to_csv(path, index=False)
    rhythms = cohort(release).index().table["rhythm"]
    assert list(rhythms[:5]) == ["", "", "", "", READINGS[4][1]]
    assert "lacks 4 studies" in caplog.text


def test_groups_that_were_not_downloaded_are_left_out(
    release: Path, caplog: pytest.LogCaptureFixture
):
    (release / "files" / "p1001").rmdir()
    table = cohort(release).index().table
    every = pd.read_csv(release / "record_list.csv")["path"]
    assert list(table["record"]) == [path for path in every if "p1001" not in path]
    assert 0 < len(table) < 30
    assert "1 of 2 groups" in caplog.text
    (release / "files" / "p1000").rmdir()
    with pytest.raises(DataError, match=r"none of the groups .* is that the right folder"):
        cohort(release).index()


@pytest.mark.parametrize(
    ("table", "old", "new", "complaint"),
    [
        ("record_list.csv", "subject_id", "subject", r"no column 'subject_id'; did you mean"),
        ("machine_measurements.csv", "report_17", "report_x", r"no column 'report_17'"),
        ("machine_measurements.csv", "40000037", "40000000", "study 40000000 more than once"),
        ("record_list.csv", "10000032,40000000", "", "is cut or was changed: record 1 lacks"),
    ],
)
def test_tables_that_do_not_fit(release: Path, table: str, old: str, new: str, complaint: str):
    path = release / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=complaint):
        cohort(release).index()


def test_no_record_list_and_an_empty_one(tmp_path: Path):
    with pytest.raises(DataError, match=r"no record_list\.csv in"):
        cohort(tmp_path).index()
    (tmp_path / "record_list.csv").write_text("")
    with pytest.raises(DataError, match="cannot be read as a CSV file"):
        cohort(tmp_path).index()


@pytest.mark.parametrize(
    ("statement", "rhythms"),
    [
        ("SINUS RHYTHM", ["sinus rhythm"]),
        ("Normal sinus  rhythm.", ["sinus rhythm"]),
        ("Sinus rhythm with borderline 1st degree A-V block", ["sinus rhythm"]),
        ("Marked sinus bradycardia", ["sinus bradycardia"]),
        ("Sinus rhythm with sinus arrhythmia", ["sinus rhythm", "sinus arrhythmia"]),
        ("Sinus or ectopic atrial rhythm", []),
        ("Coronary sinus rhythm", []),
        ("Possible ectopic atrial rhythm", []),
        ("Sinus bradycardia - consider sinus rhythm with 2:1 S-A block", ["sinus bradycardia"]),
        ("Atrial fibrillation with rapid ventricular response", ["atrial fibrillation"]),
        ("Probable atrial fibrillation with PVC(s)", []),
        ("Atrial flutter with 4:1 A-V block", ["atrial flutter"]),
        ("Atrial flutter/fibrillation", []),
        ("Atrial fibrillation or flutter", []),
        ("A-flutter/fibrillation w/ complete AV block", []),
        ("Afib/flutter and ventricular-paced rhythm", ["paced rhythm"]),
        ("Afib/flut and V-paced complexes", ["paced rhythm"]),
        ("A-V sequential pacemaker", ["paced rhythm"]),
        ("Pacemaker rhythm - no further analysis", ["paced rhythm"]),
        ("Wandering atrial pacemaker", []),
        ("Left axis deviation", []),
        ("", []),
    ],
)
def test_statements_as_a_reader_would_take_them(statement: str, rhythms: list[str]):
    assert stated_rhythms(statement) == rhythms


def test_a_quarter_of_the_release_is_indexed_at_once(tmp_path: Path):
    """No time is asserted; a loop over rows of 200,000 would be seen in the suite's."""
    rng = np.random.default_rng(0)
    subjects = np.sort(rng.integers(10_000_000, 20_000_000, 50_000)).repeat(4)
    write_tables(tmp_path, subjects.tolist())
    for group in range(1000, 2000):
        (tmp_path / "files" / f"p{group}").mkdir(parents=True)
    index = cohort(tmp_path).index()
    assert len(index.table) == 200_000
    check_splits(index.table, "mimic-iv-ecg")
    for i in rng.integers(0, 200_000, 50):
        assert index.table["patient"][i] == str(subjects[i])
        assert index.table["rhythm"][i] == READINGS[i % 5][1]
        assert index.table["split"][i] == split_of_patient(str(subjects[i]))
        assert f"/p{subjects[i]}/" in index.table["record"][i]
