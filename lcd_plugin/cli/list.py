"""`lcd-bench list`: what there is, without loading any of it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from lcd_plugin.cli.ending import command
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files


class Kind(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    encoders = "encoders"
    suites = "suites"


@command
def list_command(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List methods, datasets, encoders or suites, built in and from plugins."""
    add_plugin_files(plugin_files)
    rows = _suites() if kind is Kind.suites else _plugins(kind)
    if as_json:
        typer.echo(json.dumps({"schema": 1, kind.value: rows}, indent=1))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        summary = row.get("error") or row["summary"]
        origin = row.get("distribution", "")
        typer.echo(f"{row['name']:<{width}}  {summary}" + (f"  [{origin}]" if origin else ""))


def _plugins(kind: Kind) -> list[dict[str, Any]]:
    from lcd_plugin.errors import PluginError
    from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS

    registry: Any = {"methods": METHODS, "datasets": DATASETS, "encoders": ENCODERS}[kind.value]
    registry.probe(registry.names(), whole=False)
    rows = []
    for name in registry.names():
        row: dict[str, Any] = {"name": name}
        try:
            offer = registry.chosen(name)
            row |= registry.fields(name)
            row |= {"distribution": f"{offer.distribution} {offer.version}"}
        except PluginError as error:
            row["error"] = str(error)
        rows.append(row)
    return rows


def _suites() -> list[dict[str, Any]]:
    from lcd_plugin.bench.suite import bundled_suites, load_suite

    return [
        {"name": name, "summary": load_suite(name).description, "path": str(path)}
        for name, path in bundled_suites().items()
    ]
