"""What lies at the top of an output folder, and in its report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lcd_plugin.bench.leases import LEASES
from lcd_plugin.bench.own_files import EVENTS, LOGS, OF_REPORT, OF_TOP, REPORT, SUITE
from lcd_plugin.bench.runners import RUNNERS
from lcd_plugin.bench.saved_plan import PLAN
from lcd_plugin.doctor.cells import Entries, link
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.errors import DataError
from lcd_plugin.report.read_folders import KINDS

FILES = (SUITE, PLAN)
# The last two are written by other people's libraries, so that nothing in them is looked at.
FOLDERS = (*KINDS, REPORT, RUNNERS, LEASES, EVENTS, LOGS, "tensorboard", "mlflow")


def require_run(out: Path) -> None:
    """Raise DataError unless a folder is one of `lcd-bench run`."""
    if not out.is_dir():
        raise DataError(f"There is no folder {out}.")
    if not (out / PLAN).exists() and not any((out / kind).is_dir() for kind in KINDS):
        raise DataError(f"{out} holds no results of `lcd-bench run`; is that the right folder?")


def top_findings(out: Path) -> Iterator[Finding]:
    """What does not belong to a run, or was left behind, outside the folders of its cells.

    Raises:
        OSError: the folder cannot be read.
    """
    entries = Entries.of(out, OF_TOP)
    for name in entries.links:
        yield link(name) if name in (*FILES, *FOLDERS) else _unknown(name)
    for name in FOLDERS:
        if name in entries.files:
            yield Finding("unreadable", "problem", name, "a file stands in place of its folder")
    for name in sorted({*entries.files, *entries.others} - {*FILES, *FOLDERS}):
        yield _unknown(name)
    yield from entries.half_written("")
    if REPORT in entries.others:
        yield from Entries.of(out / REPORT, OF_REPORT).half_written(f"{REPORT}/")


def _unknown(path: str) -> Finding:
    return Finding("unknown", "note", path, "is no file of a run; it is left alone")
