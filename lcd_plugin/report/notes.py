"""Sentences that a reader of the leaderboard must know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from lcd_plugin.counted import counted
from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import Table, fraction_of, label_seed_of, settings_behind
from lcd_plugin.report.contenders import Contender
from lcd_plugin.report.differences import differing, flatten, value_text
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.run_record import DataSummary

# Settings that a note on lines of one method names.
SETTINGS = 4


def class_notes(rows: Iterable[Row], data: Iterable[DataSummary]) -> list[str]:
    """Classes that were not scored."""
    scored = {(row.dataset.partition("@")[0], row.task) for row in rows}
    found = [
        f"{summary.dataset} / {task}: not scored, since the training part has no record with the "
        f"class, or none without: {', '.join(classes)}."
        for summary in data
        for task, classes in summary.classes_left_out.items()
        if (summary.dataset, task) in scored
    ]
    # Recipes that prepare a dataset in several ways leave out the same classes of each.
    return list(dict.fromkeys(found))


def seed_notes(comparisons: Sequence[Sequence[tuple[str, Contender]]]) -> list[str]:
    """Lines that are means over fewer seeds than others, or over other label subsets.

    Args:
        comparisons: the lines of every comparison with their names.
    """
    notes = []
    lines = [line for comparison in comparisons for line in comparison]
    most = max((c.n_seeds for _, c in lines), default=0)
    fewer = sorted({f"{name} ({c.n_seeds})" for name, c in lines if c.n_seeds < most})
    if fewer:
        notes.append(
            f"Some scores are means of fewer than {most} seeds, so their comparisons mix seeds "
            f"with methods: {', '.join(fewer)}."
        )
    others = sorted({name for lines in comparisons for name in _with_other_subsets(lines)})
    if others:
        notes.append(
            f"Some lines were not scored on the same label subsets, equally often, as the others "
            f"of their comparison, so that differences mix subsets with methods: "
            f"{', '.join(others)}."
        )
    return notes


def _with_other_subsets(lines: Sequence[tuple[str, Contender]]) -> list[str]:
    """Lines whose label seeds, or their weights in the mean, are not those of most lines."""
    weights = {name: _label_seed_weights(c) for name, c in lines}
    if not weights or fraction_of(lines[0][1].runs[0]) >= 1:
        return []  # all labels are the same records under every seed
    counts = Counter(weights.values())
    # Where there are as many lines on either side, those on more subsets are the rule.
    usual = max(counts, key=lambda own: (counts[own], len(own)))
    return [
        f"{name} ({', '.join(f'subset {seed} {float(share):.0%}' for seed, share in sorted(own))})"
        for name, own in weights.items()
        if own != usual
    ]


def _label_seed_weights(line: Contender) -> frozenset[tuple[int, Fraction]]:
    """Share of the runs of a line that each label seed has."""
    counts = Counter(label_seed_of(run) for run in line.runs)
    return frozenset((seed, Fraction(n, len(line.runs))) for seed, n in counts.items())


def table_notes(tables: Iterable[Table]) -> list[str]:
    """Datasets with several sets of test records, and methods under several settings."""
    tables = list(tables)
    return [*_records_notes(tables), *dict.fromkeys(n for t in tables for n in _settings_notes(t))]


def _records_notes(tables: Iterable[Table]) -> Iterator[str]:
    sets: dict[tuple[str, str], dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for run in (run for runs in table.lines.values() for run in runs):
            sets[run.cell.dataset, table.task][table.dataset].append(run)
    for (dataset, task), by_name in sets.items():
        if len(by_name) > 1:
            shown = "; ".join(
                f"{name} has {counted(len(runs[0].patients), 'record')} "
                f"({', '.join(dict.fromkeys(run.out for run in runs))})"
                for name, runs in by_name.items()
            )
            yield (
                f"{dataset} / {task}: the results are of {len(by_name)} sets of test records, "
                f"which cannot be compared with each other: {shown}."
            )


def _settings_notes(table: Table) -> Iterator[str]:
    variants: dict[Place, dict[str, Scored]] = defaultdict(dict)
    for place, runs in table.lines.items():
        if place.method != runs[0].cell.method:
            variants[place._replace(method=runs[0].cell.method)][place.method] = runs[0]
    for place, by_name in variants.items():
        found = differing(
            flatten(s["pretraining"]) | flatten(s["own"])
            for s in map(settings_behind, by_name.values())
        )
        some = [
            f"{name} ({', '.join(map(value_text, values))})"
            for name, values in list(found.items())[:SETTINGS]
        ]
        more = len(found) - len(some)
        yield (
            f"{', '.join(by_name)}: {place.method} under different settings, each a line of its "
            f"own: {', '.join(some)}{f', and {more} more' if more else ''}."
        )


def machine_notes(rows: Iterable[Row]) -> list[str]:
    """Whether wall-times cannot be compared throughout."""
    machines = {row.machine for row in rows}
    if len(machines) < 2:
        return []
    return [f"Results come from {len(machines)} machines: compare wall-time within one only."]
