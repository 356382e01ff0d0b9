"""`lcd-bench data prepare`: records into a store, before any run needs it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lcd_plugin.cli.data.chosen import chosen_suite
from lcd_plugin.cli.ending import command
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files


@command
def prepare_command(
    datasets: Annotated[
        list[str],
        typer.Argument(help="Datasets and where they lie.", metavar="NAME[=FOLDER]..."),
    ],
    suite: Annotated[
        str | None, typer.Option("--suite", help="Prepare as this suite will read them.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as data.rate=250."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many records.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes; one for each core.")
    ] = None,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read, check and shape records into a store; a run then begins at once.

    Killed at any moment, the same command goes on where it was.

    Examples:
      lcd-bench data prepare ptbxl=FOLDER

      lcd-bench data prepare ludb chapman --suite transfer
    """
    from lcd_plugin.bench.datasets import open_store, summary
    from lcd_plugin.cli.progress import preparing

    add_plugin_files(plugin_files)
    chosen = chosen_suite(datasets, suite, assignments, limit)
    done = []
    with preparing() as progress:
        for name in chosen.datasets:
            store = open_store(name, chosen, progress, jobs)
            done.append((store, summary(store)))
    if as_json:
        entries = [{"path": str(store.path), **said} for store, said in done]
        typer.echo(json.dumps({"schema": 1, "stores": entries}, indent=1))
        return
    for store, said in done:
        shape = " x ".join(str(n) for n in store.signals.shape)
        parts = ", ".join(
            f"{split} {said[f'n_{split}']:,}" for split in ("train", "validation", "test")
        )
        typer.echo(f"{said['dataset']}: {shape} (rows, leads, samples): {parts}")
        typer.echo(f"  left out: {said['n_left_out']:,}, findings: {len(store.quality):,}")
        typer.echo(f"  {store.path}")
