"""How far a run is, from what lies in its folder; looked at again, only what is new is read."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lcd_plugin.bench.observe.expected import TimeLeft, time_left
from lcd_plugin.bench.observe.follow import Ended, EventFollower
from lcd_plugin.bench.results import CellResult, EvaluateResult, PretrainResult, quick_look
from lcd_plugin.bench.runners import RunnerRecord, Watch, alive, read_runners, stopped
from lcd_plugin.bench.saved_plan import PLAN, SavedCell, SavedPlan, read_plan
from lcd_plugin.errors import DataError

KINDS: dict[str, type[CellResult]] = {"pretrain": PretrainResult, "evaluate": EvaluateResult}
How = Literal["complete", "failed", "running", "blocked", "left"]
Presence = Literal["at work", "stopped", "elsewhere", "dead"]


@dataclass(frozen=True)
class Failure:
    """A cell that failed; if `transient`, the next run tries it again by itself."""

    key: str
    title: str
    reason: str
    transient: bool


@dataclass(frozen=True)
class Counts:
    """How many cells are how.

    Attributes:
        blocked: those without a result whose pretraining failed.
        left: those that can be computed, and that nobody computes yet.
    """

    total: int
    complete: int = 0
    failed: int = 0
    running: int = 0
    blocked: int = 0
    left: int = 0


@dataclass(frozen=True)
class SeenRunner:
    """A runner; of one that is `elsewhere`, on another host, a single look tells no more.

    One that is `stopped` keeps its cells, and does nothing before it goes on.
    """

    record: RunnerRecord
    presence: Presence


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        kinds: counts by kind of cell.
        running: keys of the cells under way; a record may still name one that has ended since.
        failures: in the order of the plan.
        unavailable: what the plan could not use, with the reason.
        last: the cells that ended last, the newest first.
        time_left: None where nothing is known of it, or nobody is at work.
    """

    out: Path
    suite: str
    kinds: dict[str, Counts]
    runners: tuple[SeenRunner, ...]
    running: frozenset[str]
    failures: tuple[Failure, ...]
    unavailable: dict[str, str]
    last: tuple[Ended, ...]
    time_left: TimeLeft | None

    @property
    def counts(self) -> Counts:
        """Of both kinds together."""
        both: Counter[str] = Counter()
        for counts in self.kinds.values():
            both.update(vars(counts))
        return Counts(**both)

    @property
    def at_work(self) -> tuple[RunnerRecord, ...]:
        """Runners that are not known to be dead."""
        return tuple(seen.record for seen in self.runners if seen.presence != "dead")

    @property
    def complete(self) -> bool:
        """Whether every cell has its result."""
        return self.counts.complete == self.counts.total

    @property
    def over(self) -> bool:
        """Whether nobody is at work, and a run would find nothing to do by itself."""
        again = any(failure.transient for failure in self.failures)
        return not (self.at_work or self.counts.left or again)


class Observer:
    """Looks at the folder of a run.

    Args:
        out: the folder.

    Raises:
        DataError: it is not the folder of a run.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._watch = Watch(out)
        self._events = EventFollower(out)
        self._plan_as_read: tuple[int, int] | None = None
        # A result that is there stays: only the others are looked for again.
        self._complete: set[str] = set()
        self._plan = self._read_plan()

    def look(self) -> RunState:
        """How far it is now.

        Raises:
            DataError: its plan is not there any more.
        """
        plan = self._plan = self._read_plan()
        runners = tuple(self._seen(record) for record in read_runners(self._out))
        at_work = [seen.record for seen in runners if seen.presence != "dead"]
        running = {cell.key for record in at_work for cell in record.running}
        failures: dict[str, Failure] = {}
        found: dict[str, list[tuple[SavedCell, str]]] = {}
        for kind, cells in zip(KINDS, (plan.pretrain, plan.evaluate), strict=True):
            there = self._folders(kind)
            found[kind] = [(c, self._how(kind, c, there, running, failures)) for c in cells]
        self._events.go_on()
        every = [seen for cells in found.values() for seen in cells]
        return RunState(
            out=self._out,
            suite=plan.suite,
            kinds={
                kind: Counts(len(cells), **Counter(how for _, how in cells))
                for kind, cells in found.items()
            },
            runners=runners,
            running=frozenset(cell.key for cell, how in every if how == "running"),
            failures=tuple(failures.values()),
            unavailable=plan.unavailable,
            last=tuple(self._events.last),
            time_left=time_left(
                plan,
                [cell for cell, how in every if how in ("left", "running")],
                at_work,
                self._events.seconds,
            ),
        )

    def _seen(self, record: RunnerRecord) -> SeenRunner:
        if self._watch.is_dead(record.runner):
            return SeenRunner(record, "dead")
        if not alive(record.runner):
            return SeenRunner(record, "elsewhere")
        return SeenRunner(record, "stopped" if stopped(record.runner) else "at work")

    def _folders(self, kind: str) -> set[str]:
        """Keys of the cells that have a folder: of many cells most may have none yet."""
        try:
            return {entry.name for entry in os.scandir(self._out / kind)}
        except OSError:
            return set()

    def _how(
        self,
        kind: str,
        cell: SavedCell,
        there: set[str],
        running: set[str],
        failures: dict[str, Failure],
    ) -> How:
        if cell.key in self._complete:
            return "complete"
        result = None
        if cell.key in there:
            result = quick_look(self._out / kind / cell.key, KINDS[kind], cell.key)
        if result is not None and result.status == "complete":
            self._complete.add(cell.key)
            return "complete"
        if cell.key in running:
            return "running"
        if result is not None:
            reason = result.error or "it says no reason"
            failures[cell.key] = Failure(cell.key, cell.title, reason, result.transient)
            return "failed"
        return "blocked" if cell.pretrain_key in failures else "left"

    def _read_plan(self) -> SavedPlan:
        path = self._out / PLAN
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(
                f"{self._out} is not the folder of a run: it has no {PLAN}. "
                f"Give the folder that `lcd-bench run` writes to."
            ) from error
        as_read = found.st_mtime_ns, found.st_size
        if as_read == self._plan_as_read:
            return self._plan
        plan = read_plan(self._out)
        if plan is None:
            raise DataError(f"{path} cannot be read; the same `lcd-bench run` writes it again.")
        self._plan_as_read = as_read
        return plan
