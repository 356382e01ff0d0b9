"""Running a plan: what is complete stays, what fails is recorded, nothing else is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lcd_plugin.bench.events import Cell, CellEvent, Listen, RunSummary, Status, tell_all
from lcd_plugin.bench.executors.base import Executor
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.messages import Advanced, Computed, Message, Over, Said, Started
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.headline import headline
from lcd_plugin.bench.interruption import Interruption, interruption
from lcd_plugin.bench.leases import Leases
from lcd_plugin.bench.listing import known_result
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
from lcd_plugin.bench.runners import Presence, RunningCell, Watch, new_name
from lcd_plugin.bench.schedule import Schedule
from lcd_plugin.bench.units import Unit, units_of
from lcd_plugin.pretrain.job import EpochDone
from lcd_plugin.timing import now

# Seconds between looks at signals, and at what other runners have done.
POLL_S, ELSEWHERE_S = 0.5, 1.0
# Seconds that an interrupted cell has to come to the end of an epoch and save it.
GRACE_S = 10.0


@dataclass
class _UnderWay:
    """A unit in a slot.

    Attributes:
        left: its cells without a result, by key.
        cell: the one that is computed now.
        since: when that began.
        epoch: how far it is, where it is a pretraining.
    """

    unit: Unit
    left: dict[str, Cell]
    cell: Cell
    since: str = field(default_factory=now)
    epoch: EpochDone | None = None


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
        self._watch = Watch(self._out)
        self._leases = Leases(self._out, self.name, self._watch.is_dead)
        self._outcome = RunSummary()
        self._total = len(plan.pretrain) + len(plan.evaluate)
        self._schedule = Schedule((), ())
        self._under_way: dict[int, _UnderWay] = {}
        # What other runners are computing; and how often a unit was tried, by its first key.
        self._elsewhere: dict[str, Cell] = {}
        self._looked_elsewhere = 0.0
        self._tries: dict[str, int] = {}
        # Seals of failures of before, which are not another runner's of now.
        self._old_failures: dict[str, str | None] = {}

    def run(self) -> RunSummary:
        """Compute what is not complete.

        Raises:
            ConfigError: the folder of the results cannot be written.
            KeyboardInterrupt: the run was interrupted, and has saved what there was.
        """
        self._recorder.plan(self._plan)
        self._outcome.failures += list(self._plan.unavailable.items())
        self._look_around()
        if self._schedule.empty:
            self._clear_up()
            return self._outcome
        with (
            interruption(self._executor.interruptible) as wanted,
            self._recorder.writable(),
            Presence(self._out, self.name, self._standing) as presence,
            self._logged(lambda event: presence.tell()),
        ):
            self._work(wanted)
        return self._outcome

    def _clear_up(self) -> None:
        """Remove what runners have left that were killed; the next one can do so as well."""
        with suppress(OSError):
            self._watch.clear_up()
            self._leases.clear_up()

    @contextmanager
    def _logged(self, tell: Listen) -> Iterator[None]:
        """Write down what happens meanwhile; and leave nothing behind that is not to stay."""
        events, told = EventLog(self._out, self.name), self._listen
        self._listen = tell_all((events.listen, CellLog(self._out).listen, tell, told))
        events.run_started(total=self._total, **self._executor.facts())
        self._clear_up()
        try:
            yield
        finally:
            self._executor.close()
            self._leases.release_all()
            # Of runners that were killed meanwhile.
            self._clear_up()
            events.run_ended(counts=dict(self._outcome.counts))
            events.close()
            self._listen = told

    def _look_around(self) -> None:
        """What is there already, and what is to be done."""
        todo = {cell.key for cell in self._plan.evaluate if not self._known(cell)}
        needed = {cell.pretrain_key for cell in self._plan.evaluate if cell.key in todo}
        there, gone = set(), set()
        for cell in self._plan.pretrain:
            failed_before = self._outcome.counts["failed"]
            # An encoder that is going to be used is read whole, which a glance does not do.
            damaged = cell.key in needed and not self._is_trained(cell.key, or_failed=True)
            if damaged or not self._known(cell):
                todo.add(cell.key)
            elif self._outcome.counts["failed"] > failed_before:
                gone.add(cell.key)
            else:
                there.add(cell.key)
        units = []
        for unit in units_of(self._plan):
            cells = [cell for cell in unit.cells if cell.key in todo]
            if unit.needs in gone:
                self._block(cells)
            elif cells:
                units.append(Unit(tuple(cells)))
        self._schedule = Schedule(units, there)

    def _known(self, cell: Cell) -> bool:
        """Whether a cell needs no computing, since it has a result."""
        look = self._look(cell)
        if look is None:
            return False
        if look.status == "complete":
            if isinstance(cell, PretrainCell):
                # Left by a run that was killed between the two.
                remove_checkpoint(self._out, cell)
            self._end(cell, "cached", headline(look))
            return True
        self._old_failures[cell.key] = look.seal
        if self._retry_failed or look.transient:
            return False
        self._fail(cell, f"{look.error} (failed before; --retry-failed tries again)")
        return True

    def _look(self, cell: Cell) -> CellResult | None:
        return known_result(self._out, cell)

    def _work(self, wanted: Interruption) -> None:
        while not wanted.wanted and not self._enough():
            for slot in set(range(self._executor.slots)) - self._under_way.keys():
                self._fill(slot)
            if self._under_way:
                self._executor.wait(POLL_S, self._hear)
            elif self._elsewhere or not self._schedule.empty:
                time.sleep(POLL_S)
            else:
                return
            self._look_elsewhere()
        # What comes now is not worth a signal's raising in the middle of it; a second one is.
        wanted.raising = False
        self._executor.stop(GRACE_S, self._hear)
        if wanted.wanted:
            raise KeyboardInterrupt

    def _enough(self) -> bool:
        return self._fail_fast and self._outcome.counts["failed"] > 0

    def _fill(self, slot: int) -> None:
        """Start the next unit that nobody else is at."""
        while (unit := self._schedule.next(slot)) is not None:
            cells = [cell for cell in unit.cells if self._claim(cell)]
            if cells and unit.needs is not None and not self._is_trained(unit.needs):
                self._recorder.require_folder()
                self._block(cells)
                continue
            if cells:
                unit = Unit(tuple(cells))
                self._under_way[slot] = _UnderWay(unit, {c.key: c for c in cells}, cells[0])
                self._executor.start(slot, unit)
                return

    def _claim(self, cell: Cell) -> bool:
        """Whether a cell is ours to compute."""
        if not self._leases.take(cell.key):
            self._elsewhere[cell.key] = cell
            return False
        # Another runner may have computed it since we looked.
        if self._ended_elsewhere(cell):
            self._leases.release(cell.key)
            return False
        remove_half_written(cell_folder(self._out, cell))
        return True

    def _ended_elsewhere(self, cell: Cell) -> bool:
        look = self._look(cell)
        if look is None:
            return False
        if look.status == "failed" and look.seal == self._old_failures.get(cell.key):
            return False  # that is why we are here
        if look.status == "complete":
            # Ours, if we were at it too.
            remove_checkpoint(self._out, cell)
            self._end(cell, "elsewhere", headline(look))
            self._schedule.trained(cell.key)
        else:
            self._fail(cell, f"{look.error} (by another runner)")
        return True

    def _look_elsewhere(self) -> None:
        """What has become of the cells that other runners are at."""
        if not self._elsewhere or time.monotonic() - self._looked_elsewhere < ELSEWHERE_S:
            return
        for cell in list(self._elsewhere.values()):
            if self._ended_elsewhere(cell):
                del self._elsewhere[cell.key]
            elif self._leases.take(cell.key):
                # It was given back without a result, or its runner is dead: ours now.
                self._leases.release(cell.key)
                del self._elsewhere[cell.key]
                self._schedule.first(Unit((cell,)))
        self._looked_elsewhere = time.monotonic()

    def _hear(self, slot: int, message: Message) -> None:
        now_at = self._under_way[slot]
        if isinstance(message, Over):
            del self._under_way[slot]
            self._close(now_at, message.fault)
            return
        cell = next(c for c in now_at.unit.cells if c.key == message.key)
        if isinstance(message, Started):
            now_at.cell, now_at.since, now_at.epoch = cell, now(), None
            self._tell(cell, "started", worker=slot)
        elif isinstance(message, Advanced):
            now_at.epoch = message.epoch
            self._tell(cell, "progress", epoch=message.epoch, worker=slot)
        elif isinstance(message, Said):
            self._tell(cell, "logged", message.text, worker=slot)
        elif isinstance(message, Computed):
            del now_at.left[cell.key]
            self._done(cell, message, now_at.since, slot)

    def _done(self, cell: Cell, computed: Computed, since: str, slot: int) -> None:
        if not self._still_ours(cell):
            return
        result = self._recorder.done(cell, computed, since)
        self._leases.release(cell.key)
        self._schedule.trained(cell.key)
        self._end(cell, "done", headline(result), result=result, worker=slot)

    def _still_ours(self, cell: Cell) -> bool:
        """Whether what has become of a cell is for us to write.

        Raises:
            ConfigError: the folder of the results is gone.
        """
        if self._leases.holds(cell.key):
            return True
        self._recorder.require_folder()
        # We were silent for so long that another runner took the cell over.
        self._leases.release(cell.key)
        self._elsewhere[cell.key] = cell
        return False

    def _close(self, ended: _UnderWay, fault: Fault | None) -> None:
        """Settle the cells of a unit that have no result."""
        left = [cell for cell in ended.left.values() if self._still_ours(cell)]
        if not left:
            return
        fault = fault or Fault("crashed", "its worker forgot it")
        if not self._settled(ended, left, fault):
            for cell in left:
                result = self._recorder.failed(cell, fault, ended.since)
                self._leases.release(cell.key)
                self._fail(cell, fault.reason, result=result)

    def _settled(self, ended: _UnderWay, left: list[Cell], fault: Fault) -> bool:
        """Give cells back that did not fail by themselves, or are tried again."""
        self._tries[left[0].key] = tries = self._tries.get(left[0].key, 0) + 1
        if fault.kind == "stopped":
            self._tell(ended.cell, "stopped")
        elif (pause := fault.pause(tries)) is not None:
            self._tell(ended.cell, "retry", f"{fault.reason}; trying again in {pause:g} s")
            self._schedule.later(Unit(tuple(left)), pause)
        elif len(left) > 1 and not fault.whole:
            # Computing cells together failed: find out which of them it was.
            for cell in reversed(left):
                self._schedule.first(Unit((cell,)))
        else:
            return False
        for cell in left:
            self._leases.release(cell.key)
        return True

    def _is_trained(self, key: str, or_failed: bool = False) -> bool:
        result = read_result(self._out / "pretrain" / key, PretrainResult)
        return result is not None and (or_failed or result.status == "complete")

    def _fail(self, cell: Cell, reason: str, **more: Any) -> None:
        self._outcome.failures.append((cell.title, reason))
        self._end(cell, "failed", reason, **more)
        if isinstance(cell, PretrainCell):
            for unit in self._schedule.give_up(cell.key):
                self._block(unit.cells)

    def _block(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            self._leases.release(cell.key)
            self._end(cell, "blocked", "its pretraining failed")

    def _end(self, cell: Cell, status: Status, message: str, **more: Any) -> None:
        self._outcome.counts[status] += 1
        self._tell(cell, status, message, **more)

    def _tell(self, cell: Cell, status: Any, message: str = "", **more: Any) -> None:
        self._listen(CellEvent(cell, status, message, **more))

    def _standing(self) -> dict[str, Any]:
        """What others can read of this run, see `RunnerRecord`."""
        running = tuple(
            RunningCell(
                key=at.cell.key,
                title=at.cell.title,
                kind="pretrain" if at.unit.pretraining else "evaluate",
                worker=slot,
                since=at.since,
                **(at.epoch._asdict() if at.epoch else {}),
            )
            for slot, at in sorted(self._under_way.copy().items())
        )
        return {
            "executor": self._executor.name,
            "jobs": self._executor.slots,
            "total": self._total,
            "counts": dict(self._outcome.counts),
            "running": running,
        }
