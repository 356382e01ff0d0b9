"""`lcd-bench report`: the leaderboard and the page from results on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lcd_plugin.cli.ending import command
from lcd_plugin.report.options import FigureWidth, Format, Scores

if TYPE_CHECKING:
    from lcd_plugin.report.model import Leaderboard


@command
def report_command(
    outs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of `lcd-bench run`, put together; or one leaderboard.json.",
            metavar="OUT...",
            show_default=False,
        ),
    ],
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "-f",
            "--format",
            help="Formats; all but `figures` if none is given: SVG and PDF for a paper take some "
            "seconds.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Where to write; OUT/report for a single OUT, beside a leaderboard.json.",
        ),
    ] = None,
    scores: Annotated[
        Scores,
        typer.Option(help="Scores in text, md, latex and figures: 0.832 or 83.2."),
    ] = Scores.fraction,
    figure_width: Annotated[
        FigureWidth, typer.Option(help="Columns of a paper that a figure fills.")
    ] = FigureWidth.single,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the leaderboard as one JSON document.")
    ] = False,
) -> None:
    """Write index.html, leaderboard.md, .csv, .tex and .json, or figures, from results.

    Examples:
      lcd-bench report runs/ptbxl

      lcd-bench report alice/run bob/run -o together

      lcd-bench report runs/ptbxl -f latex -f figures --scores percent
    """
    from lcd_plugin.cli.tables import print_board
    from lcd_plugin.report.exports import to_json
    from lcd_plugin.report.write import FORMATS, write_report

    board, beside = _read(outs, folder)
    written = write_report(board, folder or beside, formats or FORMATS, scores, figure_width)
    if as_json:
        typer.echo(to_json(board))
        return
    print_board(board, scores)
    for path in written:
        typer.echo(str(path))


def _read(outs: list[Path], folder: Path | None) -> tuple[Leaderboard, Path]:
    """The leaderboard of some folders or of a document, and where its report goes by default."""
    from lcd_plugin.errors import ConfigError
    from lcd_plugin.report.leaderboard import build_leaderboard
    from lcd_plugin.report.model import Leaderboard

    documents = [out for out in outs if out.suffix == ".json"]
    if documents and len(outs) > 1:
        raise ConfigError(
            f"{documents[0]} is the document of a report, which cannot be put together with "
            f"others; give it alone, or the folders of the runs."
        )
    if documents:
        return Leaderboard.read(outs[0]), outs[0].parent
    if folder is None and len(outs) > 1:
        raise ConfigError("Several folders need a place for their report: give -o FOLDER.")
    return build_leaderboard(outs), outs[0] / "report"
