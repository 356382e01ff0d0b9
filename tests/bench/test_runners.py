"""Who is at work on a folder: told by processes here, by beats elsewhere, never by clocks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench import runners
from lcd_plugin.bench.runners import NAME, Presence, Watch, alive, new_name, read_runners, stopped

SAY_NAME = "from lcd_plugin.bench.runners import new_name; print(new_name(), flush=True); input()"
ELSEWHERE = "node7.0123abcd.17.99.0"


def _facts() -> dict[str, Any]:
    return {"executor": "local", "jobs": 2, "total": 5}


def test_names_are_safe_and_no_two_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "../Hôst name/" + "x" * 100)
    names = {new_name() for _ in range(100)}
    assert len(names) == 100
    assert all(NAME.match(name) and re.fullmatch(r"[A-Za-z0-9_.-]{1,120}", name) for name in names)


def test_a_process_here_is_alive_until_it_ends() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SAY_NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert alive(name) is True
    process.kill()
    # A zombie does nothing any more.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert alive(name) is False
    process.communicate()
    assert alive(name) is False


def test_another_process_under_the_same_number_is_another() -> None:
    host, boot, pid, start, count = new_name().split(".")
    parent = f"{host}.{boot}.{os.getppid()}.{int(start) + 1}.{count}"
    assert alive(parent) is False
    assert alive(f"{host}.ffffffff.{pid}.{start}.{count}") is None


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "a.b.c.d.e", "h.0123abcd.1.2"])
def test_what_is_no_name_is_dead(tmp_path: Path, name: str) -> None:
    assert alive(name) is False
    assert Watch(tmp_path).is_dead(name)


def test_one_of_this_process_lives_for_as_long_as_it_is_at_work(tmp_path: Path) -> None:
    name = new_name()
    with Presence(tmp_path, name, _facts, beat_s=0.02):
        assert alive(name) is True
        first = read_runners(tmp_path)[0]
        time.sleep(0.2)
        (later,) = read_runners(tmp_path)
        assert (later.runner, later.pid, later.jobs) == (name, os.getpid(), 2)
        assert later.beat > first.beat
    assert alive(name) is False
    assert not (tmp_path / "runners").exists()


def test_one_elsewhere_is_dead_when_it_is_silent_by_the_clock_of_who_watches(
    tmp_path: Path,
) -> None:
    now = [0.0]
    watch = Watch(tmp_path, silent_s=10, clock=lambda: now[0])
    presence = Presence(tmp_path, ELSEWHERE, _facts)
    for years in (-30, 0, 30):
        # What its own clock says is no matter, nor what the file's time is.
        presence._write()
        then = time.time() + years * 365 * 86400
        os.utime(tmp_path / "runners" / f"{ELSEWHERE}.json", (then, then))
        assert not watch.is_dead(ELSEWHERE)
        now[0] += 9
        assert not watch.is_dead(ELSEWHERE)
    now[0] += 2
    assert watch.is_dead(ELSEWHERE)
    presence._write()
    assert not watch.is_dead(ELSEWHERE)
    # One that has no file, since it was removed or never written, is watched all the same.
    gone = ELSEWHERE.replace("node7", "node8")
    assert not watch.is_dead(gone)
    now[0] += 11
    assert watch.is_dead(gone)


def test_clearing_up_leaves_those_that_may_be_alive(tmp_path: Path) -> None:
    folder = tmp_path / "runners"
    host, boot, _, start, _ = new_name().split(".")
    dead = f"{host}.{boot}.{2**22 + 1}.{start}.0"
    for name in (dead, ELSEWHERE):
        Presence(tmp_path, name, _facts)._write()
        (folder / f".{name}.json-abcdefgh").touch()
    theirs = {"notes.json", ".notes.json-abcdefgh", f".{dead}.json-mine"}
    for name in theirs:
        (folder / name).touch()
    Watch(tmp_path).clear_up()
    assert {path.name for path in folder.iterdir()} == {
        f"{ELSEWHERE}.json", f".{ELSEWHERE}.json-abcdefgh", *theirs,
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"runner": "x"}', b"\xff" * 99])
def test_files_that_are_no_records_are_left_out(tmp_path: Path, content: bytes) -> None:
    Presence(tmp_path, ELSEWHERE, _facts)._write()
    folder = tmp_path / "runners"
    (folder / "a.json").write_bytes(content)
    # Nor is one under another's name.
    (folder / "b.json").write_bytes((folder / f"{ELSEWHERE}.json").read_bytes())
    (folder / "big.json").write_bytes(bytes(runners.MOST + 1))
    (folder / "folder.json").mkdir()
    assert [record.runner for record in read_runners(tmp_path)] == [ELSEWHERE]


def test_a_full_disk_costs_beats_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_name()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Presence(tmp_path, name, _facts, beat_s=0.01):
        with monkeypatch.context() as patch:
            patch.setattr(runners, "write_whole", full)
            time.sleep(0.1)
        (stuck,) = read_runners(tmp_path)
        time.sleep(0.2)
        assert read_runners(tmp_path)[0].beat > stuck.beat


def test_whatever_goes_wrong_with_one_beat_another_comes(tmp_path: Path) -> None:
    name, beats = new_name(), []

    def facts() -> dict[str, object]:
        beats.append(1)
        if len(beats) in (2, 3):
            raise RuntimeError("dictionary changed size during iteration")
        return _facts()

    with Presence(tmp_path, name, facts, beat_s=0.01):
        time.sleep(0.2)
        assert read_runners(tmp_path)[0].beat > 1


def test_one_that_was_stopped_is_told_from_one_at_work(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SAY_NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    try:
        assert not stopped(name)
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while not stopped(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stopped(name)
        assert alive(name)
        process.send_signal(signal.SIGCONT)
        while stopped(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not stopped(name)
    finally:
        process.kill()
        process.communicate()
    assert not stopped(name)
    assert not stopped(ELSEWHERE)
