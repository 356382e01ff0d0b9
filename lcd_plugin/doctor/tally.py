"""What is only seen of all results together: what is missing, old, left over, without its base."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lcd_plugin.bench.saved_plan import PLAN
from lcd_plugin.counted import counted
from lcd_plugin.doctor.findings import CellFacts, Finding
from lcd_plugin.doctor.plan_file import Planned
from lcd_plugin.report.plain_text import first_few
from lcd_plugin.report.read_folders import KINDS, Kind
from lcd_plugin.report.same_cell import contradictions
from lcd_plugin.report.versions import Subject

NAMED = 3
Versions = frozenset[tuple[Subject, int]]


@dataclass
class Tally:
    """Takes up the cells of a folder one by one, pretrainings first.

    Attributes:
        planned: what the newest run set out to do.
        complete: `kind/key` of sound and complete results.
        known: `kind/key` of all cells that are told of: with a result, with a problem, or
            computed now.
        trained: when each complete pretraining was started, by its key.
        others: results that no cell of the plan names.
        failed: planned cells that failed, by whether the next run tries them by itself.
        unsealed: results from before there were seals.
        versions: how many complete results have them, by whether the plan names them.
        alone: evaluations without a complete pretraining.
        older: evaluations from before their pretraining was computed as it is now.
        contradicted: results of which the plan says something else, and what of the first.
    """

    planned: Planned
    complete: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    trained: dict[str, str] = field(default_factory=dict)
    others: int = 0
    failed: Counter[bool] = field(default_factory=Counter)
    unsealed: int = 0
    versions: Counter[tuple[bool, Versions]] = field(default_factory=Counter)
    alone: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)

    def add(self, kind: Kind, key: str, facts: CellFacts, told: bool) -> None:
        """Take up a cell.

        Args:
            kind: of the cell.
            key: its name.
            facts: of its result.
            told: whether something was found that says why it has none.
        """
        name, planned = f"{kind}/{key}", key in self.planned.cells[kind]
        if facts.status != "none" or told:
            self.known.add(name)
        if facts.status == "none":
            return
        self.unsealed += not facts.sealed
        self.others += not planned
        if planned and (reason := contradictions(self.planned.cells[kind][key], facts.identity)):
            self.contradicted.append(reason if not self.contradicted else "")
        if facts.status == "failed":
            self.failed[facts.transient] += planned
            return
        self.complete.add(name)
        self.versions[planned, facts.versions] += 1
        if kind == "pretrain":
            self.trained[key] = facts.started
        elif facts.pretrain_key is not None:
            trained = self.trained.get(facts.pretrain_key)
            if trained is None:
                self.alone.append(name)
            # All of it later, not the end only: hosts may have computed them whose clocks differ.
            elif facts.finished and trained > facts.finished:
                self.older.append(name)

    def notes(self) -> Iterator[Finding]:
        """What all of the cells come to."""
        yield from self._stale()
        if self.contradicted:
            what = f"contradicts {counted(len(self.contradicted), 'result')}, of the first of which"
            yield Finding("plan-mismatch", "problem", PLAN, f"{what} {self.contradicted[0]}")
        cells = self.planned.cells
        missing = [
            f"{k}/{key}" for k in KINDS for key in cells[k] if f"{k}/{key}" not in self.known
        ]
        if missing:
            what = f"{counted(len(missing), 'cell')} of the plan not computed yet"
            yield _note("missing", f"{what}; `lcd-bench run` goes on with them")
        if self.failed[True]:
            what = f"{counted(self.failed[True], 'cell')} failed for a reason that may pass"
            yield _note("failed", f"{what}; the next `lcd-bench run` tries again")
        if self.failed[False]:
            what = f"{counted(self.failed[False], 'cell')} failed"
            yield _note("failed", f"{what}; `lcd-bench run --retry-failed` tries again")
        if self.others and self.planned.there:
            what = f"{counted(self.others, 'result')} that the newest plan does not ask for"
            yield _note(
                "other-results", f"{what}, of other settings or versions; reports leave it out"
            )
        if self.unsealed:
            what = f"{counted(self.unsealed, 'result')} without a seal, from before there were any"
            yield _note("unsealed", f"{what}: a number changed by hand would not be seen")
        if self.alone:
            what = f"{counted(len(self.alone), 'evaluation')} without the pretraining behind it"
            yield _note("no-pretraining", f"{what} ({_few(self.alone)})", "evaluate")
        if self.older:
            what = f"{counted(len(self.older), 'evaluation')} older than the pretraining behind it"
            yield _note(
                "older", f"{what}, which was computed again ({_few(self.older)})", "evaluate"
            )

    def _stale(self) -> Iterator[Finding]:
        """Planned results of older versions than others, which are not compared with them."""
        newest: dict[Subject, int] = {}
        for _, versions in self.versions:
            for subject, version in versions:
                newest[subject] = max(version, newest.get(subject, version))
        stale: Counter[str] = Counter()
        for (planned, versions), number in self.versions.items():
            old = sorted(
                f"{' '.join(subject).strip()} {version}, now {newest[subject]}"
                for subject, version in versions
                if version < newest[subject]
            )
            if planned and old:
                stale["; ".join(old)] += number
        for reason, number in stale.items():
            what = f"{counted(number, 'result')} of an older version than others here ({reason})"
            message = f"{what}; `lcd-bench run` of the newer version computes what is missing then"
            yield Finding("stale", "problem", ".", message)


def _note(kind: str, message: str, path: str = ".") -> Finding:
    return Finding(kind, "note", path, message)


def _few(names: list[str]) -> str:
    return first_few([name.rpartition("/")[2] for name in names], NAMED)
