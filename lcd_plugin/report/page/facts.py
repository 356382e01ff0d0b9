"""The few numbers on top of the page: who is ahead, by how much, is it real, what did it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import lower_is_better, words
from lcd_plugin.report.model import Row
from lcd_plugin.report.page.groups import Comparison
from lcd_plugin.report.page.names import isolated


@dataclass(frozen=True)
class Fact:
    """A number with what it is of and what to keep in mind.

    Attributes:
        label: what it is.
        value: the number, or a name.
        note: what a reader must not overlook.
    """

    label: Markup
    value: Markup
    note: Markup


def facts_of(rows: Sequence[Row], group: Comparison) -> dict[str, Fact]:
    """The facts of one comparison at one fraction under one metric.

    Args:
        rows: of it, those with a mean, best first; at least one.
        group: the comparison.

    Returns:
        `highest`, `real`, `random`, `supervised` and `cost`; without those that have no number.
    """
    best = rows[0]
    facts = {"highest": _highest(best, group)}
    if best.rank is not None and len(rows) > 1:
        facts["real"] = _real(best, rows, group)
    pretrained = next((row for row in rows if row.kind == "pretraining"), None)
    if pretrained is None:
        return facts
    if best.rank is not None:
        random = group.own_random(pretrained, rows)
        if random is not None:
            facts["random"] = _over_random(pretrained, random, rows, group)
        scratch = group.own_supervised(pretrained, rows)
        if scratch is not None:
            facts["supervised"] = _over(pretrained, scratch, group)
    if not math.isfinite(pretrained.pretrain_wall_s):
        return facts
    facts["cost"] = Fact(
        Markup("Pretraining of {}").format(_name(pretrained, group)),
        Markup("{} a seed").format(words.duration(pretrained.pretrain_wall_s)),
        Markup("" if pretrained.records_per_s is None else "{} records/s").format(
            words.count(pretrained.records_per_s)
        ),
    )
    return facts


def _name(row: Row, group: Comparison) -> Markup:
    return isolated(group.shown[row.place])


def _highest(best: Row, group: Comparison) -> Fact:
    sense = "Lowest" if lower_is_better(best.metric) else "Highest"
    return Fact(
        Markup("{} {}, {}").format(
            sense, words.metric_title(best.metric), words.labels(best.label_fraction)
        ),
        _name(best, group),
        Markup("{}{}").format(
            words.score_with_interval(best), "" if best.kind == "pretraining" else ", a baseline"
        ),
    )


def _real(best: Row, rows: Sequence[Row], group: Comparison) -> Fact:
    others, tied = len(rows) - 1, sum(group.are_tied(best, row) for row in rows)
    if others == 1:
        value = "Tied with the other" if tied else "Ahead of the other"
    else:
        value = f"Tied with {tied} of {others}" if tied else f"Ahead of all {others}"
    spread = "" if best.seed_std is None else f", \u00b1\u00a0{words.score(best.seed_std)}"
    seeds = (
        "one seed: luck of training not known"
        if best.n_seeds == 1
        else f"{best.n_seeds} seeds{spread}"
    )
    return Fact(
        Markup("Is it real?"),
        Markup("{}").format(value),
        Markup("{} test records, {}").format(words.count(best.n_test), seeds),
    )


def p_of_random(row: Row, rows: Sequence[Row]) -> str:
    """The p-value against its own `random`, and how many are corrected for together.

    Args:
        row: one that has been tested.
        rows: of its comparison at one fraction under one metric.
    """
    if row.p_random is None:
        return ""
    number = sum(other.p_random is not None for other in rows)
    family = f" over the {number} lines against random" if number > 1 else ""
    return f"{words.p_said(row.p_random)}{family}"


def _over_random(row: Row, random: Row, rows: Sequence[Row], group: Comparison) -> Fact:
    """How far a line is above its `random`, and whether that is shown."""
    shown = "shown to beat it" if row.beats_random else "not shown to beat it"
    note = Markup("{}").format(", ".join(filter(None, [shown, p_of_random(row, rows)])))
    return Fact(*_difference(row, random, group), note)


def _over(row: Row, other: Row, group: Comparison) -> Fact:
    """How far a line is above a baseline, and whether the test over all pairs sees it."""
    tied = group.are_tied(row, other)
    note = Markup("{}").format("cannot be told apart" if tied else "a difference at p < 0.05")
    return Fact(*_difference(row, other, group), note)


def _difference(row: Row, other: Row, group: Comparison) -> tuple[Markup, Markup]:
    return (
        Markup("{} over {}").format(_name(row, group), _name(other, group)),
        Markup("{}").format(words.difference(row.mean - other.mean)),
    )
