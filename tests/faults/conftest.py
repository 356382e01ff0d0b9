"""Runs in processes of their own, to be killed, stopped and starved of room.

A run is small, and it is the same in all files here, so that one that nothing happened to is made
once. Where the start itself is not what is looked at, a run begins in a process that was forked
from one with all imports done (`warm_start.py`).
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Of every kind of cell some, and a checkpoint after every epoch.
SMALL = [
    "run", "quick", "-m", "lcd", "-m", "random", "--limit", "120", "--epochs", "4",
    "--batch-size", "32", "--label-fractions", "0.2,1", "--set", "data.seconds=2.5",
    "--set", "engine.checkpoint_s=0", "--precision", "fp32",
]  # fmt: skip
PRELOADED = [
    "lcd_plugin.bench.executors.choose", "lcd_plugin.bench.plan", "lcd_plugin.bench.runner",
    "lcd_plugin.cli.main", "lcd_plugin.doctor.mend", "lcd_plugin.doctor.out",
    "lcd_plugin.methods.lcd", "lcd_plugin.report.leaderboard", "lcd_plugin.report.write",
]  # fmt: skip
MARK = "LCD_BENCH_TEST_MARK"
PATIENCE = 120.0


@dataclass
class Started:
    """An `lcd-bench` under way.

    Attributes:
        mark: in the environment of all processes that it starts.
        output: file with what it printed.
    """

    process: Any
    mark: str
    output: Path
    out: Path
    before: set[Path] = field(default_factory=set)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it has not."""
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll()
        return self.process.exitcode

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """The lines of its own event log."""
        logs = set((self.out / "events").glob("*.jsonl")) - self.before
        own = [path for path in logs if path.name.split(".")[2] == str(self.pid)]
        return [entry for path in own for entry in lines_of(path)]

    def until(self, what: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait for something to be true, or for the process to end."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            over = self.code is not None
            if found := what():
                return found
            if over:
                return None
            time.sleep(0.005)
        raise TimeoutError(self.said)

    def until_event(self, name: str, count: int = 1) -> Any:
        """Wait for the n-th event of a name."""
        return self.until(lambda: [e["event"] for e in self.events()].count(name) >= count)

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for its end; its exit code."""
        end = time.monotonic() + patience
        while (code := self.code) is None:
            if time.monotonic() > end:
                raise TimeoutError(self.said)
            time.sleep(0.01)
        return code

    def workers(self) -> list[int]:
        """Processes that it started and that are there."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != self.pid:
                with contextlib.suppress(OSError):
                    alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                    if alive and wanted in (folder / "environ").read_bytes().split(b"\0"):
                        found.append(int(folder.name))
        return found

    def require_alone(self, patience: float = 10.0) -> None:
        """None of its workers outlives it by more than seconds."""
        end = time.monotonic() + patience
        while self.workers():
            assert time.monotonic() < end, f"workers are left: {self.workers()}"
            time.sleep(0.05)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; the last may be cut."""
    found = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def tables(out: Path) -> list[tuple[Any, ...]]:
    """What a leaderboard says, but for times."""
    board = json.loads((out / "report" / "leaderboard.json").read_text())
    names = ("method", "label_fraction", "metric", "mean", "ci_low", "ci_high", "rank")
    return [tuple(row[name] for name in names) for row in board["rows"]]


def complete(out: Path) -> set[str]:
    """Keys of the cells that have their result."""
    found = set()
    for path in out.glob("*/*/result.json"):
        if json.loads(path.read_bytes())["status"] == "complete":
            found.add(path.parent.name)
    return found


def all_events(out: Path) -> list[dict[str, Any]]:
    """Of all runners that there were."""
    return [entry for path in sorted((out / "events").glob("*")) for entry in lines_of(path)]


def left_over(out: Path) -> list[str]:
    """What a run that has ended should have taken away."""
    names = [str(path.relative_to(out)) for path in out.rglob("*")]
    return [
        name
        for name in names
        if name.startswith(("leases", "runners"))
        or Path(name).name.startswith(".")
        or Path(name).name == "checkpoint.safetensors"
    ]


class Bench:
    """Starts `lcd-bench`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Started] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def start(
        self, out: Path, *more: str | Path, warm: bool = True, jobs: int = 0, **variables: str
    ) -> Started:
        """Run the small suite."""
        arguments = [*SMALL, "--jobs", jobs, *more, "-o", out]
        return self.call(out, *arguments, warm=warm, **variables)

    def call(
        self, out: Path, *arguments: str | int | Path, warm: bool = True, **variables: str
    ) -> Started:
        """Start any command; `out` is where its events will be."""
        mark = uuid.uuid4().hex
        before = set((out / "events").glob("*.jsonl"))
        output = self._folder / f"{mark}.txt"
        environment = os.environ | {MARK: mark} | variables
        told = [str(argument) for argument in arguments]
        if warm:
            request = {"arguments": told, "environment": environment, "output": str(output)}
            file = str(Path(__file__).with_name("warm_start.py"))
            process: Any = self._context.Process(
                target=runpy.run_path, args=(file, {"REQUEST": request})
            )
            output.touch()
            process.start()
        else:
            with output.open("wb") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "lcd_plugin.cli", *told],
                    stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment,
                    start_new_session=True,
                )  # fmt: skip
        self._started.append(started := Started(process, mark, output, out, before))
        return started

    def finish(self, out: Path, *more: str | Path, jobs: int = 0, **variables: str) -> Started:
        """Run the small suite to its end, which has to be a good one."""
        started = self.start(out, *more, jobs=jobs, **variables)
        assert started.wait() == 0, started.said
        return started

    # For the tests, which cannot import from this file.
    tables, complete = staticmethod(tables), staticmethod(complete)
    events, left_over = staticmethod(all_events), staticmethod(left_over)

    def close(self) -> None:
        for started in self._started:
            if started.code is None:
                started.send(signal.SIGCONT)
                started.send(signal.SIGKILL)
            for pid in started.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Iterator[Bench]:
    if sys.platform != "linux":
        pytest.skip("processes are looked up in /proc")
    with pytest.MonkeyPatch.context() as patch:
        # Rounding differs with the number of threads, and tables are compared to the last digit.
        patch.setenv("OMP_NUM_THREADS", "1")
        started = Bench(tmp_path_factory.mktemp("output"))
        yield started
        started.close()


@pytest.fixture(scope="session")
def undisturbed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    bench.finish(out)
    return out


@pytest.fixture(scope="session")
def require_sound(bench: Bench, undisturbed: Path) -> Callable[[Path], None]:
    """A finished folder is what an undisturbed run leaves: tables, cells, nothing else."""

    def check(out: Path) -> None:
        assert tables(out) == tables(undisturbed)
        assert complete(out) == complete(undisturbed)
        assert left_over(out) == []
        done = Counter(e["key"] for e in all_events(out) if e["event"] == "cell_done")
        assert not done or max(done.values()) == 1, done
        doctor = bench.call(out, "doctor", out)
        assert doctor.wait() == 0, doctor.said

    return check
