"""Disks that are full or read-only, and folders that vanish: one sentence, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def variables(self) -> dict[str, str]:
        return {}

    def fill(self) -> None:
        size = 2**20
        with self._ballast.open("ab", buffering=0) as file:
            while size:
                try:
                    if file.write(bytes(size)) < size:
                        size //= 2
                except OSError:
                    size //= 2

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


class MadeUpDisk(Disk):
    """One of which the processes are told that it is full."""

    def variables(self) -> dict[str, str]:
        return {"LCD_BENCH_TEST_FULL": str(self._ballast)}

    def fill(self) -> None:
        self._ballast.touch()

    def remount(self, how: str) -> None:
        pytest.skip("nothing can be mounted here")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    yield Disk(folder) if mounted else MadeUpDisk(folder)
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _ended(started: Any, code: int) -> str:
    """Its end, and the sentence that it ended with."""
    assert started.wait() == code, started.said
    assert "Traceback" not in started.said
    started.require_alone(0.5)
    (sentence,) = [line for line in started.said.splitlines() if line.startswith("Error: ")]
    return sentence


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_disk_that_fills_up(
    bench: Any, disk: Disk, jobs: int, require_sound: Callable[[Path], None]
) -> None:
    out = disk.folder / "out"
    known: set[str] = set()
    moments = [None, "epoch", "cell_done", "run_ended"] if jobs == 0 else ["epoch"]
    for moment in moments:
        if moment is None:
            disk.fill()
        started = bench.start(out, jobs=jobs, **disk.variables())
        if moment is not None:
            started.until_event(moment)
            disk.fill()
        sentence = _ended(started, 2)
        assert "cannot be written" in sentence
        assert "No space left on device" in sentence
        assert str(out) in sentence
        assert known <= bench.complete(out)
        known = bench.complete(out)
        assert moment != "cell_done" or known
        disk.make_room()
    bench.finish(out, **disk.variables())
    require_sound(out)


def test_a_folder_that_cannot_be_written(bench: Any, disk: Disk) -> None:
    disk.remount("ro")
    sentence = _ended(bench.start(disk.folder / "out"), 2)
    assert "Read-only file system" in sentence
    disk.remount("rw")


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_folder_that_is_removed_meanwhile(bench: Any, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "out"
    started = bench.start(out, jobs=jobs)
    started.until_event("epoch")
    while out.exists():
        with contextlib.suppress(OSError):
            shutil.rmtree(out)
    assert f"{out} was removed or emptied" in _ended(started, 2)
    assert not list(out.glob("*/*/result.json"))


@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_prepared_store_that_vanishes_is_made_anew_by_the_next_run(
    bench: Any, tmp_path: Path, how: str, require_sound: Callable[[Path], None]
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    own = {"LCD_BENCH_CACHE": str(cache)}
    started = bench.start(out, jobs=1, **own)
    started.until_event("run_started" if how == "removed" else "epoch")
    (store,) = (cache / "stores").glob("synthetic-*")
    if how == "removed":
        shutil.rmtree(store)
    else:
        os.truncate(store / "signals.f16", 100)
    assert started.wait() == 3, started.said
    assert "Traceback" not in started.said
    assert str(store) in started.said or "Bus error" in started.said
    failed = [e for e in started.events() if e["event"] == "cell_failed"]
    assert failed
    known = bench.complete(out)
    # Without --retry-failed.
    bench.finish(out, **own)
    require_sound(out)
    assert known <= bench.complete(out)
