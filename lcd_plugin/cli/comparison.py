"""Two runs side by side in a terminal."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lcd_plugin.counted import counted
from lcd_plugin.report.compare.gate import line_name
from lcd_plugin.report.compare.model import (
    Change,
    LineDifference,
    RunComparison,
    Side,
    TimeDifference,
)
from lcd_plugin.report.differences import value_text
from lcd_plugin.report.figures import words
from lcd_plugin.report.model import METRIC_TITLES, UnfinishedCell
from lcd_plugin.report.plain_text import one_line

PIPED = 100  # columns where there is no terminal to ask
NAMED = 5  # of a list, before the rest is only counted
CHANGES = 25
MARKS = {"cannot be told apart": "=", "not tested": "?"}


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
        printer.console.print(_table(lines, printer))
    _print_summary(comparison, printer)
    printer.some("Only in A:", comparison.only_a)
    printer.some("Only in B:", comparison.only_b)
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


def _table(lines: Sequence[LineDifference], printer: _Printer) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\nmethod", overflow="fold", min_width=8)
    for head in ("\nlabels", "\nA", "\nB", "\nB - A", "95 % interval\nof B - A", "p\n(Holm)"):
        table.add_column(head, justify="right", no_wrap=True)
    spread = any(line.seed_std is not None for line in lines) and printer.console.width >= 90
    if spread:
        table.add_column("seed\nSD", justify="right", no_wrap=True)
    table.add_column("\nB is", no_wrap=True)
    for line in lines:
        table.add_row(
            printer.text(line_name(line)),
            words.share(line.label_fraction),
            _number(line.mean_a),
            _number(line.mean_b),
            _signed(line.difference),
            "" if math.isnan(line.ci_low) else f"{_signed(line.ci_low)} {_signed(line.ci_high)}",
            "" if line.p_holm is None else f"{line.p_holm:.3f}",
            *([] if not spread else ["" if line.seed_std is None else _number(line.seed_std)]),
            MARKS.get(line.verdict, line.verdict),
        )
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3f}"


def _print_summary(comparison: RunComparison, printer: _Printer) -> None:
    lines = comparison.lines
    counts = Counter(line.verdict for line in lines)
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    printer.console.print()
    printer.say(f"{counted(len(lines), 'line')} compared; B is: {shown}.", "bold")
    if any(line.p is not None for line in lines):
        printer.say(
            "= cannot be told apart (5 % level): paired permutation test over patients, corrected "
            "after Holm over all lines of a metric; it holds the trained encoders and label "
            "subsets as they are. Intervals: paired bootstrap over patients.",
            "dim",
        )
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
    if isinstance(change.a, list) and isinstance(change.b, list):
        only = {
            "only in A": [value_text(value) for value in change.a if value not in change.b],
            "only in B": [value_text(value) for value in change.b if value not in change.a],
        }
        if any(only.values()):
            shown = "; ".join(f"{where} {', '.join(own)}" for where, own in only.items() if own)
            return f"{change.name}: {shown}{of}"
    return f"{change.name}: {value_text(change.a)} -> {value_text(change.b)}{of}"


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
    outcome = "passed" if gate.passed else "failed"
    printer.say(f"Gate, no score lower by more than {gate.worse_by:g}: {outcome}.", "bold")
    for failure in gate.failures:
        printer.say(f"- {failure}")
    for note in gate.notes:
        printer.say(f"Note: {note}")
