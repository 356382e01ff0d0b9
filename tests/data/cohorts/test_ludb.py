"""LUDB: its amplitudes, which the headers get wrong, and the merging of its statements."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from lcd_plugin.data.cohort import SPLITS, CohortIndex, CohortSettings
from lcd_plugin.data.cohorts.ludb import LUDB
from lcd_plugin.data.splits import check_splits
from lcd_plugin.data.wfdb_header import read_comments

COLUMNS = (
    "ID,Sex,Age,Rhythms,Electric axis of the heart,Conduction abnormalities,Extrasystolies,"
    "Hypertrophies,Cardiac pacing,Ischemia,Non-specific repolarization abnormalities,Other states"
)


def cohort(folder: Path) -> LUDB:
    return LUDB(folder, CohortSettings(), 100)


@pytest.fixture(scope="module")
def ludb(real_data: Path) -> Path:
    return real_data / "ludb"


@pytest.fixture(scope="module")
def index(ludb: Path) -> CohortIndex:
    return cohort(ludb).index()


def contradiction(leads: list[str], signal: np.ndarray) -> float:
    """Largest II - I - III in mV, but for an offset; signal of shape (leads, time)."""
    rows = [leads.index(lead) for lead in ("i", "ii", "iii")]
    left = signal[rows[1]] - signal[rows[0]] - signal[rows[2]]
    return float(np.abs(left - np.median(left)).max())


@pytest.mark.real
def test_limb_leads_agree_in_every_record(ludb: Path, index: CohortIndex):
    assert len(index.table) == 200
    for record in index.table["record"]:
        recording = cohort(ludb).read(record)
        assert contradiction(list(recording.leads), recording.signal) < 1e-9, record
        # Not because there is nothing.
        assert np.ptp(recording.signal[1]) > 0.1


@pytest.mark.real
def test_the_headers_millivolts_contradict_themselves(ludb: Path):
    """The trap: gains that make every lead span 1 "mV"."""
    for number in range(1, 201, 10):
        record = wfdb.rdrecord(str(ludb / "data" / str(number)))
        np.testing.assert_allclose(np.ptp(record.p_signal, axis=0), 1, atol=2e-3)
        assert contradiction(record.sig_name, record.p_signal.T) > 5e-3


@pytest.mark.real
def test_amplitudes_are_plausible(ludb: Path, index: CohortIndex):
    first = cohort(ludb).read("data/1")
    spans = dict(zip(first.leads, np.ptp(first.signal, axis=1), strict=True))
    # Minimum and maximum of the samples in the file, as od shows them.
    assert spans["i"] == pytest.approx(1.716)
    assert spans["v4"] == pytest.approx(2.317)
    chest = [
        np.median(np.ptp(cohort(ludb).read(record).signal[6:], axis=1))
        for record in index.table["record"][::5]
    ]
    assert 1.5 < np.median(chest) < 2.5


@pytest.mark.real
def test_the_table_says_what_the_headers_say(ludb: Path, index: CohortIndex):
    """But for nine pacemakers that only the table mentions."""
    with (ludb / "ludb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = COLUMNS.split(",")[3:]
    more = Counter()
    for row in rows:
        in_table = {x.strip().lower() for c in columns for x in row[c].split("\n")} - {""}
        comments = read_comments(ludb / "data" / row["ID"].strip())
        said = comments[comments.index("<diagnoses>:") + 1 :]
        in_header = {x.lower().removeprefix("rhythm: ").rstrip(". ") for x in said} - {""}
        assert in_header <= in_table, row["ID"]
        more.update(in_table - in_header)
    assert more == {"pacemaker presence, undefined": 9}


@pytest.mark.real
def test_classes_hold_what_a_search_in_the_text_finds(ludb: Path, index: CohortIndex):
    text = {
        record: "\n".join(read_comments(ludb / record)).lower() for record in index.table["record"]
    }
    words = {
        "ventricular hypertrophy": ("ventricular hypertrophy", "ventricular overload"),
        "atrial enlargement": ("atrial hypertrophy", "atrial overload"),
        "conduction disturbance": (
            *("bundle branch block", "hemiblock", "av block", "av-block"),
            *("conduction delay", "sinoatrial blockade"),
        ),
        "ischaemia or scar": ("ischemia", "scar formation", "stemi"),
        "repolarisation abnormality": ("repolarization abnormalities",),
    }
    for _, row in index.table.iterrows():
        names = {n for n, forms in words.items() if any(f in text[row["record"]] for f in forms)}
        found = set(row["diagnosis"].split(";")) - {""}
        assert found - {"normal"} == names, row["record"]


@pytest.mark.real
def test_counts(index: CohortIndex):
    counts = Counter(name for text in index.table["diagnosis"] for name in text.split(";"))
    assert counts == {
        "normal": 32,
        "ventricular hypertrophy": 110,
        "atrial enlargement": 120,
        "conduction disturbance": 66,
        "ischaemia or scar": 51,
        "repolarisation abnormality": 49,
        # Two with a pacemaker and no more, two with a wandering one.
        "": 4,
    }
    assert index.table["rhythm"].value_counts().to_dict() == {
        "sinus rhythm": 142,
        "sinus bradycardia": 24,
        "atrial fibrillation or flutter": 18,
        "other rhythm": 14,
        "": 2,
    }


@pytest.mark.real
def test_every_class_has_records_in_each_part(index: CohortIndex):
    check_splits(index.table, "ludb")
    for task in index.tasks:
        for split in SPLITS:
            texts = index.table.loc[index.table["split"] == split, task.name]
            present = {name for text in texts for name in text.split(";")} - {""}
            assert present == set(task.classes), (task.name, split)


def labels_of(folder: Path, **cells: str) -> tuple[str, str]:
    """Labels of one record whose cells are given by the first word of their column."""
    names = COLUMNS.split(",")
    row = {name: '"F\n"' if name == "Sex" else "" for name in names} | {"ID": "1"}
    for word, cell in cells.items():
        row[next(name for name in names if name.startswith(word))] = f'"{cell}"'
    (folder / "ludb.csv").write_text(f"{COLUMNS}\n{','.join(row.values())}\n")
    table = cohort(folder).index().table
    assert list(table["record"]) == ["data/1"]
    return table["diagnosis"][0], table["rhythm"][0]


def test_a_sinus_rhythm_without_findings_is_normal(tmp_path: Path):
    assert labels_of(tmp_path, Rhythms="Sinus rhythm") == ("normal", "sinus rhythm")
    assert labels_of(tmp_path, Rhythms="Sinus tachycardia") == ("normal", "other rhythm")
    assert labels_of(tmp_path, Rhythms="Sinus rhythm", Other="Early repolarization syndrome") == (
        "normal",
        "sinus rhythm",
    )


def test_what_is_neither_normal_nor_a_class_is_unlabelled(tmp_path: Path):
    fibrillation = "atrial fibrillation or flutter"
    assert labels_of(tmp_path, Rhythms="Atrial fibrillation") == ("", fibrillation)
    paced = labels_of(tmp_path, Rhythms="Sinus rhythm", Cardiac="Unipolar ventricular pacing")
    assert paced == ("", "sinus rhythm")


def test_cells_of_several_lines(tmp_path: Path):
    both = "Left atrial hypertrophy\nLeft ventricular overload"
    diagnosis, rhythm = labels_of(
        tmp_path, Rhythms="Atrial fibrillation\nAberrant conduction", Hypertrophies=both
    )
    assert diagnosis == "ventricular hypertrophy;atrial enlargement"
    assert rhythm == "atrial fibrillation or flutter"


def test_rhythms_of_two_classes_are_no_single_label(tmp_path: Path):
    _, rhythm = labels_of(tmp_path, Rhythms="Sinus bradycardia\nWandering atrial pacemaker")
    assert rhythm == ""
