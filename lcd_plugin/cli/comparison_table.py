"""The lines of two runs side by side, in as many columns as a terminal has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from lcd_plugin.report.compare.model import Doubt, LineDifference
from lcd_plugin.report.figures import words

MARKS = {"cannot be told apart": "=", "not tested": "?"}
MARKS_OF_DOUBT: dict[Doubt, str] = {
    "": "", "no seed in common": "^", "fewer than 3 seeds": "!", "within seeds": "*"
}  # fmt: skip
NAME = 8  # columns that a name has at least; the rest of it goes on below


class _Column(NamedTuple):
    """A column: its title of two lines, its cells, and how much it is needed."""

    head: tuple[str, str]
    cells: list[str]
    needed: int

    @property
    def width(self) -> int:
        return max(map(len, (*self.head, *self.cells))) + 1


def difference_table(
    lines: Sequence[LineDifference], names: Mapping[int, Text], width: int
) -> tuple[Table, list[str]]:
    """The table, and the titles of columns that it has no room for.

    Args:
        lines: of one table.
        names: how they are called, by the `id` of each.
        width: columns of the terminal.
    """
    columns = [
        _Column(("", "labels"), [words.share(line.label_fraction) for line in lines], 9),
        _Column(("", "A"), [_number(line.mean_a) for line in lines], 3),
        _Column(("", "B"), [_number(line.mean_b) for line in lines], 4),
        _Column(("", "B - A"), [_signed(line.difference) for line in lines], 8),
        _Column(("95 % interval", "of B - A"), [_interval(line) for line in lines], 2),
        _Column(("p", "(Holm)"), ["" if x.p_holm is None else f"{x.p_holm:.3f}" for x in lines], 1),
        _Column(("seed", "SD"), [_spread(line) for line in lines], 7),
        _Column(("", "B is"), [_verdict(line) for line in lines], 9),
    ]
    left_out = []
    while len(columns) > 1 and NAME + 1 + sum(column.width for column in columns) > width:
        least = min(columns, key=lambda column: column.needed)
        columns.remove(least)
        left_out.append(" ".join(least.head).strip())
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\nmethod", overflow="fold", min_width=NAME)
    for column in columns[:-1]:
        table.add_column("\n".join(column.head), justify="right", no_wrap=True)
    table.add_column("\n".join(columns[-1].head), no_wrap=True)
    for index, line in enumerate(lines):
        table.add_row(names[id(line)], *(column.cells[index] for column in columns))
    return table, left_out


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3f}"


def _interval(line: LineDifference) -> str:
    return "" if math.isnan(line.ci_low) else f"{_signed(line.ci_low)} {_signed(line.ci_high)}"


def _spread(line: LineDifference) -> str:
    return "-" if line.seed_std is None else _number(line.seed_std)


def _verdict(line: LineDifference) -> str:
    return MARKS.get(line.verdict, line.verdict) + MARKS_OF_DOUBT[line.doubt]
