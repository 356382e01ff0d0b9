"""Worker processes: whatever a cell does to its process costs that cell alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.executors import choose
from lcd_plugin.bench.executors.choose import idle_gpus, threads_each
from lcd_plugin.bench.executors.worker_process import LAST_WORDS
from lcd_plugin.data.parallel import cores
from lcd_plugin.errors import ConfigError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

NO_ROOM = " GB: A step of 32 records does not fit into the memory"
# What a method does in its first step, and what its result says of it.
STEPS = {
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "leaves": ("sys.exit('bye')", "SystemExit: bye"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "crashes": ("ctypes.string_at(0)", "signal 11"),
    "talks": ("while True: logging.getLogger('a').warning('b'); time.sleep(0.001)", "of 6 s"),
    "fills_torch": ("kept = []\n        while True: kept.append(torch.empty(10**8))", NO_ROOM),
    "fills_numpy": ("kept = []\n        while True: kept.append(np.empty(10**8))", NO_ROOM),
    "gets_no_thread": (
        'raise RuntimeError("can\'t start new thread")',
        " GB: RuntimeError: can't start",
    ),
    "kills_itself": ("print('MemoryError'); os.kill(os.getpid(), 9)", "was killed: signal 9"),
    "forks": ("os.fork() or time.sleep(3600)\n        os._exit(4)", "code 4"),
}
# These do what they should not, and come to a result.
HARMLESS = {
    "prints": "print('so much' * 3_000_000)",
    "threads": "threading.Thread(target=time.sleep, args=(3600,)).start()",
    # Processes that log where this one does, and as long as it does.
    "multiplies": "talkers = [FORK.Process(target=talk) for _ in range(2)]\n"
    "        for talker in talkers: talker.start()\n"
    "        talk()\n"
    "        for talker in talkers: talker.join()",
    "ends_its_child": "child = FORK.Process(target=time.sleep, args=(3600,)); child.start()\n"
    "        child.terminate(); child.join()\n"
    "        if child.exitcode != -15: os._exit(5)",
    # As it comes to all processes of a machine that goes down, once.
    "is_terminated": "here = Path(__file__).with_name('terminated')\n"
    "        if not here.exists(): here.touch(); os.kill(os.getpid(), 15)",
}
GOOD = [*HARMLESS, "lcd", "random"]
HEAD = """
import ctypes, logging, multiprocessing, os, sys, threading, time
from pathlib import Path
import numpy as np, torch
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.plugins import MethodSpec

FORK = multiprocessing.get_context("fork")

def talk():
    for _ in range(100): logging.getLogger("a").warning("b" * 5000)
"""
METHOD = """
class {name}(Method):
    views = "aa"
    config_class = MethodConfig
    begun = False

    def training_step(self, views):
        if not self.begun:
            self.begun = True
            {step}
        loss = sum(self.encoder(view).square().mean() for view in views)
        return StepOutput(loss=loss, terms={{}})

SPEC_OF_{name} = MethodSpec(name="{name}", implementation="trouble:{name}", summary="-")
"""
# Pauses between tries are for systems that have to recover.
COMMAND = (
    "import lcd_plugin.bench.faults as f; f.PAUSES = (0.1,); "
    "from lcd_plugin.cli.main import main; main()"
)


def _call(
    *arguments: str | Path, before: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-c", before + COMMAND, "run", "quick", "--limit", "120", "--epochs", "2",
        "--batch-size", "32", "--label-fractions", "0.5,1", "--set", "data.seconds=2.5",
        "--precision", "fp32", *map(str, arguments),
    ]  # fmt: skip
    unset = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=280, env=unset | variables
    )


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of methods that misbehave, and of one that does not: its folder and its end."""
    folder = tmp_path_factory.mktemp("troubled")
    steps = {name: step for name, (step, _) in STEPS.items()} | HARMLESS
    code = [
        METHOD.format(name=name, step=step.replace("\n", "\n    ")) for name, step in steps.items()
    ]
    (folder / "trouble.py").write_text(HEAD + "".join(code))
    methods = [part for name in [*steps, "lcd", "random"] for part in ("-m", name)]
    arguments = [
        "--plugin", folder / "trouble.py", *methods, "--jobs", "2", "--time-limit", "6",
        "--memory-limit", "3", "--json", "-o", folder / "out",
    ]  # fmt: skip
    return folder / "out", _call(*arguments)


def _result(out: Path, method: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result of a method's pretraining, and its log."""
    for path in out.glob("pretrain/*/result.json"):
        result = json.loads(path.read_bytes())
        if result["identity"]["method"] == method:
            log = out / "logs" / "pretrain" / f"{path.parent.name}.jsonl"
            lines = log.read_text().splitlines()
            return result, [json.loads(line) for line in lines]
    raise LookupError(method)


def test_the_others_complete(troubled: tuple[Path, Any]) -> None:
    out, done = troubled
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    # The pretrainings of the good ones, and what their encoders and all others' come to.
    assert document["counts"]["failed"] == len(STEPS)
    assert document["counts"]["blocked"] == 2 * len(STEPS)
    assert document["counts"]["done"] == 3 * len(GOOD)
    assert {r["method"] for r in document["leaderboard"]["rows"]} == set(GOOD)
    assert not any((out / name).exists() for name in ("leases", "runners"))


@pytest.mark.parametrize("method", STEPS)
def test_what_becomes_of_the_cell(troubled: tuple[Path, Any], method: str) -> None:
    result, log = _result(troubled[0], method)
    assert result["status"] == "failed"
    assert STEPS[method][1] in result["error"] or STEPS[method][1] in result["traceback"]
    assert result["transient"] == (method == "kills_itself")
    assert log[-1]["event"] == "cell_failed"
    assert log[-1]["message"] == result["error"]
    assert [e["event"] for e in log].count("cell_retry") == (1 if method == "kills_itself" else 0)
    if STEPS[method][1].startswith(" GB: "):
        assert re.match(
            r"it needed more than the --memory-limit of 3 GB, of which imports take about "
            r"[0-9.]+ GB: ", result["error"]
        )  # fmt: skip
    if method == "crashes":
        # Where it was, as the interpreter says it at the end.
        assert "training_step" in result["traceback"]
        assert "training_step" in next(e["message"] for e in log if e["event"] == "cell_logged")


def test_what_a_cell_prints_is_in_its_log_and_not_all_of_it(
    troubled: tuple[Path, Any],
) -> None:
    _, log = _result(troubled[0], "prints")
    (said,) = [e["message"] for e in log if e["event"] == "cell_logged"]
    assert said.endswith("so much")
    assert len(said) <= LAST_WORDS


def test_a_worker_that_is_terminated_saves_first_and_the_next_goes_on(
    troubled: tuple[Path, Any],
) -> None:
    _, log = _result(troubled[0], "is_terminated")
    happened = [e["event"] for e in log if e["event"] != "cell_logged"]
    assert happened == [
        "cell_started", "epoch", "cell_retry", "cell_started", "epoch", "cell_done"
    ]  # fmt: skip
    assert "signal 15" in next(e["message"] for e in log if e["event"] == "cell_retry")


def test_what_forked_processes_log_is_not_taken_for_the_cell_s(
    troubled: tuple[Path, Any],
) -> None:
    _, log = _result(troubled[0], "multiplies")
    assert [e["message"][:9] for e in log if e["event"] == "cell_logged"].count("b" * 9) == 100


def test_results_do_not_depend_on_who_computes(troubled: tuple[Path, Any], tmp_path: Path) -> None:
    threads = max(1, cores() // 2)
    # As on Windows, which has not what workers need: one process is the default there.
    hidden = "import sys; sys.modules['resource'] = None; "
    done = _call(
        "-m", "lcd", "-m", "random", "-o", tmp_path, before=hidden, OMP_NUM_THREADS=str(threads)
    )
    assert done.returncode == 0, done.stderr
    files = [*tmp_path.glob("*/*/encoder.safetensors"), *tmp_path.glob("*/*/predictions.npz")]
    assert len(files) == 6
    assert "inline" in next(tmp_path.glob("events/*")).read_text()
    for file in files:
        other = troubled[0] / file.relative_to(tmp_path)
        assert other.read_bytes() == file.read_bytes()
        # Of the process that computed it; the run itself was told nothing of threads.
        provenance = json.loads(other.with_name("result.json").read_bytes())["provenance"]
        assert provenance["environment"]["OMP_NUM_THREADS"] == str(threads)
        assert provenance["machine"]["threads"] == threads


def test_features_of_an_encoder_are_read_in_one_worker(troubled: tuple[Path, Any]) -> None:
    slots: dict[str, set[int]] = {}
    for file in troubled[0].glob("evaluate/*/result.json"):
        identity = json.loads(file.read_bytes())["identity"]
        log = troubled[0] / "logs" / "evaluate" / f"{file.parent.name}.jsonl"
        worker = json.loads(log.read_text().splitlines()[0])["worker"]
        slots.setdefault(identity["pretrain_key"], set()).add(worker)
    assert len(slots) == len(GOOD)
    assert all(len(workers) == 1 for workers in slots.values())


def test_threads_are_shared_out_unless_the_user_has_set_them() -> None:
    assert threads_each(1, {}) is None
    assert threads_each(2, {"OMP_NUM_THREADS": "1"}) is None
    assert threads_each(cores(), {}) == threads_each(10 * cores(), {}) == 1


def test_gpus_that_are_left_idle_are_told_of() -> None:
    assert idle_gpus(4, 1, 1) == "1 of 4 GPUs is used; --jobs 4 uses all."
    assert idle_gpus(8, 1, 2) == "2 of 8 GPUs are used; --jobs 4 uses all."
    assert idle_gpus(5, 1, 2) == "2 of 5 GPUs are used; --jobs 2 uses 4."
    for gpus, jobs, each in [(4, 4, 1), (4, 9, 1), (1, 1, 1), (0, 3, 1), (4, 2, 2)]:
        assert idle_gpus(gpus, jobs, each) is None


@pytest.mark.parametrize(
    ("jobs", "has_workers", "said"),
    [(2000, True, "--jobs takes at most 1024"), (1, False, "need Linux or macOS; use --jobs 0")],
)
def test_workers_that_cannot_be_had_are_a_sentence(
    jobs: int, has_workers: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_has_workers", lambda: has_workers)
    with pytest.raises(ConfigError, match=said):
        choose.executor_for(None, Path(), None, choose.Workers(jobs=jobs))
