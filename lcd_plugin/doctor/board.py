"""The report's leaderboard: whether its rows are what the results give now."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.own_files import REPORT
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from lcd_plugin.report.model import Leaderboard, Row

BOARD = "leaderboard.json"
PATH = f"{REPORT}/{BOARD}"
REWRITE = "writes the report anew"
# Numbers of a row that are made anew to the last bit on one machine, and nearly so on another.
NUMBERS = ("mean", "ci_low", "ci_high", "n_seeds", "n_test", "rank")
NEARLY = 1e-6


def has_board(out: Path) -> bool:
    """Whether there is a leaderboard that is no link."""
    folder = out / REPORT
    return not folder.is_symlink() and (folder / BOARD).is_file()


def check_board(out: Path, there: Collection[str], build: bool) -> Iterator[Finding]:
    """What is wrong with the leaderboard of a folder.

    Args:
        out: the output folder.
        there: `kind/key` of the sound and complete results; or `kind` for all of a kind.
        build: whether it is made anew and compared, which costs seconds for a thousand results.
    """
    from lcd_plugin.report.leaderboard import build_leaderboard
    from lcd_plugin.report.model import Leaderboard

    try:
        board = Leaderboard.read(out / PATH)
    except DataError:
        message = "is no leaderboard of this version of lcd-bench"
        yield Finding("report", "problem", PATH, message, REWRITE, rewrite=True)
        return
    if len(board.runs) > 1:
        message = f"is of {len(board.runs)} runs together, and so not compared with these results"
        yield Finding("report-not-compared", "note", PATH, message)
        return
    gone = {name for row in board.rows for name in row.results if not _is_there(name, there)}
    if gone:
        rows = sum(any(name in gone for name in row.results) for row in board.rows)
        message = (
            f"stale: {_rows(rows)} of it {'is' if rows == 1 else 'are'} from results that are no "
            f"longer there, or no longer sound, such as {_end(sorted(gone)[0])}"
        )
        yield Finding("report", "problem", PATH, message, REWRITE, rewrite=True)
    elif not build:
        message = "not compared with what the results give now; --report does that"
        yield Finding("report-not-compared", "note", PATH, message)
    else:
        try:
            message = _stale(board, build_leaderboard([out]))
        except DataError:  # without a plan there is none, which is told of the plan
            return
        if message:
            yield Finding("report", "problem", PATH, message, REWRITE, rewrite=True)


def rewrite_report(out: Path) -> list[str]:
    """Write the formats anew that are there; the files written, relative to the folder.

    Raises:
        LcdBenchError: it cannot be made, or not be written.
    """
    from lcd_plugin.report.leaderboard import build_leaderboard
    from lcd_plugin.report.write import FORMATS, write_report

    folder = out / REPORT
    formats = [name for name, (file, _) in FORMATS.items() if (folder / file).is_file()]
    written = write_report(build_leaderboard([out]), folder, formats)
    return [path.relative_to(out).as_posix() for path in written]


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _end(name: str) -> str:
    return "/".join(name.split("/")[-2:])


def _is_there(name: str, there: Collection[str]) -> bool:
    # What stands before the last two is the folder's name, which may have changed since.
    end = _end(name)
    return end in there or end.partition("/")[0] in there


def _stale(board: Leaderboard, now: Leaderboard) -> str:
    """What of a leaderboard is not what the results give now; "" for nothing."""
    stored, made = _by_line(board.rows), _by_line(now.rows)
    differ = [(stored[line], made[line]) for line in stored if line in made]
    differ = [(old, new) for old, new in differ if _first_other(old, new)]
    said = []
    if differ:
        # Where a number differs, rather than where only a rank follows from another.
        old, new = min(differ, key=lambda rows: NUMBERS.index(_first_other(*rows)))
        name = _first_other(old, new)
        said.append(
            f"{_rows(len(differ))} of other numbers than its results give, such as {old.method} "
            f"at {100 * old.label_fraction:.4g}% of labels: {name} of {old.metric} "
            f"{_text(getattr(old, name))}, now {_text(getattr(new, name))}"
        )
    if gone := len(stored.keys() - made.keys()):
        said.append(f"{_rows(gone)} without results")
    if new_ones := len(made.keys() - stored.keys()):
        said.append(f"{_rows(new_ones)} too few")
    return "stale, or made by another version of lcd-bench: " + "; ".join(said) if said else ""


def _by_line(rows: Collection[Row]) -> Mapping[tuple[Any, ...], Row]:
    return {
        (
            *row.place, row.encoder, row.dataset, row.task, row.protocol, row.leads,
            row.label_fraction, row.metric,
        ): row
        for row in rows
    }  # fmt: skip


def _first_other(old: Row, new: Row) -> str:
    """The first number that two rows do not have in common; "" if they agree."""
    differ = (n for n in NUMBERS if not _same(getattr(old, n), getattr(new, n)))
    return next(differ, "")


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=NEARLY, abs_tol=NEARLY)


def _text(number: float | None) -> str:
    return "none" if number is None else f"{number:.4g}"
