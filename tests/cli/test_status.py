"""`lcd-bench status` beside runs, in a pipe and at a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from lcd_plugin.bench.results import RESULT, EvaluateResult, PretrainResult, write_result
from lcd_plugin.bench.runners import Presence, RunningCell, new_name
from lcd_plugin.bench.saved_plan import read_plan

HOSTILE = "red\x1b[31m [bold]x[/bold]\u202e\nand a line\x9b"


@pytest.fixture
def runs(tmp_path: Path, run_writer: Any) -> Any:
    """Output folders made for the purpose."""
    return run_writer(tmp_path)


@pytest.fixture
def complete(runs: Any) -> Path:
    """Four pretrainings and their scores."""
    return runs.write({"lcd": [runs.noisy(3, i) for i in range(4)]})


def forget(out: Path, kind: str, numbers: list[int]) -> None:
    """Take away results, as if they were not computed yet."""
    for cell in [getattr(read_plan(out), kind)[i] for i in numbers]:
        (out / kind / cell.key / RESULT).unlink()


def fail(out: Path, kind: str, number: int, error: str, transient: bool = False) -> None:
    cell = getattr(read_plan(out), kind)[number]
    path = out / kind / cell.key / RESULT
    model = PretrainResult if kind == "pretrain" else EvaluateResult
    identity = json.loads(path.read_text())["identity"]
    result = model(
        status="failed", key=cell.key, identity=identity, error=error, transient=transient
    )
    write_result(path.parent, result, {})


def retitle(out: Path, title: str) -> None:
    plan = json.loads((out / "plan.json").read_text())
    for cell in (*plan["pretrain"], *plan["evaluate"]):
        cell["title"] = title
    (out / "plan.json").write_text(json.dumps(plan | {"suite": title}))


@pytest.fixture
def at_work(complete: Path) -> Iterator[Path]:
    """A runner is at the last pretraining, and its score is to come; one score has failed."""
    forget(complete, "pretrain", [3])
    forget(complete, "evaluate", [3])
    fail(complete, "evaluate", 0, "ValueError: no")
    cell = RunningCell(
        key=read_plan(complete).pretrain[3].key, title="pretrain lcd", kind="pretrain", worker=1,
        since="2026-01-01T00:00:00+00:00", epoch=3, epochs=10, loss=1.23456, records_per_s=1543.2,
    )  # fmt: skip
    facts = {"executor": "local", "jobs": 2, "total": 8, "running": (cell,)}
    with Presence(complete, new_name(), lambda: facts):
        yield complete


def lcd_bench_process(*arguments: str | Path, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lcd_plugin.cli", *map(str, arguments)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **more,
    )  # fmt: skip


class TestOneLook:
    def test_it_says_how_far_who_and_what_next(
        self, at_work: Path, lcd_bench: Callable[..., Result]
    ):
        done = lcd_bench("status", at_work)
        assert done.exit_code == 0
        said = done.stdout
        assert re.search(r"pretrainings +\[#{18}>{6}\] 3 of 4, 1 running\n", said)
        assert re.search(r"evaluations +\[#{12}x{6}\.{6}\] 2 of 4, 1 failed, 1 left\n", said)
        assert f"process {os.getpid()}, local, 2 jobs" in said
        assert ": at work" in said
        assert "worker 1: pretrain lcd\n" in said
        assert "epoch 3/10, loss 1.235, 1,543 records/s, since" in said
        assert "1 cell: ValueError: no" in said
        assert "lcd-bench run" not in said  # somebody is at work: wait

    def test_a_complete_run_says_so(self, complete: Path, lcd_bench: Callable[..., Result]):
        done = lcd_bench("status", complete)
        assert "4 of 4\n" in done.stdout
        assert "." not in re.findall(r"\[([^]]*)\]", done.stdout)[0]
        assert done.stdout.endswith(f"Complete; for its report: lcd-bench report {complete}\n")

    def test_failures_with_one_reason_stand_together(
        self, runs: Any, lcd_bench: Callable[..., Result]
    ):
        out = runs.write({"lcd": [runs.noisy(3, i) for i in range(17)]})
        for number in range(5):
            fail(out, "evaluate", number, "MemoryError: too much")
        for number in range(5, 17):
            fail(out, "evaluate", number, f"ValueError: {number}", transient=True)
        said = lcd_bench("status", out).stdout
        assert said.count("MemoryError: too much") == 1
        assert "  5 cells: MemoryError: too much\n" in said
        assert "    and 2 more\n" in said
        assert "ValueError: 13 (the next run tries again)" in said
        assert "ValueError: 14" not in said
        assert "  and 3 more reasons\n" in said
        assert "\n5 failed; to try them again: " in said
        assert "Nobody is at work; to go on: " in said

    def test_scores_behind_a_failed_pretraining_are_blocked(
        self, complete: Path, lcd_bench: Callable[..., Result]
    ):
        fail(complete, "pretrain", 0, "no")
        forget(complete, "evaluate", [0])
        said = lcd_bench("status", complete).stdout
        assert "3 of 4, 1 blocked\n" in said
        assert "Nobody is at work" not in said  # a run would not try it by itself

    def test_json_is_one_document(self, at_work: Path, lcd_bench: Callable[..., Result]):
        document = json.loads(lcd_bench("status", at_work, "--json").stdout)
        assert document["cells"]["evaluate"] == {
            "total": 4, "complete": 2, "failed": 1, "running": 0, "blocked": 0, "left": 1,
        }  # fmt: skip
        assert (document["complete"], document["over"]) == (False, False)
        [runner] = document["runners"]
        assert (runner["presence"], runner["pid"]) == ("at work", os.getpid())
        assert runner["running"][0]["epoch"] == 3
        assert document["failures"][0]["reason"] == "ValueError: no"

    @pytest.mark.parametrize("kind", [[], ["--json"], ["--watch"]])
    def test_a_folder_that_is_no_run_ends_with_5(
        self, kind: list[str], tmp_path: Path, lcd_bench: Callable[..., Result]
    ):
        done = lcd_bench("status", tmp_path, *kind)
        assert done.exit_code == 5
        assert re.fullmatch(r"Error: .* is not the folder of a run: .*\n", done.stderr)

    def test_watching_in_json_is_refused(self, complete: Path, lcd_bench: Callable[..., Result]):
        assert lcd_bench("status", complete, "--watch", "--json").exit_code == 2

    def test_hostile_text_is_inert(self, complete: Path, lcd_bench: Callable[..., Result]):
        retitle(complete, HOSTILE)
        fail(complete, "evaluate", 0, HOSTILE)
        (complete / "events").mkdir()
        entry = {"event": "cell_done", "at": HOSTILE, "key": "k", "title": HOSTILE}
        line = json.dumps(entry | {"message": HOSTILE}, separators=(",", ":"))
        (complete / "events" / "a.jsonl").write_text(line + "\n")
        said = lcd_bench("status", complete).stdout
        assert "red[31m [bold]x[/bold] and a line" in said
        assert not set("\x1b\u202e\x9b") & set(said)
        assert lcd_bench("status", complete, "--json").stdout.isascii()

    def test_it_loads_no_torch(self, complete: Path):
        code = (
            "import sys\nfrom lcd_plugin.cli.main import app\n"
            f"app(['status', {str(complete)!r}], standalone_mode=False)\n"
            "print(*sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
        assert not loaded & {"torch", "lightly", "pandas", "scipy", "matplotlib", "tensorboard"}

    def test_what_it_says_to_do_next_goes_on_with_the_same_cells(
        self, finished: tuple[Path, Result], lcd_bench: Callable[..., Result]
    ):
        out, _ = finished
        done = lcd_bench("run", out / "suite.toml", "-o", out, "--dry-run", "--json")
        statuses = {cell["status"] for cell in json.loads(done.stdout)["cells"]}
        assert statuses == {"complete"}


class TestTerminal:
    def show(self, *arguments: str | Path) -> tuple[str, int]:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "lcd_plugin.cli", "status", *map(str, arguments)]
        environment = os.environ | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
        with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
            os.close(theirs)
            said = b""
            try:
                while piece := os.read(ours, 4096):
                    said += piece
            except OSError:  # Linux says so when the other end is closed
                pass
            code = process.wait()
        os.close(ours)
        return said.decode(), code

    def test_lines_fit_80_columns_and_keep_all_they_say(self, at_work: Path):
        fail(at_work, "evaluate", 1, "word " * 40 + "end")
        said, code = self.show(at_work)
        assert code == 0
        lines = re.sub(r"\x1b\[[0-9;]*m", "", said).replace("\r", "").split("\n")
        assert max(map(len, lines)) <= 80
        assert "epoch 3/10, loss 1.235" in said
        assert " ".join(" ".join(lines).split()).count("word word") >= 19

    def test_a_watch_shows_the_end_and_leaves(self, complete: Path):
        said, code = self.show(complete, "--watch")
        assert code == 0
        assert "Complete; for its report" in said


class TestWatching:
    def test_a_line_for_every_change_until_a_real_run_is_over(self, tmp_path: Path):
        out = tmp_path / "out"
        run = lcd_bench_process(
            "run", "quick", "-m", "lcd", "-m", "random", "--limit", "120", "--epochs", "12",
            "--batch-size", "32", "--label-fractions", "0.2,1", "--set", "data.seconds=2.5",
            "--precision", "fp32", "--jobs", "0", "-o", out,
        )  # fmt: skip
        while not (out / "plan.json").exists():
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.05)
        watch = lcd_bench_process("status", out, "--watch")
        lines, errors = watch.communicate(timeout=120)
        _, run_errors = run.communicate(timeout=60)
        assert (watch.returncode, run.returncode) == (0, 0), (errors, run_errors)
        said = lines.splitlines()
        assert re.fullmatch(r"\d of 6 cells complete, .*\b1 runner(, .* left)?", said[0]), said
        assert said[-1] == "6 of 6 cells complete, nobody at work"
        complete = [int(line.split()[0]) for line in said]
        assert complete == sorted(complete)
        assert list(dict.fromkeys(said)) == said

    def test_ctrl_c_ends_it_with_130(self, at_work: Path):
        watch = lcd_bench_process("status", at_work, "--watch")
        assert watch.stdout.readline().startswith("5 of 8 cells complete, 1 failed, 1 running")
        watch.send_signal(signal.SIGINT)
        _, errors = watch.communicate(timeout=20)
        assert (watch.returncode, errors) == (130, "")
