"""The leaderboard in a terminal."""

from __future__ import annotations

import math
import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lcd_plugin.report.exports import (
    not_beating_random,
    rank_head,
    rank_text,
    ranked,
    seeds_text,
    tables,
)
from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import Leaderboard, Row

# With more label fractions than these there is no room for the speed, nor for any interval but that
# of the largest fraction.
FULL = 3


def print_board(board: Leaderboard) -> None:
    """Print a table for every comparison, and what a reader must know beside it, on stdout."""
    # Without a terminal there is no width to keep to, and none to wrap at.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 100, highlight=False)
    if not board.rows:
        console.print("There are no results yet.")
    for title, rows in tables(board):
        console.print(_table(title, rows))
        first = rows[0]
        console.print(
            f"{seeds_text(rows)}, {first.n_test} test records, 95 % bootstrap interval over "
            f"patients; = cannot be told apart from another (paired permutation test over "
            f"patients, Holm; of these encoders and label subsets)",
            style="dim",
        )
        behind = not_beating_random(rows)
        if behind:
            console.print(
                Text(f"Not shown to be better than a random encoder: {', '.join(behind)}")
            )
    for note in board.notes:
        console.print(Text(f"Note: {note}"))
    if board.unfinished:
        console.print(f"{len(board.unfinished)} cells of the plan have no result; see the report.")


def _table(title: str, rows: list[Row]) -> Table:
    fractions = sorted({row.label_fraction for row in rows})
    labels = {row.label_fraction: row.n_labels for row in rows}
    table = Table(
        title=Text(title),
        box=box.SIMPLE,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column(rank_head(rows).replace(" at ", "\nat "), justify="right")
    table.add_column("method", no_wrap=True)
    full = fractions if len(fractions) <= FULL else fractions[-1:]
    for fraction in fractions:
        unit = " labels" if fraction in full else ""
        table.add_column(f"{words.share(fraction)}\n{labels[fraction]}{unit}", justify="right")
    table.add_column("pretraining\ns a seed", justify="right")
    if full == fractions:
        table.add_column("records/s", justify="right")
    names = series_names(rows)
    by_place = {(row.place, row.label_fraction): row for row in rows}
    for best in ranked(rows):
        name = Text(names[best.place], style="" if best.kind == "pretraining" else "dim")
        scores = [_score(by_place.get((best.place, f)), f in full) for f in fractions]
        wall = "" if best.kind == "supervised" else f"{best.pretrain_wall_s:.1f}"
        speed = f"{best.records_per_s:,.0f}" if best.records_per_s else ""
        cost = [wall, speed] if full == fractions else [wall]
        table.add_row(rank_text(best, fractions[-1]), name, *scores, *cost)
    return table


def _score(row: Row | None, full: bool) -> Text:
    if row is None:
        return Text("-")
    mean = f"{row.mean:.3f}"
    if not full or not math.isfinite(row.ci_low):
        return Text(mean)
    return Text.assemble(f"{mean}\n", (f"{row.ci_low:.3f}-{row.ci_high:.3f}", "dim"))
