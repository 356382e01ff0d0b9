"""PTB-XL's tasks, held against a reading of its tables by other means."""

from __future__ import annotations

import ast
import csv
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from lcd_plugin.data.cohort import CohortIndex
from lcd_plugin.data.cohorts.ptbxl import PTBXL, PTBXLSettings
from lcd_plugin.errors import DataError, RecordError

TASKS = ("superclass", "superclass-single", "subclass", "form", "rhythm", "all")


def index_of(folder: Path, **settings: float) -> CohortIndex:
    return PTBXL(folder, PTBXLSettings(**settings), 100).index()


@pytest.fixture(scope="module")
def ptbxl(real_data: Path) -> Path:
    return real_data / "ptbxl"


@pytest.fixture(scope="module")
def index(ptbxl: Path) -> CohortIndex:
    return index_of(ptbxl)


def plainly_read(folder: Path) -> tuple[list[dict[str, str]], dict[str, dict[str, str]]]:
    """Rows of the database, and of the statements by code, as the csv module gives them."""
    with (folder / "ptbxl_database.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    with (folder / "scp_statements.csv").open(newline="", encoding="utf-8") as file:
        statements = {row[""]: row for row in csv.DictReader(file)}
    return records, statements


def expected_names(task: str, codes: dict[str, float], statements: dict) -> set[str]:
    names = set()
    for code in codes:
        row = statements[code]
        diagnostic = row["diagnostic"] == "1.0"
        if task.startswith("superclass") and diagnostic:
            names.add(row["diagnostic_class"])
        elif task == "subclass" and diagnostic:
            names.add(row["diagnostic_subclass"])
        elif task == "all" or (task in ("form", "rhythm") and row[task] == "1.0"):
            names.add(code)
    return names


@pytest.mark.real
@pytest.mark.parametrize("task", TASKS)
def test_labels_of_every_record(ptbxl: Path, index: CohortIndex, task: str):
    records, statements = plainly_read(ptbxl)
    assert list(index.table["record"]) == [row["filename_lr"] for row in records]
    for row, found in zip(records, index.table[task], strict=True):
        expected = expected_names(task, ast.literal_eval(row["scp_codes"]), statements)
        if task == "superclass-single" and len(expected) != 1:
            expected = set()
        assert set(found.split(";")) - {""} == expected, row["ecg_id"]


@pytest.mark.real
def test_classes_are_those_of_the_benchmark_in_a_fixed_order(index: CohortIndex):
    classes = {task.name: task.classes for task in index.tasks}
    assert tuple(classes) == TASKS
    assert {name: len(names) for name, names in classes.items()} == {
        "superclass": 5,
        "superclass-single": 5,
        "subclass": 23,
        "form": 19,
        "rhythm": 12,
        "all": 71,
    }
    assert classes["superclass"] == ("NORM", "MI", "STTC", "CD", "HYP")
    for name in TASKS[2:]:
        assert list(classes[name]) == sorted(classes[name])
    kinds = {task.name: task.kind for task in index.tasks}
    assert [name for name in TASKS if kinds[name] == "single-label"] == ["superclass-single"]


@pytest.mark.real
def test_counts_of_the_part_that_lies_here(index: CohortIndex):
    """By hand, so that a change of both readings above is seen."""
    counts = Counter(name for text in index.table["rhythm"] for name in text.split(";"))
    assert (counts["SR"], counts["AFIB"], counts["STACH"], counts["PACE"]) == (1522, 161, 85, 27)
    assert (index.table["superclass-single"] != "").sum() == 1514


@pytest.mark.real
def test_recordings_are_known_by_the_number_that_the_challenge_gives_them(index: CohortIndex):
    numbers = index.table["record"].str.extract(r"(\d+)_lr$")[0].astype(int)
    assert list(index.table["origin"]) == [f"ptb-xl/{number}" for number in numbers]


@pytest.mark.real
def test_headers_say_the_shape(ptbxl: Path, index: CohortIndex):
    cohort = PTBXL(ptbxl, PTBXLSettings(), 100)
    record = index.table["record"][3]
    recording, shape = cohort.read(record), cohort.shape(record)
    assert (shape.rate, shape.leads) == (100, recording.leads)
    assert shape.samples == recording.signal.shape[1] == 1000


def write_tables(folder: Path, codes: list[str]) -> Path:
    lines = [",diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass"]
    lines += ["NDT,1.0,1.0,,STTC,STTC", "LVH,1.0,,,HYP,LVH", "SR,,,1.0,,", "PVC,,1.0,,,"]
    (folder / "scp_statements.csv").write_text("\n".join(lines) + "\n")
    pd.DataFrame(
        {
            "ecg_id": range(1, len(codes) + 1),
            "patient_id": [float(i) for i in range(len(codes))],
            "scp_codes": codes,
            "strat_fold": 1,
            "filename_lr": [f"records100/{i:05d}_lr" for i in range(len(codes))],
        }
    ).to_csv(folder / "ptbxl_database.csv", index=False)
    return folder


def test_a_statement_of_two_kinds_counts_in_both(tmp_path: Path):
    row = index_of(write_tables(tmp_path, ["{'NDT': 100.0, 'SR': 0.0}"])).table.iloc[0]
    assert (row["superclass"], row["form"], row["rhythm"]) == ("STTC", "NDT", "SR")
    assert row["all"] == "NDT;SR"


def test_the_least_likelihood_concerns_diagnoses_only(tmp_path: Path):
    folder = write_tables(tmp_path, ["{'NDT': 80.0, 'LVH': 50.0, 'SR': 0.0, 'PVC': 0.0}"])
    every = index_of(folder).table.iloc[0]
    assert (every["superclass"], every["superclass-single"]) == ("STTC;HYP", "")
    likely = index_of(folder, likelihood=80).table.iloc[0]
    assert (likely["superclass"], likely["superclass-single"]) == ("STTC", "STTC")
    assert (likely["form"], likely["rhythm"]) == ("NDT;PVC", "SR")
    assert likely["all"] == "NDT;PVC;SR"


@pytest.mark.parametrize("codes", ["{'NDT'}", "['NDT']", "{'NDT': 'much'}", "nothing", "7"])
def test_codes_that_are_no_dictionary(tmp_path: Path, codes: str):
    with pytest.raises(DataError, match="scp_codes of ecg_id 1 is not a dictionary"):
        index_of(write_tables(tmp_path, [codes]))


@pytest.mark.parametrize("name", ["../r", "/etc/r", "a/../../r", "r\0"])
def test_a_name_in_the_table_leads_nowhere_else(tmp_path: Path, name: str):
    cohort = PTBXL(tmp_path, PTBXLSettings(), 100)
    for look in (cohort.read, cohort.files, cohort.shape):
        with pytest.raises(RecordError, match="outside the dataset's folder"):
            look(name)
