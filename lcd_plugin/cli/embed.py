"""`lcd-bench embed`: features of records from an encoder that was trained before."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lcd_plugin.cli.ending import CELLS_FAILED, command, say
from lcd_plugin.cli.own_stdout import own_stdout
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@command
def embed_command(
    records: Annotated[
        list[str],
        typer.Argument(
            help="WFDB records, folders, lists with a record a line, or datasets (NAME[=FOLDER]).",
            metavar="RECORDS...",
            show_default=False,
        ),
    ],
    encoder: Annotated[
        Path, typer.Option("-e", "--encoder", help="The encoder.safetensors of a run.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--output", help="Features as .parquet, .csv or .npz.")
    ],
    leads: Annotated[
        str | None,
        typer.Option(
            help="Leads that the encoder is shown, such as II,V5 or 12; those of its training."
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as data.shorter=pad."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes that read; one for each core."),
    ] = None,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the features of records, a row for each; what cannot be read is named and left out.

    Examples:
      lcd-bench embed my-records --encoder encoder.safetensors -o features.parquet

      lcd-bench embed ptbxl=FOLDER --encoder encoder.safetensors -o features.npz

      lcd-bench embed holter/100 --leads II,V5 --encoder encoder.safetensors -o features.csv
    """
    from lcd_plugin.cli.progress import preparing
    from lcd_plugin.errors import DataError
    from lcd_plugin.explain.as_trained import leads_named
    from lcd_plugin.explain.feature_files import writing_features
    from lcd_plugin.explain.features import plan_embedding
    from lcd_plugin.explain.records import printable

    add_plugin_files(plugin_files)
    chosen = None if leads is None else leads_named(leads)
    left_out: list[tuple[str, str]] = []
    done = rows = 0
    with own_stdout():
        plan = plan_embedding(records, encoder, chosen, device.value, assignments or ())
        total = plan.n_records
        with writing_features(out, plan.columns) as file, preparing("embedding") as progress:
            what = records[0] if len(records) == 1 else "all that is named"
            progress(what, 0, total)
            for batch in plan.batches(jobs):
                file.add(batch)
                left_out += batch.left_out
                for name, reason in batch.left_out:
                    say(f"{printable(name)} is left out: {printable(reason)}")
                done, rows = done + batch.n_records, rows + len(batch.records)
                progress(what, done, total)
            if any(reason.startswith("too few leads") for _, reason in left_out):
                say("With leads that these records lack, give --leads those that they have.")
            if not rows:
                raise DataError(
                    f"None of {total} records can be embedded, for the reasons above; "
                    f"{out.name} was not written."
                )
    width = len(plan.columns)
    if as_json:
        document = {
            "schema": 1,
            "file": str(out),
            "n_records": total - len(left_out),
            "rows": rows,
            "features": width,
            "leads": list(plan.data.leads),
            "encoder": plan.encoder.notes,
            "left_out": [{"record": name, "reason": reason} for name, reason in left_out],
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(f"{out}: {rows:,} rows x {width} features of {', '.join(plan.data.leads)}")
    if left_out:
        say(f"{len(left_out):,} of {total:,} records are left out.")
        raise typer.Exit(CELLS_FAILED)
