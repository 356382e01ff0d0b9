"""How far a run is, in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from lcd_plugin.bench.observe.state import Counts, Failure, RunState, SeenRunner
from lcd_plugin.bench.runners import RunningCell
from lcd_plugin.cli.words import REASONS, first_titles, grouped, short, words_of
from lcd_plugin.counted import counted
from lcd_plugin.report.plain_text import one_line

BAR = 24
CALLED = {"pretrain": "pretrainings", "evaluate": "evaluations"}
PRESENCE = {
    "at work": "at work",
    "stopped": "stopped (SIGSTOP or Ctrl-Z)",
    "elsewhere": "on another host",
    "dead": "dead, what it had under way is free for others",
}


class Line(NamedTuple):
    """A line: how far it is indented, what it says, and how."""

    indent: int
    text: str
    style: str = ""


def show(state: RunState, console: Console) -> None:
    """Print how far a run is; where the output is piped no line is broken."""
    for line in _lines(state):
        text = Text(line.text, line.style)
        if console.is_terminal:
            console.print(Padding(text, (0, 0, 0, line.indent)))
        else:
            console.print(Text(" " * line.indent).append(text), soft_wrap=True)


def picture(state: RunState, console: Console) -> RenderableType:
    """The same for a terminal that shows it again and again: no more than it has room for."""
    lines = list(_lines(state))[: max(console.height - 1, 1)]
    return Group(
        *(
            Text(" " * line.indent + line.text, line.style, no_wrap=True, overflow="ellipsis")
            for line in lines
        )
    )


def in_a_line(state: RunState) -> str:
    """`34 of 48 cells complete, 1 failed, 2 running, 11 left, 1 runner, about 0:12:10 left`."""
    counts = state.counts
    parts = [f"{counts.complete:,} of {counts.total:,} cells complete", *_others(counts)]
    parts.append(counted(len(state.at_work), "runner") if state.at_work else "nobody at work")
    if left := words_of(state.time_left):
        parts.append(left)
    return ", ".join(parts)


def what_next(state: RunState) -> list[str]:
    """What a person can do now, in sentences; nothing while somebody is at work."""
    if state.at_work:
        return []
    said, failed = [], [f for f in state.failures if not f.transient]
    again = f"lcd-bench run {shlex.quote(str(state.out / 'suite.toml'))} -o {_quoted(state)}"
    waiting = state.counts.left + len(state.failures) - len(failed)
    if waiting:
        said.append(f"Nobody is at work; to go on: {again}")
    if failed:
        them = "it" if len(failed) == 1 else "them"
        said.append(f"{len(failed):,} failed; to try {them} again: {again} --retry-failed")
    if state.complete:
        said.append(f"Complete; for its report: lcd-bench report {_quoted(state)}")
    return said


def _quoted(state: RunState) -> str:
    return one_line(shlex.quote(str(state.out)))


def _lines(state: RunState) -> Iterator[Line]:
    yield Line(0, f"{one_line(state.suite)} in {one_line(str(state.out))}", "bold")
    for kind, counts in state.kinds.items():
        said = ", ".join([f"{counts.complete:,} of {counts.total:,}", *_others(counts)])
        yield Line(2, f"{CALLED[kind]:<13} [{_bar(counts)}] {said}")
    if left := words_of(state.time_left):
        yield Line(2, left)
    if state.runners:
        yield Line(0, "Runners", "bold")
        for seen in state.runners:
            yield from _runner_lines(seen, state.running)
    yield from _failure_lines(state.failures)
    if state.unavailable:
        yield Line(0, "Not available", "bold")
        for title, reason in state.unavailable.items():
            yield Line(2, short(f"{title}: {reason}"))
    if state.last:
        yield Line(0, "Ended last", "bold")
        for ended in state.last:
            mark = "FAILED " if ended.status == "failed" else ""
            yield Line(2, short(f"{_clock(ended.at)}  {mark}{ended.title}: {ended.message}"))
    for sentence in what_next(state):
        yield Line(0, one_line(sentence))


def _others(counts: Counts) -> list[str]:
    """What is not complete."""
    named = {"failed": "failed", "running": "running", "blocked": "blocked", "left": "left"}
    return [f"{n:,} {said}" for name, said in named.items() if (n := getattr(counts, name))]


def _bar(counts: Counts) -> str:
    """`#` is complete, `x` failed or blocked, `>` under way; whole only if all is complete."""
    total = max(counts.total, 1)
    bad, under_way = counts.failed + counts.blocked, counts.running
    width = BAR * counts.complete // total if counts.total else BAR
    marks = "#" * width
    for number, mark in ((bad, "x"), (under_way, ">")):
        marks += mark * (number and max(BAR * number // total, 1))
    return marks[:BAR].ljust(BAR, ".")


def _runner_lines(seen: SeenRunner, running: frozenset[str]) -> Iterator[Line]:
    record = seen.record
    executor = f"{record.executor}, {counted(record.jobs, 'job')}"
    who = f"{record.host}, process {record.pid}, {executor}, since {_clock(record.started)}"
    said = f"{PRESENCE[seen.presence]}, last wrote {_clock(record.at)}"
    yield Line(2, one_line(f"{who}: {said}"), "red" if seen.presence == "dead" else "")
    for cell in record.running if seen.presence != "dead" else ():
        if cell.key not in running:
            continue
        yield Line(4, one_line(f"worker {cell.worker}: {cell.title}"))
        yield Line(6, one_line(_doing(cell)), "dim")


def _doing(cell: RunningCell) -> str:
    parts = []
    if cell.epoch is not None and cell.epochs is not None:
        parts.append(f"epoch {cell.epoch}/{cell.epochs}")
    if cell.loss is not None:
        parts.append(f"loss {cell.loss:.4g}")
    if cell.records_per_s is not None:
        parts.append(f"{cell.records_per_s:,.0f} records/s")
    return ", ".join([*parts, f"since {_clock(cell.since)}"])


def _failure_lines(failures: tuple[Failure, ...]) -> Iterator[Line]:
    """Cells with the same reason stand together."""
    titles = grouped((f.title, (f.reason, f.transient)) for f in failures)
    if titles:
        yield Line(0, "Failed", "bold")
    for (reason, transient), named in list(titles.items())[:REASONS]:
        again = " (the next run tries again)" if transient else ""
        yield Line(2, f"{counted(len(named), 'cell')}: {short(reason)}{again}", "red")
        yield from (Line(4, title) for title in first_titles(named))
    if len(titles) > REASONS:
        yield Line(2, f"and {len(titles) - REASONS:,} more reasons")


def _clock(at: str) -> str:
    """A time of this day as `12:04:10`, of another with its date; here, not in UTC."""
    try:
        when = datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError):
        return at
    today = when.date() == datetime.now().astimezone().date()
    return f"{when:%H:%M:%S}" if today else f"{when:%d %b %H:%M}"
