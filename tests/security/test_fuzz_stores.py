"""Prepared stores that were cut, changed or made up: opened as they are, or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, fuzz, json_texts

from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import MANIFEST, QUALITY, SIGNALS, TABLE, Store
from lcd_plugin.errors import DataError

SETTINGS = DataSettings(seconds=5)


@pytest.fixture
def folder(wfdb_folder: Path, tmp_path: Path) -> Path:
    store = prepare(WFDBFolder(wfdb_folder, WFDBSettings(), SETTINGS.rate), "wfdb", 1, SETTINGS)
    return Path(shutil.copytree(store.path, tmp_path / "store"))


def use(folder: Path) -> None:
    """Open a store and look at all of it."""
    try:
        store = Store.open(folder)
        assert store.signals.shape == store.manifest.shape
        assert store.signals.nbytes == (folder / SIGNALS).stat().st_size
        assert len(store.left_out.columns) == 2
        for task in store.tasks:
            labels = store.labels(task, "train")
            assert labels.targets.shape == (len(labels.rows), len(task.classes))
        store.check()
    except DataError as error:
        assert str(folder) in str(error)  # noqa: PT017 others end well


@fuzz
@given(data=st.data())
def test_manifests(data: st.DataObject, folder: Path):
    written = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(data.draw(json_texts(json.loads(written))))
    use(folder)
    (folder / MANIFEST).write_bytes(written)


@fuzz
@given(data=st.data(), vouched=st.booleans())
def test_tables_findings_and_signals(data: st.DataObject, folder: Path, vouched: bool):
    name = data.draw(st.sampled_from([TABLE, QUALITY, SIGNALS]))
    written = {n: (folder / n).read_bytes() for n in (name, MANIFEST)}
    content = data.draw(damaged(written[name]))
    (folder / name).write_bytes(content)
    if vouched:  # by a manifest that a stranger made
        manifest = json.loads(written[MANIFEST])
        manifest["checksums"][name] = hashlib.sha256(content).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(manifest))
    use(folder)
    for n, before in written.items():
        (folder / n).write_bytes(before)


@pytest.mark.parametrize("rows", [0, -1, 2**31, 2**62, 2**64, 1.5])
def test_sizes_are_checked_before_signals_are_mapped(folder: Path, rows: float):
    manifest = json.loads((folder / MANIFEST).read_text())
    # 2 ** 62 rows of 8 leads and 500 samples wrap around in 64 bits.
    (folder / MANIFEST).write_text(json.dumps(manifest | {"n_records": rows}))
    with pytest.raises(DataError, match="delete it"):
        Store.open(folder)


def test_a_manifest_names_no_other_files(folder: Path, tmp_path: Path):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["checksums"]["../secret"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="cannot be read"):
        Store.open(folder)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from lcd_plugin.data.cohorts import numpy_folder
    from lcd_plugin.errors import RecordError

    np.savez_compressed(tmp_path / "r.npz", np.zeros((12, 100_000), dtype=np.float32))
    monkeypatch.setattr(numpy_folder, "MOST_OF_RECORD", 10**6)
    with pytest.raises(RecordError, match="unpacks to"):
        numpy_folder._open(tmp_path / "r.npz")


@pytest.mark.parametrize("line", ["../r 400", "/tmp/r 400", "..\\r 400", "a/b 400"])
def test_segments_of_a_record_lie_beside_it(tmp_path: Path, line: str):
    from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_shape
    from lcd_plugin.errors import RecordError

    (tmp_path / "r.hea").write_text(f"r/1 1 100 400\n{line}\n")
    for read in (read_wfdb, wfdb_shape):
        with pytest.raises(RecordError, match="which is not beside it"):
            read(tmp_path / "r")
