"""`lcd-bench report`: the leaderboard and the page from results on disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lcd_plugin.cli.ending import command


class Format(StrEnum):
    """Files that a report can be written as."""

    html = "html"
    md = "md"
    csv = "csv"
    json = "json"


@command
def report_command(
    outs: Annotated[
        list[Path],
        typer.Argument(help="Folders of `lcd-bench run`.", metavar="OUT...", show_default=False),
    ],
    formats: Annotated[
        list[Format] | None,
        typer.Option("-f", "--format", help="Formats; all if none is given."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write; OUT/report for a single OUT."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the leaderboard as one JSON document.")
    ] = False,
) -> None:
    """Write leaderboard.md, .csv, .json and index.html from results."""
    from lcd_plugin.cli.tables import print_board
    from lcd_plugin.errors import ConfigError
    from lcd_plugin.report.exports import to_json
    from lcd_plugin.report.leaderboard import build_leaderboard
    from lcd_plugin.report.write import FORMATS, write_report

    if folder is None and len(outs) > 1:
        raise ConfigError("Several folders need a place for their report: give -o FOLDER.")
    board = build_leaderboard(outs)
    names = [f.value for f in formats] if formats else list(FORMATS)
    written = write_report(board, folder or outs[0] / "report", names)
    if as_json:
        typer.echo(to_json(board))
        return
    print_board(board)
    for path in written:
        typer.echo(str(path))
