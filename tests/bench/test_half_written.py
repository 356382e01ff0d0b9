"""What a killed run leaves of its files goes; what looks like it and is somebody's own stays."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lcd_plugin.bench.own_files import OF_CELL, OF_REPORT, OF_TOP
from lcd_plugin.bench.recorder import Recorder, remove_half_written
from lcd_plugin.errors import ConfigError
from lcd_plugin.files import remove_temporary, write_whole

KILLED = """
import os, sys
from pathlib import Path
from lcd_plugin import files
files.os.fsync = lambda _: os._exit(1)
files.write_whole(Path(sys.argv[1]), b"x")
"""


@pytest.mark.parametrize("name", ["result.json", "snapshot-0.25.safetensors", "predictions.npz"])
def test_what_a_killed_process_left_goes(tmp_path: Path, name: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f".{name}-")
    remove_half_written(tmp_path)
    assert not left.exists()


@pytest.mark.parametrize("known", [OF_TOP, OF_REPORT, OF_CELL])
def test_what_is_somebody_elses_stays(tmp_path: Path, known: re.Pattern[str]) -> None:
    theirs = [
        ".my-notes", ".ssh-key", ".git-credentials", ".env-abcdefgh", ".plan.json-2026",
        ".result.json-ABCDEFGH", "plan.json-abcdefgh", ".notes.json-abcdefgh", ".-abcdefgh",
    ]  # fmt: skip
    for name in theirs:
        (tmp_path / name).write_text("mine")
    for name in (".plan.json-abcdefgh", ".result.json-abcdefgh", ".index.html-abcdefgh"):
        (tmp_path / name).mkdir()
    link = tmp_path / ".suite.toml-abcdefgh"
    link.symlink_to(tmp_path / theirs[0])
    before = sorted(tmp_path.iterdir())
    remove_temporary(tmp_path, known)
    assert sorted(tmp_path.iterdir()) == before


class TestWritable:
    def test_a_full_disk_says_where_it_is_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        out = tmp_path / "out"
        with pytest.raises(ConfigError, match="give another folder"), Recorder(out, {}).writable():
            write_whole(out / "x", b"")
        beside = tmp_path / "out-of-mine" / "x"
        with pytest.raises(OSError, match="No space"), Recorder(out, {}).writable():
            write_whole(beside, b"")

    def test_a_full_disk_without_a_place_is_not_blamed_on_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught, Recorder(tmp_path, {}).writable():
            raise OSError(errno.ENOSPC, "No space left on device")
        assert str(tmp_path) not in str(caught.value)

    def test_an_error_of_something_else_passes(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="Bad"), Recorder(tmp_path, {}).writable():
            raise OSError(errno.EBADF, "Bad file descriptor")
