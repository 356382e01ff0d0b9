"""What comes to light after a cell was taken over by another runner is not written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.messages import Computed, Message, Over
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.leases import Leases
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plan() -> Plan:
    small = {"methods": ["random"], "limit": 80, "pretrain": {"epochs": 1, "batch_size": 16}}
    suite = load_suite("quick", ["label_fractions=[1.0]", "data.seconds=2.5"], small)
    return make_plan(suite, "fp32", "cpu", lambda *_: None)


class Interrupting(InlineExecutor):
    """Lets something happen when a pretraining has its result, before the runner hears of it."""

    def __init__(self, plan: Plan, out: Path, meanwhile: Callable[[str], None], fail: bool) -> None:
        super().__init__(plan, out, CPU)
        self._meanwhile, self._fail = meanwhile, fail

    def wait(self, seconds: float, sink: Any) -> None:
        def hear(slot: int, message: Message) -> None:
            if isinstance(message, Computed) and message.files.get("encoder.safetensors"):
                self._meanwhile(message.key)
                if self._fail:
                    return
            fault = Fault("raised", "too late") if self._fail else None
            sink(slot, Over(fault) if isinstance(message, Over) and fault else message)
            self._fail = self._fail and not isinstance(message, Over)

        super().wait(seconds, hear)


@pytest.mark.parametrize("fail", [False, True])
def test_a_late_end_changes_nothing(plan: Plan, tmp_path: Path, fail: bool) -> None:
    out = tmp_path / "out"
    written: dict[Path, int] = {}

    def taken_over(key: str) -> None:
        # As another runner does that believes this one dead, computes the cell and ends.
        other = Leases(out, "other", lambda runner: True)
        assert other.take(key)
        computed: list[CellEvent] = []
        aside = tmp_path / "aside"
        Runner(plan, aside, CPU, listen=computed.append).run()
        (out / "pretrain").mkdir(exist_ok=True)
        (aside / "pretrain" / key).replace(out / "pretrain" / key)
        other.release(key)
        written.update((p, p.stat().st_mtime_ns) for p in (out / "pretrain" / key).iterdir())

    events: list[CellEvent] = []
    executor = Interrupting(plan, out, taken_over, fail)
    summary = Runner(plan, out, CPU, executor=executor, listen=events.append).run()
    assert written
    assert {p: p.stat().st_mtime_ns for p in written} == written
    assert (summary.counts["elsewhere"], summary.counts["done"]) == (1, 1)
    assert summary.complete
    assert not (out / "leases").exists()
