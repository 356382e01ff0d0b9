"""An output folder looked through: every artefact, and what all of them come to together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lcd_plugin.bench.own_files import KEY
from lcd_plugin.bench.results import RESULT
from lcd_plugin.counted import counted
from lcd_plugin.doctor.at_work import AtWork, broken_events, who_is_at_work
from lcd_plugin.doctor.board import check_board, has_board
from lcd_plugin.doctor.cells import examine_cell, link
from lcd_plugin.doctor.contents import NO_WEIGHTS
from lcd_plugin.doctor.findings import CellFacts, Finding, Progress
from lcd_plugin.doctor.plan_file import PlanCheck
from lcd_plugin.doctor.tally import Tally
from lcd_plugin.doctor.top import require_run, top_findings
from lcd_plugin.report.read_cells import KnownArrays
from lcd_plugin.report.read_folders import KINDS, Kind

# Cells that are looked at side by side; what is known of them is then let go.
WINDOW = 256
# Results up to which making the leaderboard anew costs a few seconds.
FEW = 2000

Looked = tuple[list[Finding], CellFacts]


@dataclass
class Examination:
    """What was found in a folder.

    Attributes:
        out: the folder.
        at_work: who works on it.
        findings: all of them, in the order of the folder.
        cells: folders of cells that were looked at.
    """

    out: Path
    at_work: AtWork
    findings: list[Finding] = field(default_factory=list)
    cells: int = 0


def examine(
    out: Path, report: bool | None = None, progress: Progress = lambda done, total: None
) -> Examination:
    """Look through an output folder; nothing in it is changed.

    Args:
        out: the folder.
        report: whether the leaderboard is made anew and compared with the one that is there; None
            is where there are few results.
        progress: called with the number of cells done and their total.

    Raises:
        DataError: it is no output folder.
    """
    require_run(out)
    examination = Examination(out, who_is_at_work(out))
    plan = PlanCheck(out)
    tally = Tally(plan.read())
    # What is computed now is not missing.
    tally.known |= {f"{kind}/{key}" for kind in KINDS for key in examination.at_work.cells}
    found = examination.findings
    found += [*top_findings(out), *plan.findings]
    cells = {kind: _cells(out, kind, found) for kind in KINDS}
    total = sum(map(len, cells.values()))
    with ThreadPoolExecutor() as pool:
        for kind in KINDS:
            looked = _look(examination, kind, cells[kind], pool)
            for key, own, facts in _without_weights(kind, looked, found):
                found += own
                explained = any(finding.severity == "problem" for finding in own)
                tally.add(kind, key, facts, explained)
                examination.cells += 1
                progress(examination.cells, total)
    found += tally.notes()
    found += _board(examination, tally, report)
    found += [*examination.at_work.findings, *broken_events(out), *_busy(examination.at_work)]
    return examination


def _cells(out: Path, kind: Kind, found: list[Finding]) -> list[str]:
    """Keys of the cells of a kind; what else lies beside them becomes findings."""
    folder = out / kind
    if folder.is_symlink() or not folder.is_dir():
        return []
    keys = []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.append(Finding("unreadable", "problem", kind, f"cannot be read ({error.strerror})"))
        return []
    for path in entries:
        name = f"{kind}/{path.name}"
        if path.is_symlink():
            found.append(link(name))
        elif KEY.fullmatch(path.name) and path.is_dir():
            keys.append(path.name)
        elif (path / RESULT).is_file():
            message = "a cell's folder under a name that is no key: renamed, or a copy"
            found.append(Finding("misplaced", "problem", name, message))
        else:
            message = "its name is no key; it is left alone"
            found.append(Finding("unknown", "note", name, message))
    return keys


def _look(
    examination: Examination, kind: Kind, keys: Sequence[str], pool: ThreadPoolExecutor
) -> Iterator[tuple[str, list[Finding], CellFacts]]:
    """The cells of a kind one by one, but for those that somebody computes now."""
    out, work = examination.out, examination.at_work

    def look(key: str) -> Looked:
        if key in work.cells:
            return [], CellFacts()
        found, facts = examine_cell(out, kind, key, known)
        if found and (work.alive or work.elsewhere):
            # It may have been written while it was read.
            found, facts = examine_cell(out, kind, key, known)
        return found, facts

    for start in range(0, len(keys), WINDOW):
        known: KnownArrays = {}
        window = keys[start : start + WINDOW]
        for key, (found, facts) in zip(window, pool.map(look, window), strict=True):
            yield key, found, facts


def _without_weights(
    kind: Kind, looked: Iterator[tuple[str, list[Finding], CellFacts]], found: list[Finding]
) -> Iterator[tuple[str, list[Finding], CellFacts]]:
    """The same, where files of weights that are missing are damage only if others are there."""
    stripped, complete = [], 0
    for key, own, facts in looked:
        if any(finding.kind == NO_WEIGHTS for finding in own):
            stripped.append((key, own, facts))
            continue
        complete += facts.status == "complete"
        yield key, own, facts
    if len(stripped) > 1 and not complete:
        message = (
            f"{counted(len(stripped), 'pretraining')} without files of weights, as results are "
            f"passed on; `lcd-bench run` would compute them again"
        )
        found.append(Finding(NO_WEIGHTS, "note", kind, message))
        yield from (
            (key, [f for f in own if f.kind != NO_WEIGHTS], facts) for key, own, facts in stripped
        )
    else:
        yield from ((key, own, CellFacts()) for key, own, _ in stripped)


def _board(examination: Examination, tally: Tally, report: bool | None) -> Iterator[Finding]:
    """What is wrong with the leaderboard; of a run under way it is always behind."""
    if examination.at_work.alive or not has_board(examination.out):
        return
    # What is behind a link is not looked at, so that nothing can be said of its rows.
    links = ("/".join(f.path.split("/")[:2]) for f in examination.findings if f.kind == "link")
    there = tally.complete | set(links)
    build = len(tally.complete) <= FEW if report is None else report
    yield from check_board(examination.out, there, build)


def _busy(work: AtWork) -> Iterator[Finding]:
    if work.alive:
        who = counted(len(work.alive), "runner")
        message = f"{who} at work on {counted(len(work.cells), 'cell')}, not looked at"
        yield Finding("at-work", "note", ".", message)
