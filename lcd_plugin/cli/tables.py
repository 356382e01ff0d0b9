"""The leaderboard in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lcd_plugin.counted import counted
from lcd_plugin.report.exports.tables import (
    RANK,
    best_and_tied,
    factors_of,
    not_beating_random,
    number_text,
    rank_head,
    rank_text,
    ranked,
    seeds_text,
    short_factor,
    tables,
)
from lcd_plugin.report.figures import has_interval, place_of, series_names, words
from lcd_plugin.report.model import LabelFactor, Leaderboard, Place, Row
from lcd_plugin.report.options import Scores
from lcd_plugin.report.plain_text import one_line

PIPED = 100  # columns where there is no terminal to ask, so that they are the same everywhere
PROSE = 100  # columns of a sentence; longer lines are hard to read
NAME = 30  # columns that a long name may have before anything else makes room for it
GAP = 2

# A line below the head and nothing else, in characters that every terminal has.
RULED = Box("    \n    \n -- \n" + "    \n" * 5, ascii=True)
MARKS = {"best": "*", "tied": "~", None: " "}
# What columns are called where there is no room for them.
INTERVALS, FACTORS, TIME, SPEED = "intervals", "label factors", "time", "records/s"
SIGNS = {
    "*": "* best of a column",
    "~": "~ cannot be told apart from it",
    "=": "= cannot be told apart from another",
}


@dataclass(frozen=True)
class _Column:
    """A column of numbers.

    Attributes:
        head: its title, of two lines.
        cells: by line.
        called: what it holds, to be named where there is no room for it.
        needed: columns with a lower number make room first.
    """

    head: tuple[str, str]
    cells: Mapping[Place, str]
    called: str
    needed: float

    @property
    def width(self) -> int:
        return max(map(len, (*self.head, *self.cells.values())))

    def even(self, cell: str) -> str:
        return cell.rjust(self.width)


def print_board(board: Leaderboard, scores: Scores = Scores.fraction) -> None:
    """Print a table for every comparison, and what a reader must know beside it, on stdout.

    Nothing is cut: a column that has no room is named below its table, and a long name goes on
    in the next line (where the output is piped, its table is wider).
    """
    piped = not sys.stdout.isatty()
    console = _console(PIPED if piped and "COLUMNS" not in os.environ else None)
    shown: set[str] = set()
    for title, rows in tables(board):
        _say(title, console, "bold")
        factors = factors_of(board, rows)
        in_table, left_out = _print_table(rows, factors, scores, console, piped)
        shown |= in_table
        _say(_said(rows, factors if FACTORS in in_table else ()), console, "dim")
        if left_out:
            _say(f"No room for: {', '.join(left_out)}; they are in the report.", console, "dim")
        behind = not_beating_random(rows)
        if behind:
            _say(f"Not shown to beat a random encoder: {behind}", console)
        console.print()
    _say(_legend(shown, board) if board.rows else "There are no results yet.", console, "dim")
    for note in board.notes:
        _say(f"Note: {note}", console)
    absent = sum(cell.status == "unavailable" for cell in board.unfinished)
    if cells := len(board.unfinished) - absent:
        _say(f"{counted(cells, 'cell')} of the plan without a result; see the report.", console)
    if absent:
        _say(f"{absent} of the plan could not be used; see the report.", console)


def _console(width: int | None) -> Console:
    return Console(file=sys.stdout, width=width, highlight=False)


def _say(text: str, console: Console, style: str = "") -> None:
    console.print(Text(_safe(text, console), style), width=min(console.width, PROSE))


def _safe(text: str, console: Console) -> str:
    """Text in one line of characters that the terminal has."""
    return one_line(text).encode(console.encoding, "backslashreplace").decode(console.encoding)


def _said(rows: Sequence[Row], factors: Sequence[LabelFactor]) -> str:
    """What stands below a table; the label factors only where it has them."""
    said = f"{seeds_text(rows)}, {rows[0].n_test} test records"
    if len({row.place for row in rows}) > 1:
        said += f", {rank_head(rows)} of the labels"
    if factors:
        baseline = factors[0].baseline
        said += f"; factor: how many times as many labels {baseline} needs for the same score"
    return said


def _legend(shown: Collection[str], board: Leaderboard) -> str:
    """What the marks and columns mean, of those that are in a table."""
    said = [text for sign, text in SIGNS.items() if sign in shown]
    if said:
        said[-1] += (
            " (paired permutation test over patients, Holm, for these encoders and label subsets)"
        )
    said += ["^ baseline"] * any(row.kind != "pretraining" for row in board.rows)
    sentences = ["; ".join(said)] if said else []
    if "rank" in shown:
        sentences.append(f"Rank: {RANK}")
    if INTERVALS in shown:
        sentences.append("Interval: 95 %, bootstrap over patients")
    if {TIME, SPEED} & set(shown):
        scratch = any(row.kind == "supervised" for row in board.rows)
        told = ", for supervised training from scratch" if scratch else ""
        sentences.append(f"Time: pretraining{told}")
    sentences.append("The report has the other metrics, all intervals and the scores by class")
    return ". ".join(sentences) + "."


def _print_table(
    rows: Sequence[Row],
    factors: Sequence[LabelFactor],
    scores: Scores,
    console: Console,
    piped: bool,
) -> tuple[set[str], list[str]]:
    """Print the table.

    Returns:
        Signs and columns that it has, and columns that there was no room for.
    """
    fractions = sorted({row.label_fraction for row in rows})
    names, order = series_names(rows), ranked(rows)
    called = {
        row.place: _safe(names[row.place], console) + "^" * (row.kind != "pretraining")
        for row in order
    }
    ranks = {row.place: rank_text(row, fractions[-1]) for row in order}
    columns = _columns(rows, factors, scores)
    longest = max(map(cell_len, called.values()))
    fixed = max(map(len, (*ranks.values(), "rank"))) + GAP
    left_out = []
    while columns and fixed + min(longest, NAME) + _width(columns) > console.width:
        least = min(columns, key=lambda column: column.needed)
        columns.remove(least)
        left_out.append(least.called)
    if not piped:  # the name has what is left, and goes on in the next line
        longest = max(min(longest, console.width - fixed - _width(columns)), len("method"))
    table = Table(box=RULED, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\nrank", justify="right", no_wrap=True)
    table.add_column("\nmethod", overflow="fold", width=max(longest, len("method")))
    for column in columns:
        # Made even here, since rich would strip the blank where others have a mark.
        table.add_column("\n".join(map(column.even, column.head)), no_wrap=True)
    for row in order:
        style = "" if row.kind == "pretraining" else "dim"
        cells = [column.even(column.cells.get(row.place, "")) for column in columns]
        table.add_row(ranks[row.place], Text(called[row.place], style), *cells)
    wide = fixed + longest + _width(columns)
    (console if wide <= console.width else _console(wide)).print(table)
    written = "".join(cell for column in columns for cell in column.cells.values())
    shown = {sign for sign in SIGNS if sign in written + "".join(ranks.values())}
    ranked_lines = {"rank"} if len(order) > 1 else set()
    return shown | ranked_lines | {column.called for column in columns}, left_out


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width + GAP for column in columns)


def _columns(rows: Sequence[Row], factors: Sequence[LabelFactor], scores: Scores) -> list[_Column]:
    """All columns of numbers, from left to right."""
    largest, order = max(row.label_fraction for row in rows), ranked(rows)
    spans = {
        row.place: f"{number_text(row.ci_low, scores)}-{number_text(row.ci_high, scores)}"
        for row in rows
        if row.label_fraction == largest and has_interval(row)
    }
    times = {row.place: f"{row.pretrain_wall_s:,.1f}" for row in order}
    speeds = {row.place: f"{row.records_per_s:,.0f}" for row in order if row.records_per_s}
    columns = _score_columns(rows, scores)
    columns.append(_Column(("interval", f"at {words.share(largest)}"), spans, INTERVALS, 2))
    if factors:
        least = min(factor.label_fraction for factor in factors)
        short = {place_of(f): short_factor(f) for f in factors if f.label_fraction == least}
        columns.append(_Column(("factor", f"at {words.share(least)}"), short, FACTORS, 3))
    columns.append(_Column(("time", "s/seed"), times, TIME, 5))
    columns.append(_Column(("", "records/s"), speeds, SPEED, 1))
    return columns


def _score_columns(rows: Sequence[Row], scores: Scores) -> list[_Column]:
    """A column a label fraction, each score with its mark."""
    labels = {row.label_fraction: row.n_labels for row in rows}
    fractions, marks = sorted(labels), best_and_tied(rows)
    columns = []
    for place, fraction in enumerate(fractions):
        cells = dict.fromkeys((row.place for row in rows), "- ")
        for row in rows:
            if row.label_fraction == fraction:
                mark = MARKS[marks.get((row.place, fraction))]
                cells[row.place] = number_text(row.mean, scores) + mark
        head = f"{words.share(fraction)} ", f"{labels[fraction]} "
        # The largest fraction is needed most, then the smallest.
        needed = {0: 6.0, len(fractions) - 1: 7.0}.get(place, 4 + place / len(fractions))
        columns.append(_Column(head, cells, f"scores at {words.share(fraction)}", needed))
    return columns
