"""Each check of a dataset notices a dataset that is broken in the one way that it looks for."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ConfigDict

from lcd_plugin.data.cohort import (
    Cohort,
    CohortIndex,
    CohortSettings,
    Recording,
    RecordShape,
    Task,
)
from lcd_plugin.errors import ConfigError, DataError, PluginError, RecordError
from lcd_plugin.testing import ConformanceError, ConformanceWarning, check_dataset

RunCheck = Callable[..., str]
LEADS = ("I", "II", "V1")
TASK = Task("rhythm", ("AF", "SR"), "single-label")


class Good(Cohort):
    """Forty records of waves, two for each patient."""

    def index(self) -> CohortIndex:
        numbers = range(40)
        table = pd.DataFrame(
            {
                "record": [f"r{i}" for i in numbers],
                "patient": [f"p{i // 2}" for i in numbers],
                "split": [("train", "train", "validation", "test")[i // 2 % 4] for i in numbers],
                "rhythm": [("AF", "SR")[i % 2] for i in numbers],
            }
        )
        return CohortIndex(table, (TASK,))

    def read(self, record: str) -> Recording:
        if record not in set(self.index().table["record"]):
            raise RecordError("there is no such record")
        draw = np.random.default_rng(int(record[1:]))
        waves = np.sin(np.arange(1000) * draw.uniform(0.03, 0.3)) * draw.uniform(0.5, 1, (3, 1))
        return Recording(waves + 0.01 * draw.normal(size=(3, 1000)), 100.0, LEADS)

    def files(self, record: str) -> tuple[Path, ...]:
        return ()


def _with(**attributes: Any) -> type[Good]:
    return type("Broken", (Good,), attributes)


def _changed(**columns: Any) -> type[Good]:
    """With other columns of the index."""

    def index(self: Good) -> CohortIndex:
        found = Good.index(self)
        return CohortIndex(found.table.assign(**columns), found.tasks)

    return _with(index=index)


def _tasks(*tasks: Task) -> type[Good]:
    return _with(index=lambda self: CohortIndex(Good.index(self).table, tasks))


def _read(change: Callable[[Recording], Any]) -> type[Good]:
    return _with(read=lambda self, record: change(Good.read(self, record)))


def _fails(run_check: RunCheck, dataset: Any, check: str, *words: str, **options: Any) -> None:
    with pytest.raises(ConformanceError) as caught:
        run_check("dataset", dataset, check, **options)
    said = str(caught.value)
    assert said.startswith(f"dataset '{dataset.__name__}', check {check}: ")
    for word in words:
        assert re.search(word, said), said


def test_a_good_dataset_passes_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConformanceWarning)
        check_dataset(Good)


def test_names_folders_and_settings_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'synthetic'"):
        check_dataset("synthetik")
    with pytest.raises(DataError, match="there is no folder"):
        check_dataset("wfdb", tmp_path / "nowhere")
    with pytest.raises(DataError, match="there is no folder"):
        check_dataset(Good, tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"numpy\.rate"):
        check_dataset("numpy", tmp_path)
    with pytest.raises(PluginError, match="no class that inherits from"):
        check_dataset(dict)  # type: ignore[arg-type]


class Torn(Good):
    def index(self) -> CohortIndex:
        found = Good.index(self)
        return CohortIndex(found.table.assign(patient=[f"p{i // 4}" for i in range(40)]), (TASK,))


def test_all_failures_are_told_at_once() -> None:
    with pytest.raises(ConformanceError, match=r"'Torn': 2 of \d+ checks failed\.\n") as caught:
        check_dataset(Torn)
    assert re.findall(r"check (\w+):", str(caught.value)) == ["patients_apart", "preparation"]


def test_an_index_that_fails_is_told_once() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_dataset(_with(index=lambda self: 1 // 0))
    first, table, missing, last = str(caught.value).splitlines()
    assert "2 of 11 checks failed." in first
    assert re.search(r"check table: .* ZeroDivisionError at .*test_datasets\.py:\d+: ", table)
    assert "check missing_record" in missing  # this reader looks into its index, too
    assert last == (
        "Not checked because of that: patients_apart, labels, records, shapes, deterministic, "
        "files, preparation."
    )


def test_description_warns_of_what_is_not_said(
    run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from lcd_plugin.plugins import DATASETS

    silent = replace(DATASETS.spec("synthetic"), labels="", splits="")
    monkeypatch.setattr(DATASETS, "spec", lambda name: silent)
    with pytest.warns(ConformanceWarning, match="its spec says nothing of labels, splits"):
        run_check("dataset", "synthetic", "description")


class OpenSettings(CohortSettings):
    model_config = ConfigDict(frozen=True, extra="allow")


class ChangeableSettings(CohortSettings):
    model_config = ConfigDict(frozen=False, extra="forbid")
    size: int = 1


@pytest.mark.parametrize(
    ("settings_class", "word"),
    [(OpenSettings, "an unknown setting to be refused"), (ChangeableSettings, "'size' could be")],
)
def test_settings(run_check: RunCheck, settings_class: Any, word: str) -> None:
    _fails(run_check, _with(settings_class=settings_class), "settings", word)


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"record": [f"r{i // 2}" for i in range(40)]}, "every record once; got 'r0' more"),
        ({"patient": list(range(40))}, "text in the column patient of every record; got 0 in 40"),
        ({"patient": ""}, "text in the column patient of every record; got '' in 40 of 40"),
        ({"split": "val"}, "splits of train, validation, test; got 'val'"),
        ({"split": "train"}, "every split; got none in validation and test"),
    ],
)
def test_table(run_check: RunCheck, columns: dict[str, Any], word: str) -> None:
    _fails(run_check, _changed(**columns), "table", word)


def test_few_patients_may_leave_a_part_empty(run_check: RunCheck) -> None:
    def index(self: Good) -> CohortIndex:
        table = Good.index(self).table[:38].assign(split="train")
        return CohortIndex(table, (TASK,))

    with pytest.warns(ConformanceWarning, match="no records in validation and test, of 19 patie"):
        run_check("dataset", _with(index=index), "table")


def test_table_without_the_column_of_a_task(run_check: RunCheck) -> None:
    broken = _tasks(TASK, Task("axis", ("left", "right"), "single-label"))
    _fails(run_check, broken, "table", "no column axis")


def test_patients_apart(run_check: RunCheck) -> None:
    _fails(
        run_check,
        Torn,
        "patients_apart",
        "each patient in one split; got 5 in several, such as 'p1'",
    )


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (_changed(rhythm="VT"), "labels that are classes of task 'rhythm'; got 'VT'"),
        (_changed(rhythm="AF;SR"), "one class a record .*; got 'AF;SR'"),
        (_changed(rhythm=1), "text as labels .*; got 1"),
        (_changed(rhythm=["AF", "SR"] * 2 + [""] * 36), "got none in validation and test"),
        (_tasks(Task("rhythm", ("AF",), "single-label")), "two or more different classes"),
        (_tasks(Task("rhythm", ("AF", "SR"), "binary")), "got 'binary'"),  # type: ignore[arg-type]
    ],
)
def test_labels(run_check: RunCheck, broken: type[Cohort], word: str) -> None:
    _fails(run_check, broken, "labels", word)


def test_a_dataset_without_tasks_is_for_pretraining(run_check: RunCheck) -> None:
    assert "only be pretrained on" in run_check("dataset", _tasks(), "labels")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: Recording(r.signal.T, r.rate, r.leads), "a name for each of the 1000 rows"),
        (lambda r: Recording(r.signal[0], r.rate, r.leads), r"got float64, shape \(1000,\)"),
        (lambda r: Recording(r.signal.astype(int), r.rate, r.leads), "got int64"),
        (lambda r: Recording(r.signal[:, :0], r.rate, r.leads), r"shape \(3, 0\)"),
        (lambda r: Recording(r.signal, 0.0, r.leads), "a rate in Hz .* got 0.0"),
        (lambda r: Recording(r.signal, r.rate, ("I", "I", "V1")), "a name for each"),
        (lambda r: r.signal, "a Recording from .* got ndarray"),
    ],
)
def test_records(run_check: RunCheck, change: Any, word: str) -> None:
    _fails(run_check, _read(change), "records", word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: Recording(r.signal * np.nan, r.rate, r.leads), "8 of 8 records have samples"),
        (lambda r: Recording(r.signal, r.rate, ("I", "II", "pulse")), "no suite asks for.*pulse"),
    ],
)
def test_records_that_look_wrong(run_check: RunCheck, change: Any, word: str) -> None:
    with pytest.warns(ConformanceWarning, match=word):
        run_check("dataset", _read(change), "records")


def test_records_that_cannot_be_read(run_check: RunCheck) -> None:
    def read(self: Good, record: str) -> Recording:
        raise RecordError("its header is cut")

    _fails(run_check, _with(read=read), "records", "got 0 of 8 .*r39: its header is cut")


def test_shapes(run_check: RunCheck) -> None:
    broken = _with(shape=lambda self, record: RecordShape(500.0, 1000, LEADS))
    _fails(run_check, broken, "shapes", r"rate=100\.0.*; got .*rate=500\.0")


@pytest.mark.parametrize(
    ("reply", "word"),
    [(lambda: {}["no"], "got KeyError"), (lambda: Good.read, "got a recording")],
)
def test_missing_record(run_check: RunCheck, reply: Any, word: str) -> None:
    broken = _with(read=lambda self, record: reply())
    _fails(run_check, broken, "missing_record", "expected a RecordError", word)


def test_a_class_in_a_function_cannot_be_sent_to_another_process(run_check: RunCheck) -> None:
    _fails(run_check, _with(), "deterministic", "top level of a module")


CALLS = count()


class OtherIndex(Good):
    def index(self) -> CohortIndex:
        found = Good.index(self)
        return CohortIndex(found.table.assign(patient=f"p{next(CALLS)}"), found.tasks)


class OtherSamples(Good):
    def read(self, record: str) -> Recording:
        found = Good.read(self, record)
        return Recording(found.signal * (1 + 1e-3 * next(CALLS)), found.rate, found.leads)


@pytest.mark.parametrize(
    ("broken", "word"),
    [(OtherIndex, "the same index a second"), (OtherSamples, "the same samples of 'r39' a second")],
)
def test_deterministic(run_check: RunCheck, broken: Any, word: str) -> None:
    _fails(run_check, broken, "deterministic", word)


class TestFiles:
    def test_a_record_without_its_file(self, run_check: RunCheck) -> None:
        broken = _with(files=lambda self, record: (Path("nowhere.dat"),))
        _fails(run_check, broken, "files", r"no file nowhere\.dat")

    def test_an_index_without_its_file(self, run_check: RunCheck) -> None:
        broken = _with(tables=lambda self: (Path("labels.csv"),))
        _fails(run_check, broken, "files", r"no file labels\.csv")

    def test_records_in_a_folder_without_files(self, run_check: RunCheck, tmp_path: Path) -> None:
        _fails(run_check, Good, "files", "expected files of 'r0'; got none", path=tmp_path)


class TestPreparation:
    def test_another_store_each_time(self, run_check: RunCheck) -> None:
        _fails(run_check, OtherSamples, "preparation", "the same store from the same records")

    def test_amplitudes_that_are_no_millivolts(self, run_check: RunCheck) -> None:
        broken = _read(lambda r: Recording(1000 * r.signal, r.rate, r.leads))
        with pytest.warns(ConformanceWarning, match=r"24 of 24 .* has to give mV"):
            run_check("dataset", broken, "preparation")
