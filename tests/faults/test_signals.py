"""SIGINT and SIGTERM stop a run cleanly, whatever it is at; the next one goes on from there."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.interruption import SIGNALS, interruption, interrupts, require_none

SENTENCE = "the same command goes on from there."
# What it waits for, and seconds from there: the moment at which a signal comes.
MOMENTS = {
    "imports": (None, 1.0),
    "planning": ("preparing", 0.1),
    "before the first cell": ("run_started", 0.2),
    "pretraining": ("epoch", 0.05),
    "evaluation": ("cell_done", 0.05),
    "report": ("run_ended", 0.3),
}


def _stopped(started: Any, *numbers: int) -> None:
    """Send signals; the run says one sentence, and leaves neither process nor files behind."""
    for number in numbers:
        started.send(number)
    assert started.wait(30.0) == 130, started.said
    assert "Traceback" not in started.said
    assert "ignored" not in started.said
    assert started.said.count(SENTENCE) == 1
    started.require_alone(0.5)


def _require_clean(bench: Any, out: Path) -> None:
    """Only the state of a pretraining under way may be left of what was not finished."""
    left = [name for name in bench.left_over(out) if not name.endswith("/checkpoint.safetensors")]
    assert left == []
    for path in out.glob("*/*/result.json"):
        assert json.loads(path.read_bytes())["status"] == "complete"


@pytest.mark.parametrize("jobs", [0, 1])
def test_in_every_phase(
    bench: Any, tmp_path: Path, jobs: int, require_sound: Callable[[Path], None]
) -> None:
    out, rng = tmp_path / "out", random.Random(jobs)
    known: set[str] = set()
    for moment, (event, seconds) in MOMENTS.items():
        if (jobs == 1) == (moment in ("imports", "planning", "report")):
            continue  # where it does not matter who computes
        cache = tmp_path / "cache" if moment == "planning" else os.environ["LCD_BENCH_CACHE"]
        started = bench.start(out, jobs=jobs, warm=moment != "imports", LCD_BENCH_CACHE=str(cache))
        if event == "preparing":
            started.until(lambda s=started: "preparing" in s.said)
        elif event is not None:
            started.until_event(event)
        time.sleep(seconds * rng.random() if event else seconds)
        _stopped(started, rng.choice([signal.SIGINT, signal.SIGTERM]))
        if out.exists():
            _require_clean(bench, out)
            assert known <= bench.complete(out), moment
            known = bench.complete(out)
    bench.finish(out)
    require_sound(out)


def test_the_epoch_is_saved_and_gone_on_from(
    bench: Any, tmp_path: Path, require_sound: Callable[[Path], None]
) -> None:
    out, never = tmp_path / "out", ["--set", "engine.checkpoint_s=9999"]
    started = bench.start(out, *never, jobs=1)
    started.until_event("epoch")
    _stopped(started, signal.SIGTERM)
    (checkpoint,) = out.glob("pretrain/*/checkpoint.safetensors")
    assert [e["event"] for e in started.events()][-2:] == ["cell_stopped", "run_ended"]
    bench.finish(out, *never)
    result = json.loads((checkpoint.parent / "result.json").read_bytes())
    assert result["engine"]["resumed_at"] >= 1
    require_sound(out)


def test_a_second_signal_ends_at_once(bench: Any, tmp_path: Path) -> None:
    started = bench.start(tmp_path / "out", jobs=1)
    started.until_event("epoch")
    (worker,) = started.workers()
    os.kill(worker, signal.SIGSTOP)  # it will not come to the end of an epoch
    began = time.monotonic()
    started.send(signal.SIGINT)
    time.sleep(1.0)
    assert started.code is None  # it waits for the cell
    _stopped(started, signal.SIGINT)
    assert time.monotonic() - began < 5.0


def test_a_worker_that_is_killed_costs_one_try(
    bench: Any, tmp_path: Path, require_sound: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    started = bench.start(out, jobs=1)
    # It is written after the event of its epoch.
    started.until(lambda: list(out.glob("pretrain/*/checkpoint.safetensors")))
    (worker,) = started.workers()
    os.kill(worker, signal.SIGKILL)
    assert started.wait() == 0, started.said
    (retry,) = [e for e in started.events() if e["event"] == "cell_retry"]
    assert "signal 9" in retry["message"]
    result = json.loads((out / "pretrain" / retry["key"] / "result.json").read_bytes())
    assert result["engine"]["resumed_at"] >= 1
    require_sound(out)


def test_a_signal_that_somebody_swallows_is_not_lost() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        interrupts()
        require_none()
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        with pytest.raises(KeyboardInterrupt), interruption(raising=False):
            raise AssertionError("it went on")
        interrupts()
        with interruption(raising=False) as wanted:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            assert wanted.wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
