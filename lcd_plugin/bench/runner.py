"""Running a plan: what is complete stays, what fails is recorded, nothing else is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lcd_plugin.bench.claims import Claims
from lcd_plugin.bench.events import Cell, CellEvent, Listen, RunSummary, Status, tell_all
from lcd_plugin.bench.executors.base import Executor
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.messages import Advanced, Computed, Message, Over, Said, Started
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.headline import headline
from lcd_plugin.bench.interruption import Interruption, interruption
from lcd_plugin.bench.observe import CellLog, EventLog
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import PretrainCell
from lcd_plugin.bench.provenance import provenance
from lcd_plugin.bench.recorder import (
    Recorder,
    cell_folder,
    remove_checkpoint,
    remove_half_written,
)
from lcd_plugin.bench.results import CellResult, PretrainResult, read_result
from lcd_plugin.bench.runners import Presence, new_name
from lcd_plugin.bench.schedule import Schedule
from lcd_plugin.bench.under_way import UnderWay
from lcd_plugin.bench.units import Unit, units_of

# Seconds between looks at signals; and between words of what other runners are at.
POLL_S, REMIND_S = 0.5, 60.0
# Seconds that an interrupted cell has to come to the end of an epoch and save it.
GRACE_S = 10.0
FAILED = "its pretraining failed"
DAMAGED = "its encoder is gone or was changed; the same command computes it again"


class Runner:
    """Has the cells of a plan computed, and writes what becomes of them.

    Several runners may be at work on one folder, from whichever machine.

    Args:
        plan: what to compute.
        out: folder of the results.
        device: where to compute.
        executor: who computes; None is this process, one cell after another.
        retry_failed: whether cells that failed before are tried again.
        fail_fast: whether the first failure ends the run.
        listen: called with every `CellEvent`.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        device: torch.device,
        *,
        executor: Executor | None = None,
        retry_failed: bool = False,
        fail_fast: bool = False,
        listen: Listen = lambda event: None,
    ) -> None:
        self._plan, self._out = plan, out.absolute()
        self._executor: Executor = executor or InlineExecutor(plan, self._out, device)
        self._retry_failed, self._fail_fast, self._listen = retry_failed, fail_fast, listen
        self.name = new_name()
        how = {"executor": self._executor.facts()}
        origin = provenance(device, torch.get_num_threads()) | how
        self._recorder = Recorder(self._out, origin)
        self._claims = Claims(self._out, self.name)
        self._outcome = RunSummary(total=len(plan.pretrain) + len(plan.evaluate))
        self._schedule = Schedule((), ())
        self._under_way: dict[int, UnderWay] = {}
        self._wanted = Interruption(raising=False)
        # How often a cell was tried; failures of this run; when it was said who is at what.
        self._tries: dict[str, int] = {}
        self._newly_failed = 0
        self._reminded = 0.0

    def run(self) -> RunSummary:
        """Compute what is not complete.

        Raises:
            ConfigError: the folder of the results cannot be written.
            KeyboardInterrupt: the run was interrupted, and has saved what there was.
        """
        self._recorder.plan(self._plan)
        self._outcome.failures += list(self._plan.unavailable.items())
        self._look_around()
        try:
            if self._schedule.empty:
                self._claims.clear_up()
                return self._outcome
            with (
                interruption(self._executor.interruptible) as self._wanted,
                self._recorder.writable(),
                Presence(self._out, self.name, self._standing) as presence,
                self._logged(lambda event: presence.tell()),
            ):
                self._work()
        finally:
            self._executor.close()
        return self._outcome

    @contextmanager
    def _logged(self, tell: Listen) -> Iterator[None]:
        """Write down what happens meanwhile; and leave nothing behind that is not to stay."""
        events, told = EventLog(self._out, self.name), self._listen
        self._listen = tell_all((events.listen, CellLog(self._out).listen, tell, told))
        events.run_started(total=self._outcome.total, **self._executor.facts())
        self._claims.clear_up()
        try:
            yield
        finally:
            self._executor.close()
            self._claims.close()
            # Of runners that were killed meanwhile.
            self._claims.clear_up()
            events.run_ended(counts=dict(self._outcome.counts))
            events.close()
            self._listen = told

    def _look_around(self) -> None:
        """What is there already, and what is to be done."""
        todo = {cell.key for cell in self._plan.evaluate if self._known(cell) is None}
        needed = {cell.pretrain_key for cell in self._plan.evaluate if cell.key in todo}
        there: set[str] = set()
        gone: set[str] = set()
        for cell in self._plan.pretrain:
            # An encoder that is going to be used is read whole, which a glance does not do.
            if cell.key in needed and self._trained(cell.key) is None:
                self._claims.pass_over(cell)
                todo.add(cell.key)
            elif (known := self._known(cell)) is None:
                todo.add(cell.key)
            else:
                (there if known.status == "complete" else gone).add(cell.key)
        units = []
        for unit in units_of(self._plan):
            cells = [cell for cell in unit.cells if cell.key in todo]
            if unit.needs in gone:
                self._block(cells, FAILED)
            elif cells:
                units.append(Unit(tuple(cells)))
        self._schedule = Schedule(units, there)

    def _known(self, cell: Cell) -> CellResult | None:
        """The result of a cell that needs no computing, since it has one."""
        found = self._claims.result(cell)
        if found is None:
            return None
        if found.status == "complete":
            if isinstance(cell, PretrainCell):
                # Left by a run that was killed between the two.
                remove_checkpoint(self._out, cell)
            self._end(cell, "cached", headline(found))
            return found
        if self._retry_failed or found.transient:
            self._claims.pass_over(cell)
            return None
        self._fail(cell, f"{found.error} (failed before; --retry-failed tries again)")
        return found

    def _work(self) -> None:
        while not self._wanted.wanted and not (self._fail_fast and self._newly_failed):
            for slot in set(range(self._executor.slots)) - self._under_way.keys():
                self._fill(slot)
            if self._under_way:
                self._executor.wait(POLL_S, self._hear)
            elif self._claims.elsewhere or not self._schedule.empty:
                time.sleep(POLL_S)
            else:
                return
            self._look_elsewhere()
        # What comes now is not worth a signal's raising in the middle of it; a second one is.
        self._wanted.raising = False
        self._executor.stop(GRACE_S, self._hear)
        if self._wanted.wanted:
            raise KeyboardInterrupt

    def _fill(self, slot: int) -> None:
        """Start the next unit that nobody else is at."""
        while (unit := self._schedule.next(slot)) is not None:
            cells = [cell for cell in unit.cells if self._claim(cell)]
            if cells and unit.needs is not None and not self._is_trained(unit.needs):
                self._recorder.require_folder()
                self._block(cells, DAMAGED)
                continue
            if cells:
                unit = Unit(tuple(cells))
                self._under_way[slot] = UnderWay(unit)
                self._executor.start(slot, unit)
                return

    def _claim(self, cell: Cell) -> bool:
        """Whether a cell is ours to compute."""
        taken = self._claims.take(cell)
        if taken == "ours":
            remove_half_written(cell_folder(self._out, cell))
            return True
        if taken == "elsewhere":
            self._tell(cell, "waiting")
        else:
            self._ended_elsewhere(cell, taken)
        return False

    def _ended_elsewhere(self, cell: Cell, result: CellResult) -> None:
        if result.status == "complete":
            if isinstance(cell, PretrainCell):
                remove_checkpoint(self._out, cell)  # ours, if we were at it too
            self._end(cell, "elsewhere", headline(result))
            self._schedule.trained(cell.key)
        else:
            self._newly_failed += 1
            self._fail(cell, f"{result.error} (by another runner)")

    def _look_elsewhere(self) -> None:
        """What has become of the cells that other runners are at."""
        for cell, result in self._claims.news():
            if result is not None:
                self._ended_elsewhere(cell, result)
            else:
                self._schedule.first(Unit((cell,)))
        if self._claims.elsewhere and time.monotonic() - self._reminded > REMIND_S:
            self._reminded = time.monotonic()
            for cell in self._claims.elsewhere:
                self._tell(cell, "waiting")

    def _hear(self, slot: int, message: Message) -> None:
        at = self._under_way[slot]
        if isinstance(message, Over):
            del self._under_way[slot]
            self._close(at, message.fault)
            return
        cell = at.cell_of(message.key)
        if isinstance(message, Started):
            at.begin(cell)
            self._tell(cell, "started", worker=slot)
        elif isinstance(message, Advanced):
            at.epoch = message.epoch
            self._tell(cell, "progress", epoch=message.epoch, worker=slot)
        elif isinstance(message, Said):
            self._tell(cell, "logged", message.text, worker=slot)
        elif isinstance(message, Computed):
            del at.left[cell.key]
            with self._wanted.held():
                self._done(cell, message, at.since, slot)

    def _done(self, cell: Cell, computed: Computed, since: str, slot: int) -> None:
        if not self._still_ours(cell):
            return
        result = self._recorder.done(cell, computed, since)
        self._claims.release(cell)
        self._schedule.trained(cell.key)
        self._end(cell, "done", headline(result), result=result, worker=slot)

    def _still_ours(self, cell: Cell) -> bool:
        """Whether what has become of a cell is for us to write.

        Raises:
            ConfigError: the folder of the results is gone.
        """
        if self._claims.still(cell):
            return True
        self._recorder.require_folder()
        return False

    def _close(self, ended: UnderWay, fault: Fault | None) -> None:
        """Settle the cells of a unit that have no result."""
        left = [cell for cell in ended.left.values() if self._still_ours(cell)]
        if not left:
            return
        fault = fault or Fault("crashed", "its worker forgot it")
        guilty = self._guilty(ended, left, fault)
        for cell in guilty:
            result = self._recorder.failed(cell, fault, ended.since)
            self._newly_failed += 1
            self._fail(cell, fault.reason, result=result)
        for cell in left:
            self._claims.release(cell)

    def _guilty(self, ended: UnderWay, left: list[Cell], fault: Fault) -> list[Cell]:
        """Cells that have failed by a fault; what it leaves of the others is tried again."""
        if fault.kind == "stopped" or (fault.kind == "killed" and self._wanted.wanted):
            self._tell(ended.cell, "stopped")
            return []
        tries = self._count_try(left) if fault.passing else 1
        if (pause := fault.pause(tries)) is not None:
            self._tell(ended.cell, "retry", f"{fault.reason}; trying again in {pause:g} s")
            self._schedule.later(Unit(tuple(left)), pause)
            return []
        if len(left) == 1 or fault.whole:
            return left
        if ended.cell is not ended.unit.cells[0] and fault.own:
            # What is solved for all cells together comes with the first of them.
            others = [cell for cell in left if cell is not ended.cell]
            self._schedule.first(Unit(tuple(others)))
            return [ended.cell]
        self._tell(ended.cell, "retry", f"{fault.reason}; computing its group one by one")
        for cell in reversed(left):
            self._schedule.first(Unit((cell,)))
        return []

    def _count_try(self, cells: Iterable[Cell]) -> int:
        """How often these were tried, as the one that was tried most often."""
        for cell in cells:
            self._tries[cell.key] = self._tries.get(cell.key, 0) + 1
        return max(self._tries[cell.key] for cell in cells)

    def _trained(self, key: str) -> PretrainResult | None:
        """The result of a pretraining, if all of its files are whole."""
        return read_result(self._out / "pretrain" / key, PretrainResult)

    def _is_trained(self, key: str) -> bool:
        result = self._trained(key)
        return result is not None and result.status == "complete"

    def _fail(self, cell: Cell, reason: str, **more: Any) -> None:
        self._outcome.failures.append((cell.title, reason))
        self._end(cell, "failed", reason, **more)
        if isinstance(cell, PretrainCell):
            for unit in self._schedule.give_up(cell.key):
                self._block(unit.cells, FAILED)

    def _block(self, cells: Iterable[Cell], reason: str) -> None:
        for cell in cells:
            self._claims.release(cell)
            self._end(cell, "blocked", reason)

    def _end(self, cell: Cell, status: Status, message: str, **more: Any) -> None:
        self._outcome.counts[status] += 1
        self._tell(cell, status, message, **more)

    def _tell(self, cell: Cell, status: Any, message: str = "", **more: Any) -> None:
        self._listen(CellEvent(cell, status, message, **more))

    def _standing(self) -> dict[str, Any]:
        """What others can read of this run, see `RunnerRecord`."""
        under_way = sorted(self._under_way.copy().items())
        return {
            "executor": self._executor.name,
            "jobs": self._executor.slots,
            "total": self._outcome.total,
            "counts": dict(self._outcome.counts),
            "running": tuple(at.record(slot) for slot, at in under_way),
        }
