"""The readers on real records, where they are."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from lcd_plugin.data.cohorts.ptbxl import PTBXL, SUPERCLASSES, PTBXLSettings
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.errors import DataError, RecordError

pytestmark = pytest.mark.real


@pytest.fixture(scope="session")
def ptbxl(real_data: Path) -> Path:
    return real_data / "ptbxl"


def cohort(folder: Path, rate: float = 100) -> PTBXL:
    return PTBXL(folder, PTBXLSettings(), rate)


def test_superclasses_and_folds_against_a_plain_reading(ptbxl: Path):
    index = cohort(ptbxl).index()
    database = pd.read_csv(ptbxl / "ptbxl_database.csv", index_col="ecg_id")
    statements = pd.read_csv(ptbxl / "scp_statements.csv", index_col=0)
    diagnostic = statements[statements.diagnostic == 1].diagnostic_class
    for i, (_, row) in enumerate(database.iterrows()):
        expected = {diagnostic[c] for c in ast.literal_eval(row.scp_codes) if c in diagnostic}
        found = index.table["superclass"][i]
        assert set(found.split(";")) - {""} == expected
        single = index.table["superclass-single"][i]
        assert single == (found if len(expected) == 1 else "")
        fold = "test" if row.strat_fold == 10 else "validation" if row.strat_fold == 9 else "train"
        assert index.table["split"][i] == fold
        assert index.table["patient"][i] == str(int(row.patient_id))
    assert index.tasks[0].classes == SUPERCLASSES


def test_store_holds_what_wfdb_reads(ptbxl: Path):
    store = prepare(cohort(ptbxl), "ptbxl", 1, DataSettings(), limit=40)
    row = 7
    record = wfdb.rdrecord(str(ptbxl / store.table["record"][row]))
    names = [name.upper() for name in record.sig_name]
    leads = [names.index(lead.upper()) for lead in store.manifest.data.leads]
    expected = record.p_signal[:, leads].T
    expected = (expected - np.median(expected, axis=1, keepdims=True)) / 0.25
    np.testing.assert_allclose(store.signals[row], expected, rtol=1e-3, atol=1e-3)


def test_rate_chooses_the_files(ptbxl: Path):
    assert cohort(ptbxl, 100).index().table["record"][0].startswith("records100/")
    assert cohort(ptbxl, 500).index().table["record"][0].startswith("records500/")


def test_500_hz_brought_to_100_hz_is_close_to_the_published_100_hz(ptbxl: Path):
    fast = next((ptbxl / "records500").rglob("*_hr.hea")).with_suffix("")
    slow = ptbxl / "records100" / fast.parent.name / fast.name.replace("_hr", "_lr")
    from lcd_plugin.data.signals import shape_recording

    ours = shape_recording(read_wfdb(fast), DataSettings()).windows[0].astype(float)
    theirs = shape_recording(read_wfdb(slow), DataSettings()).windows[0].astype(float)
    correlation = np.corrcoef(ours[:, 20:-20].ravel(), theirs[:, 20:-20].ravel())[0, 1]
    assert correlation > 0.99


def test_a_partial_download_is_counted_not_hidden(ptbxl: Path, tmp_path: Path):
    """Tables of the whole, files of a part: what an interrupted download leaves."""
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        shutil.copy(ptbxl / name, tmp_path / name)
    database = pd.read_csv(tmp_path / "ptbxl_database.csv", dtype=str)
    by_fold = database.groupby("strat_fold").head(3)
    by_fold.to_csv(tmp_path / "ptbxl_database.csv", index=False)
    there = by_fold.drop(by_fold.index[0])["filename_lr"]
    for name in there:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for ending in (".hea", ".dat"):
            shutil.copy(f"{ptbxl / name}{ending}", f"{target}{ending}")
    # The files lie read-only; a copy of one is cut in half.
    half = tmp_path / f"{there.iloc[0]}.dat"
    content = half.read_bytes()
    half.unlink()
    half.write_bytes(content[: len(content) // 2])
    store = prepare(cohort(tmp_path), "ptbxl", 1, DataSettings())
    reasons = dict(store.left_out.to_numpy())
    assert set(reasons) == {by_fold["filename_lr"].iloc[0], there.iloc[0]}
    assert store.manifest.n_records == len(there) - 1


def test_a_folder_without_the_tables(tmp_path: Path):
    with pytest.raises(DataError, match=r"no ptbxl_database\.csv"):
        cohort(tmp_path).index()


def test_oddities_give_one_sentence_or_a_reading(real_data: Path):
    oddities = real_data / "oddities"
    with pytest.raises(RecordError, match="not readable as WFDB"):
        read_wfdb(oddities / "E00015")
    ptb = read_wfdb(oddities / "s0010_re")
    assert ptb.rate == 1000
    assert len(ptb.leads) == 15
    icu = read_wfdb(oddities / "03700181")
    # Blood pressure (mmHg) is no lead.
    assert "ABP" not in icu.leads


def test_challenge_files_are_read_in_millivolts(real_data: Path):
    """The header's gain decides; HR00599 of the same source has 200 instead of 1000."""
    source = real_data / "challenge-2021" / "training" / "ptb-xl" / "g1"
    for header in source.glob("*.hea"):
        recording = read_wfdb(header.with_suffix(""))
        assert 0.2 < np.ptp(recording.signal, axis=1).max() < 20
