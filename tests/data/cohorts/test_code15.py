"""CODE-15%, on generated parts of its layout."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lcd_plugin.data.cohorts.code15 import CODE15, CODE15Settings
from lcd_plugin.data.leads import STANDARD_LEADS
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.splits import check_splits, split_of_patient
from lcd_plugin.errors import DataError, RecordError

COLUMNS = (
    "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,"
    "normal_ecg,trace_file"
)
EXAMS_A_PART = 12
SHORT = 2934  # samples of 7.3 s


def tracing(seed: int, samples: int) -> np.ndarray:
    """As stored: noise in mV in the middle of zeros, shape (4096, 12)."""
    stored = np.zeros((4096, 12), dtype=np.float32)
    start = (4096 - samples) // 2
    stored[start : start + samples] = np.random.default_rng(seed).normal(0, 0.3, (samples, 12))
    return stored


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two parts of 12 exams; every other one is short, and the table is in another order."""
    lines = []
    for part in range(2):
        ids = [1000 * (part + 1) + 7 * i for i in range(EXAMS_A_PART)]
        stored = [tracing(i, SHORT if i % 2 else 4096) for i in ids]
        with h5py.File(tmp_path / f"exams_part{part}.hdf5", "w") as file:
            # The releases' parts end with a row of zeros that is no exam.
            file["exam_id"] = np.array([*ids, 0])
            file["tracings"] = np.stack([*stored, np.zeros_like(stored[0])])
        for number, i in enumerate(ids):
            flags = ["True" if number % 6 == k and number < 8 else "False" for k in range(6)]
            normal = "True" if number in (8, 9) else "False"
            lines.append(
                f"{i},53,True,50.1,{','.join(flags)},{i // 14},,,{normal},exams_part{part}.hdf5"
            )
    (tmp_path / "exams.csv").write_text("\n".join([COLUMNS, *reversed(lines)]) + "\n")
    return tmp_path


def cohort(folder: Path, **settings: float) -> CODE15:
    return CODE15(folder, CODE15Settings(**settings), 100)


def test_labels_patients_and_parts(release: Path):
    index = cohort(release).index()
    table = index.table.set_index("record")
    assert len(table) == 24
    (task,) = index.tasks
    assert task.classes == ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "normal")
    # Exams 8 and 9 are normal; 10 and 11 have something that the classes do not name.
    expected = [*task.classes[:6], "1dAVb", "RBBB", "normal", "normal", "", ""]
    for part in range(2):
        names = [f"exams_part{part}/{1000 * (part + 1) + 7 * i}" for i in range(EXAMS_A_PART)]
        assert [table["diagnosis"][name] for name in names] == expected
        assert table["patient"][names[3]] == str((1000 * (part + 1) + 21) // 14)
    assert list(table["split"]) == [split_of_patient(patient) for patient in table["patient"]]


def test_several_abnormalities(release: Path):
    text = (release / "exams.csv").read_text()
    text = text.replace("1000,53,True,50.1,True,False", "1000,53,True,50.1,True,TRUE")
    (release / "exams.csv").write_text(text)
    table = cohort(release).index().table.set_index("record")
    assert table["diagnosis"]["exams_part0/1000"] == "1dAVb;RBBB"


def test_exams_are_found_by_id_and_trimmed(release: Path):
    code15 = cohort(release)
    for exam, samples in ((1000, 4096), (1007, SHORT), (2077, SHORT)):
        recording = code15.read(f"exams_part{exam // 1000 - 1}/{exam}")
        assert recording.leads == STANDARD_LEADS
        assert recording.rate == 400
        start = (4096 - samples) // 2
        stored = tracing(exam, samples)[start : start + samples].T
        np.testing.assert_array_equal(recording.signal, stored.astype(np.float64))
    assert code15.shape("exams_part0/1007").samples == SHORT


def test_zeros_inside_and_in_one_lead_stay(release: Path):
    with h5py.File(release / "exams_part0.hdf5", "r+") as file:
        changed = file["tracings"][0]
        changed[2000:2050] = 0
        changed[:100, 0] = 0
        file["tracings"][0] = changed
    recording = cohort(release).read("exams_part0/1000")
    assert recording.signal.shape == (12, 4096)
    assert (recording.signal[:, 2000:2050] == 0).all()
    assert (recording.signal[0, :100] == 0).all()


def test_scale_is_a_setting(release: Path):
    whole = cohort(release).read("exams_part0/1000").signal
    half = cohort(release, scale=0.5).read("exams_part0/1000").signal
    np.testing.assert_allclose(half, whole / 2)


def test_a_part_that_is_not_there(release: Path, caplog: pytest.LogCaptureFixture):
    (release / "exams_part1.hdf5").unlink()
    table = cohort(release).index().table
    assert set(table["record"].str.split("/").str[0]) == {"exams_part0"}
    assert "12 exams are left out" in caplog.text
    assert "exams_part1.hdf5" in caplog.text
    (release / "exams_part0.hdf5").unlink()
    with pytest.raises(DataError, match=r"none of the parts .* unpack the archives"):
        cohort(release).index()


def test_other_processes_get_a_cohort_that_has_read(release: Path):
    code15 = cohort(release)
    before = code15.read("exams_part0/1007").signal
    copy = pickle.loads(pickle.dumps(code15))
    np.testing.assert_array_equal(copy.read("exams_part0/1007").signal, before)
    assert list(copy.sources(["exams_part0/1000", "exams_part0/1007"])) == [
        release / "exams.csv",
        release / "exams_part0.hdf5",
    ]


def test_a_store_is_made_of_it(release: Path):
    store = prepare(cohort(release), "code15", 1, DataSettings(seconds=7))
    assert store.manifest.n_records == 24
    check_splits(store.table, "code15")


def test_exams_that_cannot_be_used(release: Path):
    with h5py.File(release / "exams_part0.hdf5", "r+") as file:
        file["tracings"][2] = 0
    with pytest.raises(RecordError, match="holds only zeros"):
        cohort(release).read("exams_part0/1014")
    with pytest.raises(RecordError, match=r"exams_part0\.hdf5 has no exam 5"):
        cohort(release).read("exams_part0/5")
    with pytest.raises(RecordError, match=r"no file exams_part9\.hdf5"):
        cohort(release).read("exams_part9/5")
    with pytest.raises(RecordError, match="no file"):
        cohort(release).read("1000")
    with pytest.raises(RecordError, match=r"no file elsewhere\.hdf5"):
        cohort(release).read("../elsewhere/1000")


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.5, 0.99])
def test_parts_that_are_cut(release: Path, share: float):
    path = release / "exams_part0.hdf5"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RecordError, match=r"exams_part0\.hdf5 is not readable as CODE-15% HDF5"):
        cohort(release).read("exams_part0/1077")


def test_parts_that_are_something_else(release: Path):
    path = release / "exams_part0.hdf5"
    path.write_text("<html>404</html>")
    with pytest.raises(RecordError, match="not readable as CODE-15% HDF5"):
        cohort(release).read("exams_part0/1000")
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([1000])
    with pytest.raises(RecordError, match=r"not readable as CODE-15% HDF5 .*tracings"):
        cohort(release).read("exams_part0/1000")
    with h5py.File(path, "r+") as file:
        file["tracings"] = np.ones((1, 12, 4096), dtype=np.float32)
    with pytest.raises(RecordError, match=r"tracings of shape \(12, 4096\), not \(time, 12\)"):
        cohort(release).read("exams_part0/1000")


def test_without_h5py_the_extra_is_named(release: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r'pip install "lcd-plugin\[code15\]"'):
        cohort(release).index()


def test_a_table_without_a_class(release: Path):
    path = release / "exams.csv"
    path.write_text(path.read_text().replace("normal_ecg", "normal"))
    with pytest.raises(DataError, match="no column 'normal_ecg'; did you mean 'normal'"):
        cohort(release).index()
