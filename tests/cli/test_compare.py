"""`lcd-bench compare` in a second process: exit codes, and what goes where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result


@pytest.fixture
def runs(tmp_path: Path, run_writer: Any) -> Any:
    """Output folders made for the purpose."""
    return run_writer(tmp_path)


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lcd_plugin.cli", "compare", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_worse_run_fails_the_gate_with_code_4(runs: Any, lcd_bench: Callable[..., Result]):
    good = runs.write({"lcd": [runs.noisy(3, 1)]}, "good")
    bad = runs.write({"lcd": [runs.noisy(1, 2)]}, "bad", gamma=1)
    words = (good, bad, "--fail-if-worse", "0.01")
    done = lcd_bench("compare", *words)
    assert done.exit_code == 4
    assert "Gate, scores: failed. 1 of 1 line lower by more than 0.01" in done.stdout
    assert "Gate, what B lacks: passed." in done.stdout
    assert done.stderr == "The gate failed; the output says why.\n"
    # A program gets one document and the same code.
    program = compare(*words, "--json", "--metric", "auprc")
    document = json.loads(program.stdout)
    assert (program.returncode, document["schema"]) == (4, 1)
    assert document["gate"]["passed"] is False
    assert {line["metric"] for line in document["lines"]} == {"auprc"}


def test_what_cannot_be_compared_is_no_pass(runs: Any):
    a = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
    b = runs.write({"byol": [runs.noisy(1, 1)]}, "b")
    done = compare(a, b, "--fail-if-worse", "0.1")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no score in common" in done.stderr


def test_less_on_purpose_is_allowed_when_said(runs: Any, lcd_bench: Callable[..., Result]):
    scores = {"lcd": [runs.noisy(3, 1), runs.noisy(3, 2)], "byol": [runs.noisy(3, 3)]}
    more, less = runs.write(scores, "more"), runs.write({"lcd": scores["lcd"][:1]}, "less")
    words = ("compare", more, less, "--fail-if-worse", "0")
    refused = lcd_bench(*words)
    assert refused.exit_code == 4
    assert "Gate, scores: passed. 1 line, none lower by more than 0." in refused.stdout
    assert "Gate, what B lacks: failed." in refused.stdout
    assert "- 1 line: byol on d/t" in refused.stdout
    assert "- seed 1 of 1 line." in refused.stdout
    assert "--allow-missing" in refused.stdout
    allowed = lcd_bench(*words, "--allow-missing")
    assert (allowed.exit_code, allowed.stderr) == (0, "")
    assert "Gate, what B lacks: allowed." in allowed.stdout
    alone = lcd_bench("compare", more, less, "--allow-missing")
    assert alone.exit_code == 2
    assert "--fail-if-worse" in alone.stderr


def test_a_run_and_itself_pass(runs: Any, lcd_bench: Callable[..., Result]):
    out = runs.write({"lcd": [runs.noisy(3, 1)]})
    done = lcd_bench("compare", out, out, "--fail-if-worse", "0")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 line with equal predictions in both." in done.stdout
    assert "+0.000" not in done.stdout
    assert "1 line compared; B is: 1 same." in done.stdout


def test_wrong_words_on_the_command_line(
    runs: Any, tmp_path: Path, lcd_bench: Callable[..., Result]
):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    wrong = lcd_bench("compare", out, tmp_path / "nowhere", "--fail-if-worse", "0.1")
    assert wrong.exit_code == 5
    assert "There is no folder" in wrong.stderr
    assert lcd_bench("compare", out, out, "--fail-if-worse", "-1").exit_code == 2
    assert lcd_bench("compare", out, out, "--metric", "loss").exit_code == 2
    assert lcd_bench("compare", out).exit_code == 2
