from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.data.cohorts.numpy_folder import NumpyFolder, NumpySettings
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.prepare import cache_folder, prepare
from lcd_plugin.data.settings import PAPER_LEADS, DataSettings
from lcd_plugin.data.signals import shape_recording
from lcd_plugin.data.splits import check_splits, limit_records, split_of_patient
from lcd_plugin.data.store import Store
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.evaluate.label_subsets import label_subset

SETTINGS = DataSettings(seconds=5)


def store_of(folder: Path, data: DataSettings = SETTINGS, limit: int | None = None, **settings):
    cohort = WFDBFolder(folder, WFDBSettings(**settings), data.rate)
    return prepare(cohort, "wfdb", 1, data, limit)


def test_signals_labels_and_patients_come_through(wfdb_folder: Path):
    store = store_of(wfdb_folder)
    assert store.signals.shape == (12, 8, 500)
    assert store.tasks[0].classes == ("AF", "SR")
    assert store.tasks[0].kind == "single-label"
    labels = store.labels(store.tasks[0], "validation")
    assert labels.rows.tolist() == [8, 9]
    assert labels.targets.tolist() == [[0, 1], [1, 0]]
    assert labels.patients.tolist() == ["p8", "p9"]


def test_the_second_time_nothing_is_read(wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch):
    first = store_of(wfdb_folder)
    monkeypatch.setattr(WFDBFolder, "read", lambda self, record: pytest.fail("read again"))
    assert store_of(wfdb_folder).manifest == first.manifest


def test_fingerprint_follows_content_and_settings_not_place(
    wfdb_folder: Path, tmp_path: Path, write_record: Callable[..., None]
):
    first = store_of(wfdb_folder).manifest.fingerprint
    moved = wfdb_folder.rename(tmp_path / "elsewhere")
    assert store_of(moved).manifest.fingerprint == first
    settings = DataSettings(seconds=5, normalisation="lead")
    assert store_of(moved, settings).manifest.fingerprint != first
    write_record(moved, "r03", seed=99)
    assert store_of(moved).manifest.fingerprint != first


def test_signals_in_any_file_that_the_header_names_are_seen(wfdb_folder: Path):
    """PTB splits a record over .dat and .xyz; others name their signal files as they like."""
    for header in wfdb_folder.glob("*.hea"):
        header.write_text(header.read_text().replace(".dat", ".sig"))
        header.with_suffix(".dat").rename(header.with_suffix(".sig"))
    first = store_of(wfdb_folder)
    changed = wfdb_folder / "r03.sig"
    changed.write_bytes(changed.read_bytes()[::-1])
    second = store_of(wfdb_folder)
    assert second.manifest.fingerprint != first.manifest.fingerprint
    assert not np.array_equal(second.signals[3], first.signals[3])


def test_a_class_without_training_records_says_so():
    targets = np.zeros((6, 2), dtype=np.int8)
    targets[:, 0] = [1, 0, 1, 0, 1, 0]
    with pytest.raises(ConfigError, match="Class 'RARE' has no training record at all"):
        label_subset(targets, 1.0, 0, ("AF", "RARE"))


def test_checksums_are_those_of_the_files(wfdb_folder: Path):
    store = store_of(wfdb_folder)
    for name, checksum in store.manifest.checksums.items():
        assert hashlib.sha256((store.path / name).read_bytes()).hexdigest() == checksum


def test_unusable_records_are_named_and_counted(
    wfdb_folder: Path,
    write_record: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
):
    cut = wfdb_folder / "r00.dat"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    signal = np.zeros((1000, 12))
    signal[500, 1] = np.nan
    write_record(wfdb_folder, "r01", signal=signal)
    write_record(wfdb_folder, "r02", leads=["I", "II"])
    (wfdb_folder / "r03.hea").write_text("not a header at all")
    (wfdb_folder / "r04.dat").unlink()
    (wfdb_folder / "r05.hea").unlink()
    store = store_of(wfdb_folder)
    reasons = dict(store.left_out.to_numpy())
    assert set(reasons) == {"r00", "r01", "r02", "r03", "r04", "r05"}
    assert "II has 1 missing samples" in reasons["r01"]
    assert "too few leads" in reasons["r02"]
    assert "no header" in reasons["r05"]
    assert store.manifest.n_left_out == 6
    assert list(store.table["record"]) == [f"r{i:02d}" for i in range(6, 12)]
    # What is left is the records' own, not shifted by what is missing.
    for row, record in enumerate(store.table["record"]):
        own = shape_recording(read_wfdb(wfdb_folder / record), SETTINGS).windows[0]
        np.testing.assert_array_equal(store.signals[row], own)
    assert "r00 is left out" in caplog.text
    assert "1 more records" in caplog.text


def test_no_record_left_says_why(wfdb_folder: Path):
    for file in wfdb_folder.glob("*.dat"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=r"no usable record: all 12 .* the first \(r00\)"):
        store_of(wfdb_folder)
    leftovers = list((cache_folder() / "stores").glob(".*"))
    assert leftovers == []


def test_a_record_outside_the_folder_is_refused(wfdb_folder: Path, tmp_path: Path):
    labels = wfdb_folder / "labels.csv"
    labels.write_text(labels.read_text().replace("r00,", "../r00,"))
    for ending in (".hea", ".dat"):
        (wfdb_folder / f"r00{ending}").rename(tmp_path / f"r00{ending}")
    assert "outside" in dict(store_of(wfdb_folder).left_out.to_numpy())["../r00"]


@pytest.mark.parametrize(
    ("before", "after", "settings", "complaint"),
    [
        ("record,", "recrod,", {}, "no column 'record'; did you mean 'recrod'"),
        ("label,", "dx,", {"label_column": "diagnosis"}, "no column 'diagnosis'"),
        ("patient,", "patient,", {"patient_column": "pateint"}, "did you mean 'patient'"),
        (",test", ",tset", {}, "line 12: split 'tset' is none of"),
        (",AF,", ",SR,", {}, "has 1 classes"),
        (
            "p11,",
            "p0,",
            {},
            "same patient in more than one part .*r00 is in the training part; .*r11 is in",
        ),
        ("r11,", "r10,", {}, "the record r10 more than once"),
        (",AF,", ",AF;VT,", {"kind": "single-label"}, "several labels"),
    ],
)
def test_label_files_that_do_not_fit(
    wfdb_folder: Path, before: str, after: str, settings: dict, complaint: str
):
    labels = wfdb_folder / "labels.csv"
    labels.write_text(labels.read_text().replace(before, after))
    with pytest.raises(DataError, match=complaint):
        store_of(wfdb_folder, **settings)


def test_no_label_file(wfdb_folder: Path):
    (wfdb_folder / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"no labels\.csv in"):
        store_of(wfdb_folder)


def test_several_labels_and_none(wfdb_folder: Path):
    labels = wfdb_folder / "labels.csv"
    text = labels.read_text().replace("p0,SR", "p0,SR; AF").replace("p1,AF", "p1,")
    labels.write_text(text)
    store = store_of(wfdb_folder)
    train = store.labels(store.tasks[0], "train")
    assert store.tasks[0].kind == "multi-label"
    assert train.targets[0].tolist() == [1, 1]
    assert 1 not in train.rows
    assert 1 in store.rows("train")


def test_without_columns_patients_are_split_by_hash(wfdb_folder: Path):
    table = pd.read_csv(wfdb_folder / "labels.csv")[["record", "label"]]
    table.to_csv(wfdb_folder / "labels.csv", index=False)
    cohort = WFDBFolder(wfdb_folder, WFDBSettings(), 100)
    index = cohort.index().table
    assert list(index["split"]) == [split_of_patient(r) for r in index["record"]]


def test_hash_split_has_the_shares_it_promises():
    parts = pd.Series([split_of_patient(str(i)) for i in range(20_000)]).value_counts(
        normalize=True
    )
    assert parts["train"] == pytest.approx(0.70, abs=0.01)
    assert parts["validation"] == pytest.approx(0.15, abs=0.01)


def test_limit_is_exact_seeded_and_keeps_the_parts():
    parts = ["train"] * 700 + ["validation"] * 150 + ["test"] * 150
    table = pd.DataFrame(
        {"record": map(str, range(1000)), "patient": map(str, range(1000)), "split": parts}
    )
    limited = limit_records(table, 101)
    assert len(limited) == 101
    assert limited["split"].value_counts()["test"] in (15, 16)
    pd.testing.assert_frame_equal(limited, limit_records(table, 101))
    check_splits(limited, "any")


def test_a_changed_store_is_not_used(wfdb_folder: Path):
    store = store_of(wfdb_folder)
    signals = store.path / "signals.f16"
    signals.write_bytes(signals.read_bytes()[:-2])
    with pytest.raises(DataError, match="changed or cut"):
        Store.open(store.path)


def test_a_folder_that_cannot_be_written(
    wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("LCD_BENCH_CACHE", str(blocked))
    with pytest.raises(DataError, match="LCD_BENCH_CACHE"):
        store_of(wfdb_folder)
    assert os.environ["LCD_BENCH_CACHE"] == str(blocked)


def test_records_without_a_patient_are_nobody_else_s(
    wfdb_folder: Path, caplog: pytest.LogCaptureFixture
):
    labels = wfdb_folder / "labels.csv"
    text = labels.read_text()
    for i in range(0, 12, 2):
        text = text.replace(f"r{i:02d},p{i},", f"r{i:02d},,")
    labels.write_text(text)
    store = store_of(wfdb_folder)
    assert store.table["patient"].nunique() == 12
    assert "6 records without a patient" in caplog.text


def test_a_folder_without_labels_can_be_pretrained_on(wfdb_folder: Path):
    labels = wfdb_folder / "labels.csv"
    labels.write_text(labels.read_text().replace(",AF,", ",,").replace(",SR,", ",,"))
    store = store_of(wfdb_folder)
    assert store.tasks == ()
    assert len(store.rows("train")) == 8


def test_rows_longer_than_their_header_are_refused(wfdb_folder: Path):
    labels = wfdb_folder / "labels.csv"
    head, *rows = labels.read_text().splitlines()
    labels.write_text("\n".join([head, *(f"{row},more" for row in rows)]) + "\n")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read as a CSV file"):
        store_of(wfdb_folder)


def test_infinite_samples_are_missing_ones(tmp_path: Path):
    signals = np.random.default_rng(0).normal(0, 0.3, (12, 8, 1000))
    signals[3, 2, 500] = np.inf
    signals[4, 1, 300] = 1e40
    np.save(tmp_path / "signals.npy", signals)
    parts = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    lines = [f"{i},p{i},{'AF' if i % 2 else 'SR'},{part}" for i, part in enumerate(parts)]
    (tmp_path / "labels.csv").write_text("\n".join(["record,patient,label,split", *lines]) + "\n")
    settings = NumpySettings(rate=100, leads=PAPER_LEADS)
    for way in ("physical", "record"):
        data = DataSettings(normalisation=way)
        store = prepare(NumpyFolder(tmp_path, settings, 100), "numpy", 1, data)
        assert set(store.left_out["record"]) == {"3", "4"}
        assert "1 missing samples" in store.left_out["reason"][0]
        assert np.isfinite(store.signals).all()
