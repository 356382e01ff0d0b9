"""What the doctor finds in the cache of prepared stores, and what it leaves there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.journal import JOURNAL
from lcd_plugin.data.prepare import cache_folder, prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import Store
from lcd_plugin.doctor.stores import examine_stores, mend_stores


@pytest.fixture
def stores(wfdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of stores with one that is sound."""
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))
    data = DataSettings(seconds=5)
    prepare(WFDBFolder(wfdb_folder, WFDBSettings(), data.rate), "wfdb", 1, data, jobs=1)
    return cache_folder() / "stores"


def store_in(stores: Path) -> Path:
    return next(path for path in stores.iterdir() if path.name.startswith("wfdb-"))


def kinds(stores: Path) -> list[str]:
    return [finding.kind for finding in examine_stores(stores).findings]


def flip_signals(stores: Path) -> None:
    path = store_in(stores) / "signals.f16"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


def partial(stores: Path) -> Path:
    folder = stores / f".wfdb-{'0' * 16}.partial"
    folder.mkdir()
    (folder / "rows.f16").write_bytes(bytes(3_000_000))
    return folder


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a store without its manifest": (
        lambda stores: (store_in(stores) / "manifest.json").unlink(),
        "broken-store",
    ),
    "one signal of a store changed": (flip_signals, "broken-store"),
    "a store half made": (partial, "partial-store"),
    "a lock of nobody": (
        lambda stores: (stores / f".wfdb-{'0' * 16}.lock").touch(),
        "lock",
    ),
    "a journal that is not needed": (
        lambda stores: (store_in(stores) / JOURNAL).write_text("{}"),
        "leftover",
    ),
}


def test_sound_stores_have_no_findings_and_a_size(stores: Path):
    examination = examine_stores(stores)
    assert examination.findings == []
    folder = store_in(stores)
    assert examination.sizes == {folder.name: sum(p.stat().st_size for p in folder.iterdir())}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_left_and_mended_when_asked(stores: Path, name: str):
    damage, kind = DAMAGE[name]
    damage(stores)
    before = {path: path.stat().st_mtime_ns for path in stores.rglob("*")}
    assert kinds(stores) == [kind]
    assert {path: path.stat().st_mtime_ns for path in stores.rglob("*")} == before
    mended = mend_stores(examine_stores(stores))
    assert mended.left == []
    assert kinds(stores) == []
    for path in stores.iterdir():
        Store.open(path).check()


def test_sizes_are_told_in_megabytes(stores: Path):
    partial(stores)
    (found,) = examine_stores(stores).findings
    assert "3.0 MB" in found.message


def test_what_another_process_prepares_is_left_alone(stores: Path):
    folder = partial(stores)
    lock = stores / f".wfdb-{'0' * 16}.lock"
    hold = (
        "import sys, filelock\nwith filelock.FileLock(sys.argv[1]): print(1, flush=True), input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        examination = examine_stores(stores)
        assert [f.kind for f in examination.findings] == ["at-work"]
        mend_stores(examination)
        assert folder.exists()
    finally:
        other.communicate(b"\n", timeout=10)
    assert "partial-store" in kinds(stores)


def test_work_begun_between_looking_and_mending_is_left_alone(stores: Path):
    from filelock import FileLock

    folder = partial(stores)
    examination = examine_stores(stores)
    with FileLock(stores / f".wfdb-{'0' * 16}.lock"):
        mended = mend_stores(examination)
    assert folder.exists()
    assert "somebody works on it" in mended.left[0].message


def test_links_and_what_is_nobodys_are_left_alone(stores: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (stores / f"wfdb-{'0' * 16}").symlink_to(outside)
    (stores / "notes").mkdir()
    broken = stores / f"wfdb-{'1' * 16}"
    broken.mkdir()
    (broken / "inside").symlink_to(outside)
    examination = examine_stores(stores)
    assert sorted(f.kind for f in examination.findings) == ["broken-store", "link", "unknown"]
    mend_stores(examination)
    assert (outside / "precious").exists()
    assert (stores / "notes").exists()
    assert not broken.exists()


def test_no_cache_is_a_sound_one(tmp_path: Path):
    assert examine_stores(tmp_path / "nowhere").findings == []
