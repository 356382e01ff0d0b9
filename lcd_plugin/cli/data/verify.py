"""`lcd-bench data verify`: every record of a dataset looked at, every finding a line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.data.chosen import chosen_suite
from lcd_plugin.cli.ending import GATE_FAILED, command, say

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.data.verify import Verified

SHOWN = 20
Line = tuple[str, str, str, str, str]
COLUMNS = ("dataset", "record", "lead", "kind", "reason")


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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read every record, all leads, and list what is wrong; several datasets are also compared.

    Ends with 4 if records cannot be read or differ from their release, or if a prepared store was
    changed.

    Examples:
      lcd-bench data verify ptbxl=FOLDER

      lcd-bench data verify ptbxl challenge2021 -o findings.csv
    """
    from lcd_plugin.cli.progress import preparing
    from lcd_plugin.data.verify import BROKEN, copies

    suite = chosen_suite(datasets, assignments=assignments)
    looked: dict[str, list[Verified]] = {}
    notes: list[str] = []
    lines: list[Line] = []
    with preparing("verifying") as progress:
        for name in suite.datasets:
            looked[name], tables, said = _look(name, suite, jobs, progress)
            lines += tables
            notes += said
    lines += [
        (name, record.record, finding.lead, finding.kind, finding.reason)
        for name, records in looked.items()
        for record in records
        for finding in record.findings
    ]
    lines += [(d, record, "", "duplicate", reason) for d, record, reason in copies(looked)]
    changed = _changed_stores(list(suite.datasets))
    broken = len({line[:2] for line in lines if line[3] in BROKEN})
    if out is not None:
        _write(out, lines)
    counts = {name: len(records) for name, records in looked.items()}
    if as_json:
        document = {
            "schema": 1,
            "records": counts,
            "findings": [dict(zip(COLUMNS, line, strict=True)) for line in lines],
            "notes": notes,
            "changed_stores": changed,
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        _tell(counts, lines, notes + changed, out)
    if broken or changed:
        say(f"{broken} records or tables are broken, {len(changed)} prepared stores were changed.")
        raise typer.Exit(GATE_FAILED)


def _look(
    name: str, suite: Suite, jobs: int | None, progress: Any
) -> tuple[list[Verified], list[Line], list[str]]:
    """What was found of the records, of the tables, and what else is to be said."""
    from lcd_plugin.bench.cohorts import open_cohort
    from lcd_plugin.data.release import changed_tables, release_sums
    from lcd_plugin.data.verify import verify

    cohort = open_cohort(name, suite)
    records = verify(cohort, name, lambda done, total: progress(name, done, total), jobs)
    sums = release_sums(cohort.path)
    lines = [(name, "", "", "checksum", reason) for reason in changed_tables(cohort, sums)]
    if sums is None or cohort.path is None:
        return records, lines, []
    absent = sums.absent(cohort.path)
    if not absent:
        return records, lines, []
    of = f"{len(absent):,} files of the release are not in {cohort.path}"
    return records, lines, [f"{name}: {of}, such as {absent[0]}"]


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


def _tell(counts: dict[str, int], lines: list[Line], notes: list[str], out: Path | None) -> None:
    for name, record, _, _, reason in lines[:SHOWN]:
        typer.echo(f"{name} {record}: {reason}" if record else f"{name}: {reason}")
    if len(lines) > SHOWN:
        where = str(out) if out else "-o FILE or --json"
        typer.echo(f"... and {len(lines) - SHOWN:,} more, all of them with {where}")
    for note in notes:
        typer.echo(note)
    for name, count in counts.items():
        of = len({line[1] for line in lines if line[0] == name and line[1]})
        typer.echo(f"{name}: {count:,} records, {of:,} with findings")
