"""Computing in this process: nothing to start, a debugger works, and a crash ends all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lcd_plugin.bench.executors.base import Sink
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.units import Unit
from lcd_plugin.bench.workbench import Workbench
from lcd_plugin.pretrain.memory import keep_freed_memory


class InlineExecutor:
    """One slot, which is this process; a unit is computed while it is waited for.

    Args:
        plan: whose cells.
        root: see `Workbench`.
        device: where to compute.
    """

    name = "inline"
    slots = 1
    interruptible = True

    def __init__(self, plan: Plan, root: Path, device: torch.device) -> None:
        keep_freed_memory()
        self._bench = Workbench(plan, root, device, stop=lambda: False)
        self._unit: Unit | None = None

    def start(self, slot: int, unit: Unit) -> None:
        """See `Executor`."""
        self._unit = unit

    def wait(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        if self._unit is not None:
            unit, self._unit = self._unit, None
            self._bench.compute(unit, lambda message: sink(0, message))

    def stop(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        self._unit = None

    def close(self) -> None:
        """See `Executor`."""

    def facts(self) -> dict[str, Any]:
        """See `Executor`."""
        return {"name": self.name, "jobs": 1}
