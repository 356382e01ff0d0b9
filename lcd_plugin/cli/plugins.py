"""`lcd-bench plugins`: all plugins with where they are from and whether they load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from lcd_plugin.cli.ending import command
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files

if TYPE_CHECKING:
    from lcd_plugin.plugins.inventory import Entry


@command
def plugins_command(
    plugin_files: PluginFiles = None,
    tracebacks: Annotated[
        bool, typer.Option("--traceback", help="Show where broken ones fail.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show all plugins: where they are from, which code they are, and whether they load.

    What is not built in is loaded in a process of its own, for at most
    LCD_BENCH_PLUGIN_TIMEOUT seconds (60). LCD_BENCH_PLUGINS=0 switches all of those off,
    LCD_BENCH_PLUGINS=a,b all but those of the distributions a and b.
    """
    from dataclasses import asdict

    from lcd_plugin.plugins.inventory import inventory

    add_plugin_files(plugin_files)
    entries = inventory()
    if as_json:
        document = {"schema": 1, "plugins": [asdict(entry) for entry in entries]}
        typer.echo(json.dumps(document, indent=1))
        return
    _show(entries, tracebacks)


def _show(entries: list[Entry], tracebacks: bool) -> None:
    rows = [
        (e.kind, e.name, e.status, f"{e.distribution} {e.version}", e.code or "-") for e in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for entry, row in zip(entries, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join([*cells, entry.reason or entry.summary]))
        if tracebacks and entry.traceback:
            typer.echo("    " + entry.traceback.rstrip().replace("\n", "\n    "))
