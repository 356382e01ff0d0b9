"""What a runner does with cells, with an executor that says what a test wants."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lcd_plugin.bench import claims as claims_module
from lcd_plugin.bench.events import CellEvent, RunSummary
from lcd_plugin.bench.executors.base import Sink
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.messages import Over, Started
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.leases import Leases
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.bench.units import Unit

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plan() -> Plan:
    flags = {
        "methods": ["random"],
        "label_fractions": [0.2, 0.5, 1.0],
        "limit": 120,
        "precision": "fp32",
        "data": {"seconds": 2.5},
    }
    return make_plan(load_suite("quick", [], flags), "fp32", "cpu", lambda *_: None)


class Faulty(InlineExecutor):
    """Computes as usual, but for units that a test wants to fail in some way.

    Args:
        fault: asked with each unit; what becomes of it, after so many of its cells were computed.
    """

    def __init__(self, plan: Plan, out: Path, fault: Callable[[Unit], tuple[int, Fault] | None]):
        super().__init__(plan, out, CPU)
        self._fault = fault
        self.units: list[Unit] = []

    def start(self, slot: int, unit: Unit) -> None:
        self.units.append(unit)
        super().start(slot, unit)

    def wait(self, seconds: float, sink: Sink) -> None:
        unit = self._unit
        planned = self._fault(unit) if unit is not None else None
        if unit is None or planned is None:
            super().wait(seconds, sink)
            return
        done, fault = planned
        if done:
            self._unit = Unit(unit.cells[:done])
            super().wait(seconds, lambda slot, m: None if isinstance(m, Over) else sink(slot, m))
        self._unit = None
        sink(0, Started(unit.cells[done].key))
        sink(0, Over(fault))


def run(
    plan: Plan, out: Path, fault: Callable[[Unit], Any] = lambda unit: None, **how: Any
) -> tuple[RunSummary, list[CellEvent], Faulty]:
    events: list[CellEvent] = []
    executor = Faulty(plan, out, fault)
    runner = Runner(plan, out, CPU, executor=executor, listen=events.append, **how)
    return runner.run(), events, executor


def fractions(unit: Unit) -> list[float]:
    return [getattr(cell, "label_fraction", 0.0) for cell in unit.cells]


class TestAGroup:
    def test_a_crash_behind_the_first_cell_is_that_cells_own(self, plan: Plan, tmp_path: Path):
        def crash(unit: Unit) -> Any:
            at = fractions(unit).index(0.5) if 0.5 in fractions(unit) else None
            return None if at is None else (at, Fault("crashed", "planted"))

        outcome, _, executor = run(plan, tmp_path, crash)
        assert [fractions(u) for u in executor.units] == [[0.0], [0.2, 0.5, 1.0], [1.0]]
        assert (outcome.counts["done"], outcome.counts["failed"]) == (3, 1)

    def test_a_crash_at_the_first_cell_may_be_anyones(self, plan: Plan, tmp_path: Path):
        def crash(unit: Unit) -> Any:
            return (0, Fault("crashed", "planted")) if 0.5 in fractions(unit) else None

        outcome, events, executor = run(plan, tmp_path, crash)
        units = [fractions(u) for u in executor.units]
        assert units == [[0.0], [0.2, 0.5, 1.0], [0.2], [0.5], [1.0]]
        assert (outcome.counts["done"], outcome.counts["failed"]) == (3, 1)
        assert [e.message for e in events if e.status == "retry"] == [
            "planted; computing its group one by one"
        ]

    def test_what_holds_for_all_of_a_group_is_not_tried_cell_by_cell(
        self, plan: Plan, tmp_path: Path
    ):
        def fail(unit: Unit) -> Any:
            return (0, Fault("time", "planted", whole=True)) if len(unit.cells) > 1 else None

        outcome, _, executor = run(plan, tmp_path, fail)
        assert len(executor.units) == 2
        assert outcome.counts["failed"] == 3

    def test_a_cell_that_is_killed_again_and_again_has_its_three_tries_and_no_more(
        self, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("lcd_plugin.bench.faults.PAUSES", (0.0, 0.0))

        def kill(unit: Unit) -> Any:
            return (0, Fault("killed", "planted")) if 0.5 in fractions(unit) else None

        outcome, _, executor = run(plan, tmp_path, kill)
        tried = [u for u in executor.units if 0.5 in fractions(u)]
        assert [len(u.cells) for u in tried] == [3, 3, 3, 1]
        assert (outcome.counts["done"], outcome.counts["failed"]) == (3, 1)
        again, _, _ = run(plan, tmp_path)  # by itself, since it was killed from outside
        assert (again.counts["done"], again.counts["cached"]) == (1, 3)


class TestWhatWasThereBefore:
    def test_an_encoder_that_changed_but_kept_its_size_is_computed_again(
        self, plan: Plan, tmp_path: Path
    ):
        run(plan, tmp_path)
        encoder = next(tmp_path.glob("pretrain/*/encoder.safetensors"))
        sound = encoder.read_bytes()
        encoder.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        shutil.rmtree(next(tmp_path.glob("evaluate/*")))
        outcome, _, _ = run(plan, tmp_path)
        assert outcome.complete
        assert (outcome.counts["done"], outcome.counts["cached"]) == (2, 2)
        assert encoder.read_bytes() == sound

    def test_an_old_failure_does_not_end_a_run_that_ends_with_the_first(
        self, plan: Plan, tmp_path: Path
    ):
        def fail(unit: Unit) -> Any:
            return (0, Fault("raised", "planted")) if 0.2 in fractions(unit) else None

        run(plan, tmp_path, fail)
        for result in tmp_path.glob("evaluate/*/result.json"):
            if json.loads(result.read_text())["status"] == "complete":
                result.unlink()
        outcome, _, _ = run(plan, tmp_path, fail_fast=True)
        assert (outcome.counts["done"], outcome.counts["failed"]) == (2, 1)

    def test_what_a_run_that_ended_early_did_not_come_to_is_counted(
        self, plan: Plan, tmp_path: Path
    ):
        def fail(unit: Unit) -> Any:
            return (0, Fault("raised", "planted")) if unit.cells[0].key in scored else None

        scored = {cell.key for cell in plan.evaluate}
        outcome, _, _ = run(plan, tmp_path, fail, fail_fast=True)
        assert outcome.counts["failed"] == 1
        assert outcome.not_tried == 2


class TestClaims:
    def test_a_claim_that_cannot_be_read_for_a_moment_is_still_held(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        leases = Leases(tmp_path, "me", lambda name: False)
        assert leases.take("0" * 16)
        with monkeypatch.context() as patch:
            patch.setattr("lcd_plugin.bench.leases.read_limited", _unreadable)
            assert leases.holds("0" * 16)
            leases.release("0" * 16)  # cannot know whose it is, and leaves it
        assert leases.take("0" * 16)  # nobody else's all the same
        assert leases.holds("0" * 16)
        leases.release_all()
        assert not list(tmp_path.rglob("*.*"))

    def test_what_another_runner_is_at_is_told_and_waited_for(
        self, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(claims_module, "ELSEWHERE_S", 0.0)
        other = Leases(tmp_path, f"elsewhere.00000000.{os.getpid()}.1.0", lambda name: False)
        assert other.take(plan.pretrain[0].key)
        waited: list[CellEvent] = []

        def listen(event: CellEvent) -> None:
            if event.status == "waiting":
                waited.append(event)
                other.release_all()

        outcome = Runner(plan, tmp_path, CPU, listen=listen).run()
        assert [event.cell.key for event in waited] == [plan.pretrain[0].key]
        assert outcome.counts["done"] == 4


def _unreadable(path: Path, most: int) -> bytes:
    raise OSError(5, "Input/output error")
