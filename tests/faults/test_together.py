"""Several runners on one folder, of which some die or sleep."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_two_at_once_compute_each_cell_once(
    bench: Any, tmp_path: Path, undisturbed: Path, require_sound: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    both = [bench.start(out), bench.start(out)]
    assert [started.wait() for started in both] == [0, 0], [started.said for started in both]
    require_sound(out)
    done = [[e["key"] for e in s.events() if e["event"] == "cell_done"] for s in both]
    assert sorted(done[0] + done[1]) == sorted(bench.complete(undisturbed))
    began = [e["key"] for s in both for e in s.events() if e["event"] == "cell_started"]
    assert len(began) == len(set(began))


def test_the_cells_of_one_that_is_killed_are_taken_over(
    bench: Any, tmp_path: Path, require_sound: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    first = bench.start(out)
    first.until_event("epoch")
    second = bench.start(out)
    second.until_event("run_started")
    time.sleep(0.2)
    first.send(signal.SIGKILL)
    assert second.wait() == 0, second.said
    require_sound(out)
    # What the first was at, the second has gone on with.
    (at,) = {e["key"] for e in first.events() if e["event"] == "cell_started"} - {
        e["key"] for e in first.events() if e["event"] == "cell_done"
    }
    assert at in {e["key"] for e in second.events() if e["event"] == "cell_done"}


def test_one_that_slept_drops_what_another_has_computed_meanwhile(
    bench: Any, tmp_path: Path, require_sound: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    sleeper = bench.start(out, LCD_BENCH_TEST_HOST="aaaaaaaa")
    sleeper.until_event("epoch")
    sleeper.send(signal.SIGSTOP)
    (at,) = [e["key"] for e in sleeper.events() if e["event"] == "cell_started"]
    other = bench.start(out, LCD_BENCH_TEST_HOST="bbbbbbbb")
    assert other.wait() == 0, other.said
    assert at in {e["key"] for e in other.events() if e["event"] == "cell_done"}
    files = [*out.glob("pretrain/*/*"), *out.glob("evaluate/*/*")]
    before = {path: path.stat().st_mtime_ns for path in files}
    sleeper.send(signal.SIGCONT)
    assert sleeper.wait() == 0, sleeper.said
    assert "cell_done" not in {e["event"] for e in sleeper.events()}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    require_sound(out)
