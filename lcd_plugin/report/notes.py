"""Sentences that a reader of the leaderboard must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from lcd_plugin.report.comparisons import fraction_of, label_seed_of
from lcd_plugin.report.contenders import Contender
from lcd_plugin.report.model import DataSummary, Row


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


def machine_notes(rows: Iterable[Row]) -> list[str]:
    """Whether wall-times cannot be compared throughout."""
    machines = {row.machine for row in rows}
    if len(machines) < 2:
        return []
    return [f"Results come from {len(machines)} machines: compare wall-time within one only."]
