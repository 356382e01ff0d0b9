"""Commands whose standard streams are closed, full or gone, and those without a folder."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FULL = Path("/dev/full")
RUN = [
    "run", "quick", "-m", "random", "--limit", "120", "--epochs", "1", "--batch-size", "32",
    "--label-fractions", "1", "--set", "data.seconds=2.5", "--precision", "fp32", "--jobs", "0",
]  # fmt: skip
UNWRITABLE = "Error: The output cannot be written ({}).\n"

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, run_writer: Any) -> Path:
    """A run made up, with one method."""
    runs = run_writer(tmp_path_factory.mktemp("streams"))
    return runs.write({"lcd": [runs.noisy(3, i) for i in range(2)]})


def shell(command: str, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """A command line with redirections, where "$@" is lcd-bench with arguments."""
    ours = [sys.executable, "-m", "lcd_plugin.cli", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", command, "bash", *ours], capture_output=True, text=True, timeout=100,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, **more,
    )  # fmt: skip


class TestStdout:
    @pytest.mark.parametrize(
        "what", [["status"], ["status", "--watch"], ["doctor", "--no-report"], ["report"]]
    )
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_one_that_is_full_is_one_sentence(self, out: Path, what: list[str], unbuffered: str):
        done = shell(f'PYTHONUNBUFFERED={unbuffered} "$@" >/dev/full', what[0], out, *what[1:])
        assert (done.returncode, done.stderr) == (2, UNWRITABLE.format("No space left on device"))

    @pytest.mark.parametrize("what", ["status", "doctor", "report"])
    def test_one_that_is_closed_is_refused(self, out: Path, what: str):
        done = shell('"$@" >&-', what, out)
        assert (done.returncode, done.stderr) == (2, UNWRITABLE.format("it is closed"))

    def test_a_reader_that_has_seen_enough_is_no_failure(self, out: Path):
        done = shell('"$@" | head -n 1; exit ${PIPESTATUS[0]}', "status", out)
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_run_loses_nothing_and_refuses_before_it_computes(self, tmp_path: Path):
        closed = shell('"$@" >&-', *RUN, "-o", tmp_path / "closed")
        assert closed.returncode == 2
        assert not (tmp_path / "closed").exists()
        full = shell('"$@" >/dev/full', *RUN, "-o", tmp_path / "full")
        assert full.returncode == 2, full.stderr
        assert "Traceback" not in full.stderr
        assert len(list((tmp_path / "full").glob("*/*/result.json"))) == 2
        assert (tmp_path / "full" / "report" / "index.html").exists()


class TestStderr:
    @pytest.mark.parametrize("how", ["2> >(head -n 1)", "2>/dev/full", "2>&-"])
    def test_a_run_goes_on_without_it(self, tmp_path: Path, how: str):
        done = shell(f'"$@" {how}', *RUN, "-o", tmp_path / "out")
        assert done.returncode == 0
        assert done.stdout.rstrip().endswith("index.html")
        assert len(list((tmp_path / "out").glob("*/*/result.json"))) == 2

    def test_a_run_goes_on_without_its_terminal(self, tmp_path: Path):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "lcd_plugin.cli", *RUN, "-o", tmp_path / "out"],
            stderr=theirs, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"TERM": "xterm", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert said.rstrip().endswith("index.html")


class TestFolders:
    def test_a_current_folder_that_is_gone_is_one_sentence(self, tmp_path: Path):
        gone = tmp_path / "gone"
        gone.mkdir()
        done = shell(f'rmdir {gone}; "$@"', *RUN, "-o", tmp_path / "out", cwd=gone)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: The current folder cannot be used")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("name", ["''", "$'bad\\xff'"])
    def test_a_folder_for_results_that_is_none_is_refused(self, tmp_path: Path, name: str):
        done = shell(f'"$@" -o {name}', *RUN, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
