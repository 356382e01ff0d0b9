"""`lcd-bench data info`: what a dataset is and, where its records are, what it has."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.data.chosen import chosen_suite
from lcd_plugin.cli.ending import command
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files

if TYPE_CHECKING:
    from lcd_plugin.data.overview import Overview, TaskOverview
    from lcd_plugin.plugins import DatasetSpec

SHOWN = 6  # rates, lengths and leads beyond these are counted together

SPEC_LINES = {
    "release": "release",
    "source": "source",
    "paper": "paper",
    "licence": "licence",
    "labels": "labels",
    "patients": "patients",
    "splits": "splits",
}


@command
def info_command(
    dataset: Annotated[
        str, typer.Argument(help="A dataset and where it lies.", metavar="NAME[=FOLDER]")
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as wfdb.labels=a.csv."),
    ] = None,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a dataset's classes, rules and licence, and its counts where its records are.

    Examples:
      lcd-bench data info ptbxl

      lcd-bench data info wfdb=my-records --json
    """
    from lcd_plugin.bench.cohorts import open_cohort
    from lcd_plugin.data.overview import look_over
    from lcd_plugin.errors import DataError
    from lcd_plugin.plugins import DATASETS

    add_plugin_files(plugin_files)
    suite = chosen_suite([dataset], assignments=assignments)
    spec = DATASETS.spec(suite.datasets[0])
    overview, absent, folder = None, "", None
    try:
        cohort = open_cohort(spec.name, suite)
        folder = cohort.path
        overview = look_over(cohort)
    except DataError as error:
        # Without its records a dataset still has a spec; a folder that was named must hold them.
        if "=" in dataset:
            raise
        absent = str(error)
    if as_json:
        document = {
            "schema": 1,
            "spec": asdict(spec),
            "folder": str(folder) if folder else None,
            "absent": absent,
            "overview": asdict(overview) if overview else None,
        }
        typer.echo(json.dumps(document, indent=1))
        return
    _tell_spec(spec)
    if overview is None:
        _line("records", absent)
        return
    if folder:
        _line("folder", str(folder))
    _tell_overview(overview)


def _line(name: str, text: str) -> None:
    typer.echo(f"  {name:<9} {text}")


def _tell_spec(spec: DatasetSpec) -> None:
    typer.echo(f"{spec.name}: {spec.summary}")
    for field, name in SPEC_LINES.items():
        if getattr(spec, field):
            _line(name, getattr(spec, field))


def _tell_overview(overview: Overview) -> None:
    records, patients = overview.records, overview.patients
    parts = ", ".join(f"{split} {n:,}" for split, n in records.items())
    _line("records", f"{sum(records.values()):,}: {parts}")
    parts = ", ".join(f"{split} {n:,}" for split, n in patients.items())
    _line("patients", f"{sum(patients.values()):,}: {parts}")
    counted = overview.headers - overview.unreadable
    of = (
        "" if overview.headers == sum(records.values()) else f" (of {overview.headers:,} looked at)"
    )
    for name, unit, counts in (
        ("rate", " Hz", overview.rates),
        ("length", " s", overview.lengths),
    ):
        _line(name, _most(counts, unit, counted) + of)
    _line("leads", _most(overview.leads, "", counted))
    if overview.unreadable:
        _line("unread", f"{overview.unreadable:,} headers{of}; data verify says why")
    for task in overview.tasks:
        _tell_task(task)


def _most(counts: dict[str, int], unit: str, total: int) -> str:
    if len(counts) == 1:
        return f"{next(iter(counts))}{unit}"
    most = sorted(counts.items(), key=lambda item: -item[1])[:SHOWN]
    text = ", ".join(f"{value}{unit}: {n:,}" for value, n in most)
    others = total - sum(n for _, n in most)
    return text + (f", others: {others:,}" if others else "")


def _tell_task(task: TaskOverview) -> None:
    splits = list(task.labelled)
    rows: list[list[Any]] = [
        [name, *(f"{counts[split]:,}" for split in splits)] for name, counts in task.classes.items()
    ]
    rows.append(["labelled", *(f"{task.labelled[split]:,}" for split in splits)])
    typer.echo("")
    typer.echo(_table([f"{task.name} ({task.kind})", *splits], rows))


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Aligned columns without lines: names to the left, numbers to the right."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
