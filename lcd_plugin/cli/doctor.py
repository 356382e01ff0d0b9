"""`lcd-bench doctor`: is everything that lies on disk as it was written, and what is left over."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lcd_plugin.cli.ending import GATE_FAILED, command
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.doctor.findings import Finding, Progress
    from lcd_plugin.doctor.mend import Mended

WIDTH = 80
# Findings of a kind that are shown before the rest is counted; --json has all of them.
SHOWN = 10


@dataclass(frozen=True)
class _Looked:
    """A folder with what is still wrong in it, and what was mended.

    Attributes:
        out: the folder.
        what: what was looked at, such as `878 cells`.
        findings: that hold, after mending those that were not mended.
        fixed: what was done.
    """

    out: Path
    what: str
    findings: Sequence[Finding]
    fixed: Sequence[str] = ()

    @property
    def problems(self) -> int:
        """How many there are."""
        return sum(finding.severity == "problem" for finding in self.findings)

    @property
    def fixable(self) -> bool:
        """Whether mending would do something."""
        return any(finding.fix for finding in self.findings)


@command
def doctor_command(
    outs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of `lcd-bench run`; none is the cache of prepared stores.",
            metavar="OUT",
            show_default=False,
        ),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Mend what can be mended. Without it nothing on disk is changed."
        ),
    ] = False,
    report: Annotated[
        bool | None,
        typer.Option(
            "--report/--no-report",
            help="Whether to make the leaderboard anew and compare it with the one that is there; "
            "if neither is given, up to 2,000 results, which takes seconds.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check every file of finished, stopped or broken runs against its hash, and say what is wrong.

    Ends with 0 if all is sound, 4 if there are problems, 5 if a folder is none of a run. What
    --fix removes, the next `lcd-bench run` computes again.

    Examples:
      lcd-bench doctor runs/ptbxl

      lcd-bench doctor runs/ptbxl --fix

      lcd-bench doctor
    """
    _require_runs(outs or [], fix)
    looked = [_run(out, fix, report) for out in outs] if outs else [_stores(fix)]
    if as_json:
        typer.echo(json.dumps(_document(looked), indent=1))
    else:
        for line in _told(looked, fix):
            typer.echo(line)
    if any(one.problems for one in looked):
        raise typer.Exit(GATE_FAILED)


def _require_runs(outs: Sequence[Path], fix: bool) -> None:
    """Raise what stands in the way, before minutes are spent on looking at the first of them."""
    from lcd_plugin.doctor.mend import refuse_if_at_work
    from lcd_plugin.doctor.top import require_run

    for out in outs:
        require_run(out)
        if fix:
            refuse_if_at_work(out)


def _run(out: Path, fix: bool, report: bool | None) -> _Looked:
    from lcd_plugin.doctor.mend import mend
    from lcd_plugin.doctor.out import examine

    with _progress("checking") as progress:
        examination = examine(out, report, progress)
    what = counted(examination.cells, "cell")
    return _mended(out, what, examination.findings, mend(examination) if fix else None)


def _stores(fix: bool) -> _Looked:
    from lcd_plugin.data.prepare import cache_folder
    from lcd_plugin.doctor.stores import examine_stores, mend_stores

    with _progress("checking stores") as progress:
        examination = examine_stores(cache_folder() / "stores", progress)
    size = sum(examination.sizes.values()) / 1e6
    what = f"{counted(len(examination.sizes), 'prepared store')}, {size:,.1f} MB"
    mended = mend_stores(examination) if fix else None
    return _mended(examination.out, what, examination.findings, mended)


def _mended(out: Path, what: str, findings: Sequence[Finding], mended: Mended | None) -> _Looked:
    if mended is None:
        return _Looked(out, what, findings)
    return _Looked(out, what, mended.left, mended.fixed)


@contextmanager
def _progress(doing: str) -> Iterator[Progress]:
    """A bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _document(looked: Sequence[_Looked]) -> dict[str, object]:
    """What `--json` prints; paths are relative to the `out` beside them."""
    findings = [(one, finding) for one in looked for finding in one.findings]
    return {
        "schema": 1,
        "out": [str(one.out) for one in looked],
        "findings": [
            {
                "out": str(one.out),
                "kind": finding.kind,
                "severity": finding.severity,
                "path": finding.path,
                "message": finding.message,
                "fix": finding.fix,
            }
            for one, finding in findings
        ],
        "counts": {
            "problems": sum(finding.severity == "problem" for _, finding in findings),
            "notes": sum(finding.severity == "note" for _, finding in findings),
        },
        "fixed": [{"out": str(one.out), "done": done} for one in looked for done in one.fixed],
    }


def _told(looked: Sequence[_Looked], fix: bool) -> Iterator[str]:
    for one in looked:
        yield from _lines(f"{one.out}: {one.what} looked at.")
        for severity in ("problem", "note"):
            own = [finding for finding in one.findings if finding.severity == severity]
            for kind, alike in groupby(sorted(own, key=lambda f: f.kind), lambda f: f.kind):
                yield from _of_a_kind(severity, kind, list(alike))
        for done in one.fixed:
            yield from _lines(f"fixed: {done}")
        yield from _lines(_verdict(one, fix))


def _of_a_kind(severity: str, kind: str, findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:SHOWN]:
        about = "" if finding.path == "." else f"{finding.path}: "
        fix = f" [--fix {finding.fix}]" if finding.fix else ""
        yield from _lines(f"{severity} ({kind}): {about}{finding.message}{fix}")
    if (more := len(findings) - SHOWN) > 0:
        yield from _lines(f"{severity} ({kind}): {more:,} more; --json has all of them")


def _verdict(one: _Looked, fix: bool) -> str:
    if not one.problems:
        return "Sound." if not one.fixed else "Mended: `lcd-bench run` computes what is missing."
    left = f"{counted(one.problems, 'problem')} left" if fix else counted(one.problems, "problem")
    if fix:
        return f"{left}, which --fix cannot mend; what to do stands beside each."
    return f"{left}." + (" `--fix` mends what says so." if one.fixable else "")


def _lines(text: str) -> list[str]:
    """Text as lines that fit, without anything that could steer a terminal."""
    from lcd_plugin.report.plain_text import one_line

    encoding = sys.stdout.encoding or "utf-8"
    plain = one_line(text).encode(encoding, "backslashreplace").decode(encoding)
    return textwrap.wrap(
        plain, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
