"""Two runs side by side in a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from lcd_plugin.cli.comparison_table import MARKS_OF_DOUBT, difference_table
from lcd_plugin.counted import counted
from lcd_plugin.report.compare.gate import line_name
from lcd_plugin.report.compare.model import (
    Change,
    Doubt,
    LineDifference,
    RunComparison,
    Side,
    TimeDifference,
)
from lcd_plugin.report.differences import value_text
from lcd_plugin.report.figures import words
from lcd_plugin.report.model import METRIC_TITLES
from lcd_plugin.report.plain_text import one_line
from lcd_plugin.report.run_record import UnfinishedCell

PIPED = 100  # columns where there is no terminal to ask
NAMED = 5  # of a list, before the rest is only counted
CHANGES = 25
IS_HASH, HASH = re.compile("[0-9a-f]{16,}"), 8  # characters of a hash that are shown
DOUBTS: dict[Doubt, str] = {
    "no seed in common": "no seed in common: nothing is paired, so it is of other seeds too",
    "fewer than 3 seeds": "fewer than 3 seeds in both runs: it may be of the seeds",
    "within seeds": "its seeds alone vary as much (t test over seeds, 5 % level)",
}


class _Printer:
    """Prints text from elsewhere as harmless lines, which no terminal breaks in two."""

    def __init__(self) -> None:
        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        self.console = Console(file=sys.stdout, width=PIPED if piped else None, highlight=False)

    def text(self, text: str, style: str = "") -> Text:
        """A text with nothing in it but what the terminal can show."""
        encoding = self.console.encoding
        return Text(one_line(text).encode(encoding, "backslashreplace").decode(encoding), style)

    def say(self, text: str, style: str = "") -> None:
        """Print a paragraph."""
        self.console.print(self.text(text, style), width=min(self.console.width, PIPED))

    def some(self, title: str, texts: Sequence[str], most: int = NAMED) -> None:
        """Print the first few of a list, and how many more there are."""
        if not texts:
            return
        self.say(title, "bold")
        for text in texts[:most]:
            self.say(f"- {text}")
        if len(texts) > most:
            self.say(f"- and {len(texts) - most:,} more; --json has all of them")


def print_comparison(comparison: RunComparison) -> None:
    """Print what is said of two runs on stdout."""
    printer = _Printer()
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        printer.say(f"{letter}: {_side_text(side)}")
    for (title, metric), lines in _tables(comparison.lines).items():
        printer.console.print()
        printer.say(f"{title}: {METRIC_TITLES[metric]}", "bold")
        _print_table(lines, printer)
    _print_summary(comparison, printer)
    for letter, own in (("A", comparison.lines_only_a), ("B", comparison.lines_only_b)):
        printer.some(f"Only in {letter}, {counted(len(own), 'line')}:", own)
    printer.some("Without a result in A:", _unfinished(comparison.unfinished_a))
    printer.some("Without a result in B:", _unfinished(comparison.unfinished_b))
    _print_changes(comparison, printer)
    _print_times(comparison, printer)
    _print_gate(comparison, printer)


def _side_text(side: Side) -> str:
    machines = f", on {' / '.join(side.machines)}" if side.machines else ""
    return f"{side.out} ({side.suite}, {counted(side.results, 'score')}, {side.created}{machines})"


def _tables(lines: Iterable[LineDifference]) -> dict[tuple[str, str], list[LineDifference]]:
    """Lines that can stand in one table, by its title and metric."""
    found: dict[tuple[str, str], list[LineDifference]] = {}
    for line in lines:
        leads = f", {words.leads(line.leads)}" if line.leads != "all" else ""
        title = f"{line.dataset} / {line.task}, {line.protocol}, {line.encoder}{leads}"
        found.setdefault((title, line.metric), []).append(line)
    return found


def _print_table(lines: Sequence[LineDifference], printer: _Printer) -> None:
    """The lines that are not the same, and how many are."""
    different = [line for line in lines if line.verdict != "same"]
    if different:
        names = {id(line): printer.text(line_name(line)) for line in different}
        table, left_out = difference_table(different, names, printer.console.width)
        printer.console.print(table)
        if left_out:
            printer.say(f"No room for: {', '.join(left_out)}; --json has all.", "dim")
    if len(different) < len(lines):
        same = counted(len(lines) - len(different), "line")
        printer.say(f"{same} with equal predictions in both.")


def _print_summary(comparison: RunComparison, printer: _Printer) -> None:
    lines = comparison.lines
    counts = Counter(line.verdict for line in lines)
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    printer.console.print()
    printer.say(f"{counted(len(lines), 'line')} compared; B is: {shown}.", "bold")
    if any(line.p is not None for line in lines):
        tied = "= cannot be told apart. " if counts["cannot be told apart"] else ""
        printer.say(
            f"{tied}Verdicts (5 % level): paired permutation test over patients, corrected "
            "after Holm over all lines of a metric; it holds the trained encoders and label "
            "subsets as they are. Intervals: paired bootstrap over patients, not corrected, so the "
            "two can disagree. Seed SD: of the "
            "difference.",
            "dim",
        )
    doubts = {line.doubt for line in lines if line.doubt}
    for doubt in DOUBTS:
        if doubt in doubts:
            printer.say(f"{MARKS_OF_DOUBT[doubt]} {DOUBTS[doubt]}.")
    untested = Counter(
        f"{line.reason} ({line.n_test_a:,} test records in A, {line.n_test_b:,} in B)"
        for line in lines
        if line.reason
    )
    for reason, number in untested.items():
        printer.say(f"? {counted(number, 'line')} not tested: {reason}.")
    apart = {
        (line.method, line.seeds, line.seeds_only_a, line.seeds_only_b): None
        for line in lines
        if line.seeds_only_a or line.seeds_only_b
    }
    printer.some("Seeds that are not in both runs:", [_seeds_text(*each) for each in apart])


def _seeds_text(
    method: str, both: Sequence[int], only_a: Sequence[int], only_b: Sequence[int]
) -> str:
    parts = [
        f"{where} {', '.join(map(str, seeds))}"
        for where, seeds in (("only in A", only_a), ("only in B", only_b))
        if seeds
    ]
    used = f"compared on {', '.join(map(str, both))}" if both else "none in both, so unpaired means"
    return f"{method}: {'; '.join(parts)}; {used}"


def _unfinished(cells: Iterable[UnfinishedCell]) -> list[str]:
    return [f"{cell.status}: {cell.title}: {cell.reason}" for cell in cells]


def _print_changes(comparison: RunComparison, printer: _Printer) -> None:
    changes = comparison.changes
    sections = {
        "Settings (A -> B):": (*changes.suite, *changes.settings),
        "Environment (A -> B):": changes.environment,
        "Data (A -> B):": changes.data,
    }
    printer.console.print()
    if not any(sections.values()):
        printer.say("Nothing else differs in settings, environment or data.")
    for title, own in sections.items():
        printer.some(title, [_change_text(change) for change in own], CHANGES)
    for note in changes.notes:
        printer.say(f"Note: {note}")


def _change_text(change: Change) -> str:
    of = f" ({', '.join(change.of)})" if change.of else ""
    for where, own, other in (("A", change.a, change.b), ("B", change.b, change.a)):
        if isinstance(own, dict) and other is None:
            return f"{change.name}: only in {where}, {counted(len(own), 'setting')}{of}"
    if isinstance(change.a, list) or isinstance(change.b, list):
        a, b = _as_list(change.a), _as_list(change.b)
        only = {
            "only in A": [_value_text(value) for value in a if value not in b],
            "only in B": [_value_text(value) for value in b if value not in a],
        }
        if a and b and any(only.values()):
            shown = "; ".join(f"{where} {', '.join(own)}" for where, own in only.items() if own)
            return f"{change.name}: {shown}{of}"
    return f"{change.name}: {_value_text(change.a)} -> {_value_text(change.b)}{of}"


def _as_list(value: Any) -> list[Any]:
    """A value among others; nothing where there is none."""
    return value if isinstance(value, list) else [value] * (value is not None)


def _value_text(value: Any) -> str:
    """A value; of a hash, such as that of data or of a commit, the beginning."""
    text = value_text(value)
    return text[:HASH] if isinstance(value, str) and IS_HASH.fullmatch(value) else text


def _print_times(comparison: RunComparison, printer: _Printer) -> None:
    times = comparison.times
    if times.lines or times.notes:
        printer.console.print()
        printer.say("Pretraining time on the same machine, B against A:", "bold")
    for line in times.lines:
        printer.say(f"- {_time_text(line)}")
    for note in times.notes:
        printer.say(note)


def _time_text(line: TimeDifference) -> str:
    name = line.method + (f" ({line.recipe})" if line.recipe else "")
    if line.same_results == line.n_seeds:
        return f"{name}, {line.encoder}: the very same pretrainings, measured once"
    spread = f" ({line.ratio_low:.2f}-{line.ratio_high:.2f})" if line.n_seeds > 1 else ""
    speed = (
        f", records/s x {line.records_per_s_ratio:.2f}"
        if line.records_per_s_ratio is not None
        else ""
    )
    return (
        f"{name}, {line.encoder}: seconds x {line.ratio:.2f}{spread}, {line.seconds_a:.1f} -> "
        f"{line.seconds_b:.1f}{speed}, {counted(line.n_seeds, 'seed')}"
    )


def _print_gate(comparison: RunComparison, printer: _Printer) -> None:
    gate = comparison.gate
    if gate is None:
        return
    printer.console.print()
    judged = counted(len(comparison.lines), "line")
    if gate.failures:
        printer.say(
            f"Gate, scores: failed. {len(gate.failures):,} of {judged} lower by more than "
            f"{gate.worse_by:g}, or without a test:",
            "bold",
        )
        for failure in gate.failures:
            printer.say(f"- {failure}")
    else:
        said = f"Gate, scores: passed. {judged}, none lower by more than {gate.worse_by:g}."
        printer.say(said, "bold")
    if gate.missing:
        outcome = "allowed" if gate.allow_missing else "failed"
        printer.say(f"Gate, what B lacks: {outcome}.", "bold")
        for missing in gate.missing:
            printer.say(f"- {missing}")
        if not gate.allow_missing:
            printer.say("Where B is meant to hold less, --allow-missing judges what both have.")
    else:
        printer.say("Gate, what B lacks: passed. It has all that A has.", "bold")
    for note in gate.notes:
        printer.say(f"Note: {note}")
