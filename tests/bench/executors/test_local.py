"""Worker processes: whatever a cell does to its process costs that cell alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.executors import local

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

NO_ROOM = "A step of 32 records does not fit into the memory"
# What a method does in its first step, and what its result says of it.
STEPS = {
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exits": ("os._exit(3)", "it ended its process with code 3"),
    "leaves": ("sys.exit('bye')", "SystemExit: bye"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "crashes": ("ctypes.string_at(0)", "signal 11"),
    "sleeps": ("time.sleep(3600)", "it took longer than its limit of 8 s"),
    "talks": ("while True: logging.getLogger('a').warning('b'); time.sleep(0.001)", "of 8 s"),
    "fills": ("kept = []\n        while True: kept.append(bytearray(10**8))", NO_ROOM),
    "fills_torch": ("kept = []\n        while True: kept.append(torch.empty(10**8))", NO_ROOM),
    "fills_numpy": ("kept = []\n        while True: kept.append(np.empty(10**8))", NO_ROOM),
    "kills_itself": ("os.kill(os.getpid(), 9)", "its process was killed: signal 9"),
    "forks": ("os.fork() or time.sleep(3600)\n        os._exit(4)", "code 4"),
    "closes": ("os.closerange(3, 64)", ""),
}
# These do what they should not, and come to a result.
HARMLESS = {
    "prints": "print('so much' * 3_000_000)",
    "threads": "threading.Thread(target=time.sleep, args=(3600,)).start()",
}
HEAD = """
import ctypes, logging, os, sys, threading, time
import numpy as np, torch
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.plugins import MethodSpec
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


def _call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-c", COMMAND, "run", "quick", "--limit", "120", "--epochs", "1",
        "--batch-size", "32", "--label-fractions", "0.5,1", "--set", "data.seconds=2.5",
        "--precision", "fp32", *map(str, arguments),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of methods that misbehave, and of one that does not: its folder and its end."""
    folder = tmp_path_factory.mktemp("troubled")
    steps = {name: step for name, (step, _) in STEPS.items()} | HARMLESS
    code = [
        METHOD.format(name=name, step=step.replace("\n", "\n    ")) for name, step in steps.items()
    ]
    (folder / "trouble.py").write_text(HEAD + "".join(code))
    methods = [part for name in [*steps, "lcd"] for part in ("-m", name)]
    arguments = [
        "--plugin", folder / "trouble.py", *methods, "--jobs", "2", "--time-limit", "8",
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
    # The pretrainings of three, and what their encoders and all others' come to.
    assert document["counts"]["failed"] == len(STEPS)
    assert document["counts"]["blocked"] == 2 * len(STEPS)
    assert document["counts"]["done"] == 3 * 3
    assert {r["method"] for r in document["leaderboard"]["rows"]} == {*HARMLESS, "lcd"}
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
    assert len(said) <= local.LAST_WORDS


def test_results_do_not_depend_on_who_computes(tmp_path: Path) -> None:
    content: list[dict[str, bytes]] = []
    for jobs in (0, 1, 2):
        out = tmp_path / f"out-{jobs}"
        done = _call("-m", "lcd", "-m", "random", "--jobs", str(jobs), "-o", out)
        assert done.returncode == 0, done.stderr
        files = [*out.glob("*/*/encoder.safetensors"), *out.glob("*/*/predictions.npz")]
        content.append({str(file.relative_to(out)): file.read_bytes() for file in files})
        # Features of an encoder are read in one worker only.
        slots: dict[str, set[int]] = {}
        for file in out.glob("evaluate/*/result.json"):
            identity = json.loads(file.read_bytes())["identity"]
            log = out / "logs" / "evaluate" / f"{file.parent.name}.jsonl"
            worker = json.loads(log.read_text().splitlines()[0])["worker"]
            slots.setdefault(identity["pretrain_key"], set()).add(worker)
        assert len(slots) == 2
        assert all(len(workers) == 1 for workers in slots.values())
    assert len(content[0]) == 6
    assert content[0] == content[1] == content[2]
