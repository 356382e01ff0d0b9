"""A run that is killed again and again comes to what an undisturbed one comes to."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# By hand: LCD_BENCH_KILLS=50.
KILLS = int(os.environ.get("LCD_BENCH_KILLS", "8"))


# What a runner is at, and how often it is killed there; planning and reports take longer than the
# rest of so small a run.
PHASES = {
    "imports, planning": 1,
    "before the first cell": 1,
    "pretrain under way": 3,
    "evaluate under way": 3,
    "between cells": 1,
    "report": 1,
}


def _phase(started: Any) -> str:
    """What a runner is at, by the last that it wrote down."""
    events = started.events()
    if not events:
        return "imports, planning"
    last = events[-1]
    if last["event"] in ("cell_started", "epoch", "cell_logged"):
        return f"{last['kind']} under way"
    return {"run_started": "before the first cell", "run_ended": "report"}.get(
        last["event"], "between cells"
    )


def test_killed_at_random_moments(
    bench: Any,
    tmp_path: Path,
    require_sound: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = random.Random(os.environ.get("LCD_BENCH_SEED", "8"))
    phases: Counter[str] = Counter()
    began, out, rounds, computed = time.monotonic(), tmp_path / "out-0", 0, set()
    while sum(phases.values()) < KILLS:
        # Workers take seconds to start: most of the kills go to runs that have none.
        jobs = rng.choice([0, 0, 1] if KILLS < 20 else [0, 0, 1, 2])
        started = bench.start(out, jobs=jobs, warm=rng.random() > 0.1)
        (wanted,) = rng.choices(list(PHASES), list(PHASES.values()))
        # Where there is no such phase any more it comes to its end.
        started.until(lambda s=started, w=wanted: _phase(s) == w)
        slow = wanted in ("imports, planning", "report")
        time.sleep(rng.random() * (2.0 if slow else 0.4))
        over = started.code is not None
        started.send(signal.SIGKILL)
        started.wait()
        started.require_alone()
        again = {e["key"] for e in started.events() if e["event"] == "cell_started"}
        assert not again & computed, "computed twice without reason"
        computed = bench.complete(out)
        if over:
            assert started.code == 0, started.said
            require_sound(out)
            rounds, computed = rounds + 1, set()
            out = tmp_path / f"out-{rounds}"
        else:
            phases[_phase(started)] += 1
    bench.finish(out)
    require_sound(out)
    with capsys.disabled():
        took = f"{sum(phases.values())} kills in {time.monotonic() - began:.0f} s"
        sys.stdout.write(f"\n{took}, {rounds} runs ended before: {dict(phases)}\n")


def test_workers_end_with_their_runner(bench: Any, tmp_path: Path) -> None:
    started = bench.start(tmp_path / "out", jobs=2)
    started.until_event("epoch")
    assert len(started.workers()) == 2
    started.send(signal.SIGKILL)
    started.wait()
    started.require_alone()
