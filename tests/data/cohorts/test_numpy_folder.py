"""Folders of NumPy arrays, and what they share with folders of WFDB records."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lcd_plugin.data.cohort import RecordShape
from lcd_plugin.data.cohorts.numpy_folder import NumpyFolder, NumpySettings
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.errors import DataError, RecordError

LEADS = ("I", "II", "V1")
PARTS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def cohort(folder: Path, **given: Any) -> NumpyFolder:
    return NumpyFolder(folder, NumpySettings(**{"rate": 100, "leads": LEADS} | given), 100)


def write_labels(folder: Path, records: list[str]) -> None:
    lines = ["record,patient,label,split"]
    lines += [f"{name},p{i},{'AF' if i % 2 else 'SR'},{PARTS[i]}" for i, name in enumerate(records)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def signals(records: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (records, len(LEADS), 500))


@pytest.fixture
def array(tmp_path: Path) -> Path:
    """Eight records in one array."""
    np.save(tmp_path / "signals.npy", signals().astype(np.float32))
    write_labels(tmp_path, [str(i) for i in range(8)])
    return tmp_path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Eight records in a file each, of both formats, in a folder."""
    (tmp_path / "a").mkdir()
    for i, signal in enumerate(signals()):
        if i % 2:
            np.savez_compressed(tmp_path / "a" / f"r{i}.npz", signal)
        else:
            np.save(tmp_path / "a" / f"r{i}.npy", signal)
    write_labels(tmp_path, [f"a/r{i}" for i in range(6)] + ["a/r6.npy", "a/r7.npz"])
    return tmp_path


def test_rows_of_one_array(array: Path):
    index = cohort(array).index()
    assert list(index.table["record"]) == [str(i) for i in range(8)]
    assert index.tasks[0].classes == ("AF", "SR")
    recording = cohort(array).read("5")
    np.testing.assert_allclose(recording.signal, signals()[5], rtol=1e-6)
    assert (recording.rate, recording.leads) == (100, LEADS)
    assert cohort(array).shape("5") == RecordShape(100, 500, LEADS)


def test_a_file_for_each_record(files: Path):
    for i, record in enumerate(cohort(files).index().table["record"]):
        np.testing.assert_array_equal(cohort(files).read(record).signal, signals()[i])
        (path,) = cohort(files).files(record)
        assert path.is_file()
    # Files are read even where an array of all records lies beside them under another name.
    np.save(files / "others.npy", np.zeros((1, 3, 5)))
    np.testing.assert_array_equal(cohort(files).read("a/r1").signal, signals()[1])


@pytest.mark.parametrize(("unit", "factor"), [("mV", 1), ("uV", 1e-3), ("V", 1e3)])
def test_units(array: Path, unit: str, factor: float):
    whole = (signals() * 1000).astype(np.int16)
    np.save(array / "signals.npy", whole)
    recording = cohort(array, unit=unit).read("2")
    np.testing.assert_allclose(recording.signal, whole[2] * factor)


def test_time_before_leads(array: Path, files: Path):
    np.save(array / "turned.npy", signals().transpose(0, 2, 1))
    turned = cohort(array, signals="turned.npy", order="time-leads")
    assert len(turned.index().table) == 8
    np.testing.assert_array_equal(turned.read("3").signal, signals()[3])
    assert turned.shape("3").samples == 500
    (array / "signals.npy").unlink()
    np.save(files / "a" / "r0.npy", signals()[0].T)
    read = cohort(files, order="time-leads").read("a/r0")
    np.testing.assert_array_equal(read.signal, signals()[0])


def test_a_store_is_made_of_it(array: Path):
    data = DataSettings(seconds=5, leads=LEADS)
    store = prepare(cohort(array), "numpy", 1, data)
    assert store.manifest.n_records == 8
    assert store.labels(store.tasks[0], "test").targets.tolist() == [[0, 1], [1, 0]]


def test_the_array_is_one_source_and_stays_out_of_pickles(array: Path):
    big = cohort(array)
    big.read("0")
    assert list(big.sources(["0", "1"])) == [array / "labels.csv", array / "signals.npy"]
    sent = pickle.dumps(big)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).read("1").signal, big.read("1").signal)


@pytest.mark.parametrize(
    "given",
    [{}, {"rate": 100}, {"leads": LEADS}, {"rate": 0, "leads": LEADS}, {"rate": 1, "leads": ()}],
)
def test_rate_and_leads_have_to_be_given(given: dict):
    with pytest.raises(ValidationError, match=r"rate|leads"):
        NumpySettings(**given)


def test_leads_have_different_names():
    with pytest.raises(ValidationError, match="different names"):
        NumpySettings(rate=100, leads=("I", "II", "ii"))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (signals()[0], r"signals.npy has shape \(3, 500\), not \(records, leads, time\)"),
        (signals()[:, :2], "2 leads as .* where numpy.leads names 3"),
        (signals().transpose(0, 2, 1), "500 leads as"),
        (signals().astype(complex), "complex128 values, not real numbers"),
        (np.array([{"a": 1}], dtype=object), "not readable as a NumPy array .*Python objects"),
        (np.array([["a"]]), "<U1 values, not real numbers"),
        (np.zeros((0, 3, 500)), "holds no samples"),
    ],
)
def test_arrays_that_do_not_fit(array: Path, values: np.ndarray, complaint: str):
    np.save(array / "signals.npy", values, allow_pickle=True)
    with pytest.raises(DataError, match=complaint) as caught:
        cohort(array).index()
    assert str(caught.value).endswith(".")


def test_an_array_that_is_not_there(array: Path):
    with pytest.raises(DataError, match=r"no file mine\.npy"):
        cohort(array, signals="mine.npy").index()


@pytest.mark.parametrize("record", ["8", "-1", "01", "1.0", "two", "", "²"])
def test_records_that_are_no_rows(array: Path, record: str):
    with pytest.raises(RecordError, match=r"not a row number|no row 8: the array has 8"):
        cohort(array).read(record)


def test_files_that_do_not_fit(files: Path):
    np.savez(files / "a" / "r1.npz", a=signals()[0], b=signals()[1])
    with pytest.raises(RecordError, match=r"r1\.npz holds 2 arrays"):
        cohort(files).read("a/r1")
    np.savez(files / "a" / "r3.npz", np.array([{}], dtype=object))
    with pytest.raises(RecordError, match=r"r3\.npz is not readable"):
        cohort(files).read("a/r3")
    np.save(files / "a" / "r0.npy", signals())
    with pytest.raises(RecordError, match=r"\(8, 3, 500\), not \(leads, time\)"):
        cohort(files).read("a/r0")
    with pytest.raises(RecordError, match=r"no file r99\.npy"):
        cohort(files).read("a/r99")
    with pytest.raises(RecordError, match="outside the dataset's folder"):
        cohort(files).read("../r0")


@pytest.mark.parametrize("name", ["a/r0.npy", "a/r1.npz"])
def test_whatever_a_file_holds_is_a_reading_or_a_sentence(files: Path, name: str):
    path = files / name
    whole = path.read_bytes()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(cut=st.integers(0, len(whole)), at=st.integers(0, 200), byte=st.integers(0, 255))
    @example(cut=0, at=0, byte=0)
    @example(cut=len(whole) // 2, at=0, byte=whole[0])
    def damaged(cut: int, at: int, byte: int) -> None:
        content = bytearray(whole[:cut])
        if at < len(content):
            content[at] = byte
        path.write_bytes(content)
        # Anything but a RecordError fails the test.
        with contextlib.suppress(RecordError):
            assert cohort(files).read(name).signal.shape[0] == len(LEADS)

    damaged()


def test_advice_names_the_dataset(array: Path):
    labels = array / "labels.csv"
    labels.write_text(labels.read_text().replace("AF", "AF;SR"))
    with pytest.raises(DataError, match=r"set numpy\.kind to multi-label"):
        cohort(array, kind="single-label").index()


def test_wfdb_folders_can_overrule_gains(tmp_path: Path, write_record: Callable[..., Any]):
    """Written with 1,000 ADC units a mV for all leads."""
    written = write_record(tmp_path, "r0", leads=["I", "II"])
    header = tmp_path / "r0.hea"
    header.write_text(header.read_text().replace(" 1000.0(0)/mV", " 250.0(0)/mV", 1))
    believed = WFDBFolder(tmp_path, WFDBSettings(), 100).read("r0")
    overruled = WFDBFolder(tmp_path, WFDBSettings(gain=1000), 100).read("r0")
    np.testing.assert_allclose(overruled.signal, written.T, atol=1e-3)
    np.testing.assert_allclose(believed.signal[0], 4 * written.T[0], atol=4e-3)
    assert WFDBFolder(tmp_path, WFDBSettings(), 100).physical
    assert not WFDBFolder(tmp_path, WFDBSettings(physical=False), 100).physical
    with pytest.raises(ValidationError, match="gain"):
        WFDBSettings(gain=0)


def test_wfdb_folders_say_the_shape_without_signals(wfdb_folder: Path):
    (wfdb_folder / "r00.dat").unlink()
    shape = WFDBFolder(wfdb_folder, WFDBSettings(), 100).shape("r00")
    assert (shape.rate, shape.samples, len(shape.leads)) == (100, 1000, 12)
    with pytest.raises(RecordError, match="outside"):
        WFDBFolder(wfdb_folder, WFDBSettings(), 100).shape("../r00")
