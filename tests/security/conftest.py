from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for mutations, which all tests here use

RECORDS = 40
DATA = {
    "dataset": "d", "fingerprint": "d1", "n_train": 9, "n_validation": 1, "n_test": RECORDS,
    "n_left_out": 1, "left_out": [["r1", "cut"]], "settings": {"rate": 100},
    "tasks": {"t": {"MI": 3, "HYP": 4}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_waits_for_ever() -> Iterator[None]:
    """A pipe or a device that is read would never end."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def fail(*_: object) -> None:
        raise TimeoutError("it did not end")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(0 if "LCD_BENCH_FUZZ_EXAMPLES" in os.environ else 120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def run_folder(tmp_path: Path, run_writer: Any) -> Path:
    """A finished run of three methods on a few records."""
    writer = run_writer(tmp_path)

    def scores(strength: float, seed: int):
        return writer.noisy(strength, seed)[:RECORDS]

    return writer.write(
        {"lcd": [scores(1, 1)], "random": [scores(0.1, 2)], "supervised": [scores(0.5, 3)]},
        targets=writer.TARGETS[:RECORDS],
        patients=writer.PATIENTS[:RECORDS],
        origin={"argv": ["lcd-bench", "run"], "packages": {"torch": "2"}, "git": None},
        snapshots={"lcd": [{0.5: scores(0.5, 4)}]},
        summaries=[DATA],
    )


@pytest.fixture
def one_result(run_folder: Path) -> Path:
    """The result.json of one evaluation of the run."""
    plan = json.loads((run_folder / "plan.json").read_text())
    return run_folder / "evaluate" / plan["evaluate"][0]["key"] / "result.json"
