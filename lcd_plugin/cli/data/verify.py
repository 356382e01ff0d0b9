"""`lcd-bench data verify`: every record of a dataset looked at, every finding a line."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.data.chosen import chosen_suite
from lcd_plugin.cli.ending import GATE_FAILED, command, say
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.data.verify import Verified

SHOWN = 20
Line = tuple[str, str, str, str, str]
COLUMNS = ("dataset", "record", "lead", "kind", "reason")


@dataclass(frozen=True)
class Found:
    """What was found: records looked at by dataset, findings, and what else is to be said."""

    counts: dict[str, int]
    lines: list[Line]
    notes: list[str]


@command
def verify_command(
    datasets: Annotated[
        list[str],
        typer.Argument(help="Datasets and where they lie.", metavar="NAME[=FOLDER]..."),
    ],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write all findings to this CSV file.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes; one for each core.")
    ] = None,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read every record, all leads, and list what is wrong; several datasets are also compared.

    Ends with 4 if records cannot be read or differ from their release, or if a prepared store was
    changed.

    Examples:
      lcd-bench data verify ptbxl=FOLDER

      lcd-bench data verify ptbxl challenge2021 -o findings.csv
    """
    from lcd_plugin.data.verify import BROKEN

    add_plugin_files(plugin_files)
    names, found = _look_at_all(datasets, assignments, jobs)
    changed = _changed_stores(names)
    broken = len({line[:2] for line in found.lines if line[3] in BROKEN})
    if out is not None:
        _write(out, found.lines)
    if as_json:
        document = {
            "schema": 1,
            "records": found.counts,
            "findings": [dict(zip(COLUMNS, line, strict=True)) for line in found.lines],
            "notes": found.notes,
            "changed_stores": changed,
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        _tell(found, changed, out)
    if broken or changed:
        are = "record or table is" if broken == 1 else "records or tables are"
        were = "store was" if len(changed) == 1 else "stores were"
        say(f"{broken:,} {are} broken, {len(changed)} prepared {were} changed.")
        raise typer.Exit(GATE_FAILED)


def _look_at_all(
    datasets: list[str], assignments: list[str] | None, jobs: int | None
) -> tuple[list[str], Found]:
    from lcd_plugin.cli.progress import preparing
    from lcd_plugin.data.verify import copies

    suite = chosen_suite(datasets, assignments=assignments)
    looked: dict[str, list[Verified]] = {}
    found = Found({}, [], [])
    with preparing("verifying") as progress:
        for name in suite.datasets:
            looked[name] = _look(name, suite, jobs, progress, found)
    for name, record, reason in copies(looked):
        found.lines.append((name, record, "", "duplicate", reason))
    return list(suite.datasets), found


def _look(name: str, suite: Suite, jobs: int | None, progress: Any, found: Found) -> list[Verified]:
    """Look at one dataset, its records, its tables and what a copy of it lacks."""
    from lcd_plugin.bench.cohorts import open_cohort
    from lcd_plugin.data.release import changed_tables, release_sums
    from lcd_plugin.data.verify import verify

    cohort = open_cohort(name, suite)
    sums = release_sums(cohort.path)
    records = verify(cohort, name, sums, lambda done, total: progress(name, done, total), jobs)
    found.counts[name] = len(records)
    for reason in changed_tables(cohort, sums):
        found.lines.append((name, "", "", "checksum", reason))
    for record in records:
        for finding in record.findings:
            line = (name, record.record, finding.lead, finding.kind, finding.reason)
            found.lines.append(line)
    absent = sums.absent(cohort.path) if sums and cohort.path else []
    if absent:
        of = f"not in {cohort.path}: {counted(len(absent), 'file')} of the release"
        found.notes.append(f"{name}: {of}, such as {absent[0]}")
    return records


def _changed_stores(names: list[str]) -> list[str]:
    """Prepared stores of these datasets whose bytes are not those that were written."""
    from lcd_plugin.data.prepare import cache_folder
    from lcd_plugin.data.store import MANIFEST, Store
    from lcd_plugin.errors import DataError

    said = []
    for manifest in sorted((cache_folder() / "stores").glob(f"*/{MANIFEST}")):
        if manifest.parent.name.rpartition("-")[0] not in names:
            continue
        try:
            Store.open(manifest.parent).check()
        except DataError as error:
            said.append(str(error))
    return said


def _write(out: Path, lines: list[Line]) -> None:
    from lcd_plugin.errors import ConfigError

    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(lines)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error.strerror}).") from error


def _tell(found: Found, changed: list[str], out: Path | None) -> None:
    for name, record, _, _, reason in found.lines[:SHOWN]:
        typer.echo(f"{name} {record}: {reason}" if record else f"{name}: {reason}")
    if len(found.lines) > SHOWN:
        where = str(out) if out else "-o FILE or --json"
        typer.echo(f"... and {len(found.lines) - SHOWN:,} more, all of them with {where}")
    for note in found.notes + changed:
        typer.echo(note)
    for name, count in found.counts.items():
        of = len({line[1] for line in found.lines if line[0] == name and line[1]})
        typer.echo(f"{name}: {counted(count, 'record')}, {of:,} with findings")
