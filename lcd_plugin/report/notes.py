"""Sentences that a reader of the leaderboard must know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """Lines that are means of fewer runs than others.

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
    few_subsets = sorted({name for lines in comparisons for name in _with_fewer_subsets(lines)})
    if few_subsets:
        notes.append(
            f"Some encoders were scored on fewer label subsets than the others of their "
            f"comparison: {', '.join(few_subsets)}."
        )
    return notes


def _with_fewer_subsets(lines: Sequence[tuple[str, Contender]]) -> list[str]:
    # Training from scratch takes its turn through the subsets, one a seed.
    frozen = [(name, c) for name, c in lines if c.kind != "supervised"]
    most = max((c.n_label_seeds for _, c in frozen), default=0)
    return [f"{name} ({c.n_label_seeds})" for name, c in frozen if c.n_label_seeds < most]


def machine_notes(rows: Iterable[Row]) -> list[str]:
    """Whether wall-times cannot be compared throughout."""
    machines = {row.machine for row in rows}
    if len(machines) < 2:
        return []
    return [f"Results come from {len(machines)} machines: compare wall-time within one only."]
