"""Who works on an output folder: its runners, their claims of cells and their events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lcd_plugin.bench.leases import LEASES
from lcd_plugin.bench.leases import MOST as MOST_OF_LEASE
from lcd_plugin.bench.own_files import EVENTS, LEASE, RUNNER
from lcd_plugin.bench.runners import RUNNERS, alive
from lcd_plugin.counted import counted
from lcd_plugin.doctor.cells import Entries, link
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.files import read_limited

# Bytes of a line of events; real ones have a few hundred.
MOST_OF_LINE = 2**20


@dataclass(frozen=True)
class AtWork:
    """Who is at work, and on what.

    Attributes:
        alive: runners whose process is there.
        elsewhere: runners of other hosts, of which that cannot be told from here.
        cells: keys of cells that one of both has claimed.
        findings: what is left over of others.
    """

    alive: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    cells: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


def who_is_at_work(out: Path) -> AtWork:
    """Look at the runners of a folder and at what they have claimed."""
    states: dict[str, bool | None] = {}
    findings: list[Finding] = []
    for name in _files(out, RUNNERS, findings):
        if match := RUNNER.fullmatch(name):
            states[match["runner"]] = alive(match["runner"])
    by = {state: [r for r, s in states.items() if s is state] for state in (True, False, None)}
    for runner in by[False]:
        path = f"{RUNNERS}/{runner}.json"
        message = "the runner is dead: its process is gone"
        findings.append(Finding("dead-runner", "problem", path, message, "removes it", (path,)))
    for runner in by[None]:
        path = f"{RUNNERS}/{runner}.json"
        message = "the runner is, or was, on another host: from here it cannot be told which"
        findings.append(Finding("runner-elsewhere", "note", path, message))
    busy = {*by[True], *by[None]}
    claimed = set(_claimed(out, busy, bool(by[True]), findings))
    if busy:
        # A file without its name yet is being written by one of them.
        findings = [finding for finding in findings if finding.kind != "temporary"]
    return AtWork(tuple(by[True]), tuple(by[None]), frozenset(claimed), tuple(findings))


def _claimed(out: Path, busy: set[str], any_alive: bool, findings: list[Finding]) -> Iterator[str]:
    """Keys of the cells that runners at work have claimed; other claims become findings."""
    for name in _files(out, LEASES, findings):
        match = LEASE.fullmatch(name)
        if match is None:
            continue
        path = f"{LEASES}/{name}"
        owner = _text(out / path)
        if owner in busy:
            yield match["key"]
        elif owner:
            message = "claimed by a runner that is no longer there"
            findings.append(Finding("dead-lease", "problem", path, message, "removes it", (path,)))
        elif not any_alive:  # else it may be between making the file and writing its name
            message = "a claim without a name, left when its runner was killed"
            findings.append(Finding("dead-lease", "problem", path, message, "removes it", (path,)))


def _text(path: Path) -> str:
    try:
        return read_limited(path, MOST_OF_LEASE).decode(errors="replace")
    except OSError:
        return ""


def _files(out: Path, folder: str, findings: list[Finding]) -> list[str]:
    """Names of the files in a folder of small files; what else is there becomes findings."""
    if (out / folder).is_symlink():
        findings.append(link(folder))
        return []
    try:
        entries = Entries.of(out / folder, RUNNER if folder == RUNNERS else None)
    except FileNotFoundError:
        return []
    except OSError as error:
        findings.append(
            Finding("unreadable", "problem", folder, f"cannot be read ({error.strerror})")
        )
        return []
    findings.extend(entries.strays(folder))
    known = {RUNNERS: RUNNER, LEASES: LEASE}.get(folder)
    unknown = {n for n in entries.files if known is not None and not known.fullmatch(n)}
    for name in sorted(unknown):
        message = "is no file of a run; it is left alone"
        findings.append(Finding("unknown", "note", f"{folder}/{name}", message))
    return sorted(entries.files - unknown)


def broken_events(out: Path) -> Iterator[Finding]:
    """Event logs with lines that are none; the last one may have been cut by a kill."""
    findings: list[Finding] = []
    for name in _files(out, EVENTS, findings):
        path = f"{EVENTS}/{name}"
        try:
            number = _broken_lines(out / path)
        except OSError as error:
            yield Finding("unreadable", "problem", path, f"cannot be read ({error.strerror})")
            continue
        if number:
            message = f"{counted(number, 'line')} that are no JSON, as after a kill or a full disk"
            yield Finding("events", "note", path, message)
    yield from findings


def _broken_lines(path: Path) -> int:
    broken = 0
    with path.open("rb") as file:
        while line := file.readline(MOST_OF_LINE):
            try:
                json.loads(line)
            except (ValueError, RecursionError):
                broken += 1
    return broken
