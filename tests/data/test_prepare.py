"""Preparing: restartable, the same in any number of processes, nothing dropped silently."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.data import chunks, parallel
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.journal import JOURNAL, ROWS
from lcd_plugin.data.prepare import cache_folder, prepare
from lcd_plugin.data.settings import DataSettings, QualitySettings
from lcd_plugin.data.store import Store
from lcd_plugin.errors import DataError, RecordError

SETTINGS = DataSettings(seconds=5)


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lcd_plugin.data.prepare.CHUNK_RECORDS", 2)


def store_of(folder: Path, data: DataSettings = SETTINGS, jobs: int | None = 1) -> Store:
    return prepare(WFDBFolder(folder, WFDBSettings(), data.rate), "wfdb", 1, data, jobs=jobs)


def bytes_of(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.path.iterdir()}


def hidden() -> list[str]:
    return [path.name for path in (cache_folder() / "stores").glob(".*")]


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("fork", [True, False])
def test_two_processes_make_the_store_that_one_makes(
    wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fork: bool
):
    alone = bytes_of(store_of(wfdb_folder))
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "other"))
    # However small the work is, it goes to workers.
    monkeypatch.setattr(parallel, "can_fork", lambda: fork)
    monkeypatch.setattr(parallel, "WORTH_FORKING", 0.0)
    monkeypatch.setattr(parallel, "WORTH_STARTING", 0.0)
    assert bytes_of(store_of(wfdb_folder, jobs=2)) == alone


def test_small_work_starts_no_workers(wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "_pool", lambda jobs, fork: pytest.fail("workers"))
    assert store_of(wfdb_folder, jobs=8).manifest.n_records == 12


class Interrupted(Exception):  # noqa: N818
    pass


def stop_after(monkeypatch: pytest.MonkeyPatch, records: int) -> list[str]:
    """Reading raises after so many records; the list tells which were read."""
    read: list[str] = []
    plain = WFDBFolder.read

    def counted(self: WFDBFolder, record: str):
        if len(read) == records:
            raise Interrupted
        read.append(record)
        return plain(self, record)

    monkeypatch.setattr(WFDBFolder, "read", counted)
    return read


@pytest.mark.usefixtures("_small_chunks")
def test_an_interrupted_preparation_goes_on_where_it_was(
    wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "whole"))
    whole = bytes_of(store_of(wfdb_folder))
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as context:
        stop_after(context, 7)
        with pytest.raises(Interrupted):
            store_of(wfdb_folder)
    assert list((cache_folder() / "stores").glob("*/manifest.json")) == []
    with monkeypatch.context() as context:
        read = stop_after(context, 12)
        resumed = store_of(wfdb_folder)
    # Three chunks of two were whole; the record that was read beyond them is read again.
    assert read == [f"r{i:02d}" for i in range(6, 12)]
    assert bytes_of(resumed) == whole
    assert hidden() == []


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize(
    "damage", ["cut rows", "flip rows", "cut journal", "strange journal", "no journal"]
)
def test_what_the_disk_lost_is_made_again(
    wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
):
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "whole"))
    whole = bytes_of(store_of(wfdb_folder))
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as context:
        stop_after(context, 9)
        with pytest.raises(Interrupted):
            store_of(wfdb_folder)
    [partial] = (cache_folder() / "stores").glob(".*.partial")
    rows, journal = partial / ROWS, partial / JOURNAL
    content = bytearray(rows.read_bytes())
    if damage == "cut rows":
        rows.write_bytes(content[: len(content) - 1001])
    elif damage == "flip rows":
        content[17] ^= 4
        rows.write_bytes(content)
    elif damage == "cut journal":
        journal.write_bytes(journal.read_bytes()[:-20])
    elif damage == "strange journal":
        journal.write_text(journal.read_text() + '{"size": 4}\n[1]\n')
    else:
        journal.unlink()
    assert bytes_of(store_of(wfdb_folder)) == whole


KILLED = """
import sys, time
from pathlib import Path
from lcd_plugin.data import prepare as module
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.settings import DataSettings

module.CHUNK_RECORDS = 1
plain = WFDBFolder.read
def slow(self, record):
    time.sleep(0.15)
    return plain(self, record)
WFDBFolder.read = slow
print("ready", flush=True)
cohort = WFDBFolder(Path(sys.argv[1]), WFDBSettings(), 100)
module.prepare(cohort, "wfdb", 1, DataSettings(seconds=5))
"""


def test_kill_9_leaves_nothing_that_looks_complete(
    wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "whole"))
    whole = bytes_of(store_of(wfdb_folder))
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(wfdb_folder)])
    journals: list[Path] = []
    limit = time.monotonic() + 60
    while not (journals and journals[0].stat().st_size) and time.monotonic() < limit:
        time.sleep(0.02)
        journals = list((cache_folder() / "stores").glob(f".*/{JOURNAL}"))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert list((cache_folder() / "stores").glob("*/manifest.json")) == []
    monkeypatch.setattr("lcd_plugin.data.prepare.CHUNK_RECORDS", 1)
    read = stop_after(monkeypatch, 12)
    assert bytes_of(store_of(wfdb_folder)) == whole
    assert 0 < len(read) < 12
    assert hidden() == []


def test_two_at_a_time_make_one_store(wfdb_folder: Path):
    children = [
        subprocess.Popen([sys.executable, "-c", KILLED, str(wfdb_folder)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [child.communicate(timeout=90)[1].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert len(list((cache_folder() / "stores").iterdir())) == 1
    store_of(wfdb_folder).check()


def test_a_changed_byte_is_found(wfdb_folder: Path):
    store = store_of(wfdb_folder)
    store.check()
    content = bytearray((store.path / "signals.f16").read_bytes())
    content[100] ^= 1
    (store.path / "signals.f16").write_bytes(content)
    with pytest.raises(DataError, match=r"signals\.f16 was changed"):
        Store.open(store.path).check()


def copy_record(folder: Path, source: str, target: str) -> None:
    for ending in (".hea", ".dat"):
        text = (folder / f"{source}{ending}").read_bytes()
        text = text.replace(source.encode(), target.encode()) if ending == ".hea" else text
        (folder / f"{target}{ending}").write_bytes(text)


def test_one_of_two_copies_is_kept_where_it_matters_most(wfdb_folder: Path):
    copy_record(wfdb_folder, "r10", "r00")  # test over training
    copy_record(wfdb_folder, "r08", "r11")  # test over validation
    copy_record(wfdb_folder, "r02", "r03")  # the first of a part
    store = store_of(wfdb_folder)
    assert set(store.left_out["record"]) == {"r00", "r08", "r03"}
    assert "holds the same samples as r10" in dict(store.left_out.to_numpy())["r00"]
    assert store.manifest.n_left_out == 3
    assert store.manifest.n_records == len(store.signals) == 9
    own = store_of_record(wfdb_folder, "r04")
    row = store.table.index[store.table["record"] == "r04"][0]
    np.testing.assert_array_equal(store.signals[row], own)


def store_of_record(folder: Path, record: str) -> np.ndarray:
    recipe = chunks.CohortRecipe(WFDBFolder, folder, WFDBSettings(), 100)
    return chunks.shape_chunk(recipe, (record,), SETTINGS, None).signals[0]


def test_copies_stay_if_the_settings_say_so(wfdb_folder: Path):
    copy_record(wfdb_folder, "r02", "r03")
    kept = SETTINGS.model_copy(update={"quality": QualitySettings(duplicate="keep")})
    store = store_of(wfdb_folder, kept)
    assert len(store.signals) == 12
    assert store.table["content"].duplicated().sum() == 1


def sums(folder: Path, names: list[str]) -> None:
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))


def test_files_that_are_not_the_release_s_are_left_out(wfdb_folder: Path):
    sums(wfdb_folder, [p.name for p in sorted(wfdb_folder.glob("r*"))])
    header = wfdb_folder / "r05.hea"
    # A gain that nothing else contradicts.
    header.write_text(header.read_text().replace("1000.0(0)/mV", "100.0(0)/mV"))
    store = store_of(wfdb_folder)
    assert dict(store.left_out.to_numpy()) == {
        "r05": "r05.hea is not the release's: its SHA-256 differs from SHA256SUMS.txt"
    }
    assert store.quality.loc[0, "kind"] == "checksum"


def test_a_list_of_checksums_that_is_none_is_said_and_passed_over(
    wfdb_folder: Path, caplog: pytest.LogCaptureFixture
):
    (wfdb_folder / "SHA256SUMS.txt").write_text("hello\n")
    assert store_of(wfdb_folder).manifest.n_records == 12
    assert "SHA256SUMS.txt is not used" in caplog.text


def test_findings_are_listed_with_what_was_done(
    wfdb_folder: Path, write_record: Callable[..., np.ndarray]
):
    flat = write_record(wfdb_folder, "r00")
    flat[:, 7] = 0.25
    write_record(wfdb_folder, "r00", signal=flat)
    masked = SETTINGS.model_copy(update={"quality": QualitySettings(flat="mask")})
    for data, done in ((SETTINGS, "kept"), (masked, "masked")):
        store = store_of(wfdb_folder, data)
        assert store.quality.to_numpy().tolist() == [["r00", "V2", "flat", "lead V2 is flat", done]]
        assert store.manifest.n_left_out == 0


def test_windows_are_rows_of_one_record(wfdb_folder: Path, write_record: Callable[..., np.ndarray]):
    write_record(wfdb_folder, "r00", seed=5, seconds=17)
    store = store_of(wfdb_folder, DataSettings(seconds=5, longer="windows"))
    # 17 s hold three windows of 5 s, 10 s hold two.
    assert len(store.signals) == 3 + 11 * 2
    assert store.table["record"].tolist()[:4] == ["r00", "r00", "r00", "r01"]
    assert store.table["window"].tolist()[:4] == ["0", "1", "2", "0"]


def test_a_reader_that_trips_costs_its_record(wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch):
    plain = WFDBFolder.read

    def trips(self: WFDBFolder, record: str):
        if record == "r03":
            raise IndexError("list index out of range")
        if record == "r04":
            raise RecordError("has a hole")
        return plain(self, record)

    monkeypatch.setattr(WFDBFolder, "read", trips)
    assert dict(store_of(wfdb_folder).left_out.to_numpy()) == {
        "r03": "not readable (IndexError: list index out of range)",
        "r04": "has a hole",
    }


def test_origin_and_content_are_in_the_table(wfdb_folder: Path):
    table = store_of(wfdb_folder).table
    assert table["origin"].tolist() == [f"wfdb/r{i:02d}" for i in range(12)]
    assert table["content"].nunique() == 12
    assert isinstance(table, pd.DataFrame)


@pytest.mark.usefixtures("_small_chunks")
def test_rows_of_another_index_are_not_taken_up(
    wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The index may change by more than its files: a folder listed, a release grown."""
    with monkeypatch.context() as context:
        stop_after(context, 7)
        with pytest.raises(Interrupted):
            store_of(wfdb_folder)
    plain = WFDBFolder.index

    def reversed_index(self: WFDBFolder):
        index = plain(self)
        return type(index)(index.table.iloc[::-1].reset_index(drop=True), index.tasks)

    monkeypatch.setattr(WFDBFolder, "index", reversed_index)
    store = store_of(wfdb_folder)
    assert store.table["record"].tolist() == [f"r{i:02d}" for i in range(11, -1, -1)]
    for row, record in enumerate(store.table["record"]):
        np.testing.assert_array_equal(store.signals[row], store_of_record(wfdb_folder, record))


def test_labels_that_no_file_tells_of_are_in_the_fingerprint(
    wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    first = store_of(wfdb_folder).manifest.fingerprint
    plain = WFDBFolder.index

    def relabelled(self: WFDBFolder):
        index = plain(self)
        return type(index)(index.table.assign(label=[*index.table["label"]][::-1]), index.tasks)

    monkeypatch.setattr(WFDBFolder, "index", relabelled)
    monkeypatch.setattr(WFDBFolder, "sources", lambda self, records: iter(()))
    assert store_of(wfdb_folder).manifest.fingerprint != first


def test_checksums_that_come_later_are_looked_at(wfdb_folder: Path):
    assert store_of(wfdb_folder).manifest.n_records == 12
    sums(wfdb_folder, ["r05.hea", "r05.dat"])
    (wfdb_folder / "SHA256SUMS.txt").write_text(f"{'0' * 64}  r05.dat\n")
    assert set(store_of(wfdb_folder).left_out["record"]) == {"r05"}


def test_labels_that_are_not_the_release_s_are_said(
    wfdb_folder: Path, caplog: pytest.LogCaptureFixture
):
    sums(wfdb_folder, ["labels.csv"])
    labels = wfdb_folder / "labels.csv"
    labels.write_text(labels.read_text().replace("AF", "VT", 1))
    store = store_of(wfdb_folder)
    assert store.manifest.n_records == 12
    assert "labels.csv is not the release's" in store.quality.loc[0, "reason"]
    assert "labels.csv is not the release's" in caplog.text


def test_a_record_that_could_not_be_read_may_be_later(
    wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as context:
        context.setattr(WFDBFolder, "read", lambda *_: (_ for _ in ()).throw(PermissionError()))
        with pytest.raises(DataError, match="no usable record"):
            store_of(wfdb_folder)
    hidden_one = wfdb_folder / "r03.dat"
    hidden_one.rename(wfdb_folder / "elsewhere")
    assert set(store_of(wfdb_folder).left_out["record"]) == {"r03"}
    (wfdb_folder / "elsewhere").rename(hidden_one)
    assert store_of(wfdb_folder).left_out.empty
    before = set((cache_folder() / "stores").iterdir())
    hidden_one.chmod(0o600)
    store_of(wfdb_folder)
    assert set((cache_folder() / "stores").iterdir()) > before


@pytest.mark.parametrize("lost", ["quality.csv", "records.csv", "signals.f16"])
def test_a_store_that_lost_a_file_is_named_and_made_anew(
    wfdb_folder: Path, lost: str, caplog: pytest.LogCaptureFixture
):
    store = store_of(wfdb_folder)
    signals = np.array(store.signals)
    (store.path / lost).unlink()
    with pytest.raises(DataError, match=r"cannot be read; delete it"):
        Store.open(store.path)
    with pytest.raises(DataError, match="was changed"):
        store.check()
    again = store_of(wfdb_folder)
    assert f"{store.path} was changed or cut; preparing it anew" in caplog.text
    again.check()
    np.testing.assert_array_equal(again.signals, signals)


def test_a_store_that_was_cut_is_made_anew(wfdb_folder: Path):
    store = store_of(wfdb_folder)
    with (store.path / "signals.f16").open("rb+") as file:
        file.truncate(100)
    again = store_of(wfdb_folder)
    again.check()
    assert again.manifest.fingerprint == store.manifest.fingerprint


def test_a_record_that_cannot_be_shaped_costs_itself(
    wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = chunks.shape_recording

    def trips(recording, settings, *, physical):
        if recording.signal[0, 0] == odd:
            raise ZeroDivisionError("rate")
        return plain(recording, settings, physical=physical)

    odd = WFDBFolder(wfdb_folder, WFDBSettings(), 100).read("r02").signal[0, 0]
    monkeypatch.setattr(chunks, "shape_recording", trips)
    reason = dict(store_of(wfdb_folder).left_out.to_numpy())["r02"]
    assert reason == "cannot be brought to its shape (ZeroDivisionError: rate)"


def kill(number: int) -> int:
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_worker_is_said_and_costs_nothing_that_is_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "WORTH_FORKING", 0.0)
    monkeypatch.setattr(parallel, "WORTH_STARTING", 0.0)
    with pytest.raises(DataError, match="was killed, most likely for its memory"):
        list(parallel.in_order(kill, [(0,), (1,), (1,)], 3, jobs=2))
