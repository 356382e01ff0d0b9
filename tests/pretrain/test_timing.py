"""Wall-time by phase."""

from __future__ import annotations

import time

import pytest

from lcd_plugin.timing import Phases


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows what the test puts in its only element."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_a_phase_entered_again_adds_up(clock: list[float]) -> None:
    phases = Phases()
    for name, seconds in (("steps", 2.0), ("load", 0.5), ("steps", 3.0)):
        with phases.phase(name):
            clock[0] += seconds
        clock[0] += 10  # between phases: nobody's time
    assert phases.seconds == {"steps": 5.0, "load": 0.5}
    assert phases.total == 5.5


def test_a_phase_that_fails_counts(clock: list[float]) -> None:
    phases = Phases()
    with pytest.raises(KeyError), phases.phase("steps"):  # noqa: PT012
        clock[0] += 4
        raise KeyError
    assert phases.seconds == {"steps": 4.0}


def test_queued_work_counts_where_it_was_asked_for(clock: list[float]) -> None:
    queue: list[float] = []

    def synchronise() -> None:
        while queue:
            clock[0] += queue.pop()

    phases = Phases(synchronise)
    queue.append(7.0)  # asked for before the phase
    with phases.phase("steps"):
        queue.append(2.0)
    with phases.phase("monitor"):
        pass
    assert phases.seconds == {"steps": 2.0, "monitor": 0.0}


def test_no_phases_took_no_time() -> None:
    assert Phases().total == 0
