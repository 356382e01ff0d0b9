"""The few numbers on top of the page: who is ahead, by how much, is it real, what did it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import lower_is_better, words
from lcd_plugin.report.model import Place, Row
from lcd_plugin.report.page.groups import own_random
from lcd_plugin.report.page.names import isolated

Names = Mapping[Place, str]


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


def facts_of(rows: Sequence[Row], names: Names) -> dict[str, Fact]:
    """The facts of one comparison at one fraction under one metric.

    Args:
        rows: of it, best first; at least one.
        names: how the lines are called.

    Returns:
        `highest`, `real`, `random`, `supervised` and `cost`; without those that have no number.
    """
    best = rows[0]
    facts = {"highest": _highest(best, names)}
    if best.rank is not None and len(rows) > 1:
        facts["real"] = _real(best, rows)
    pretrained = next((row for row in rows if row.kind == "pretraining"), None)
    if pretrained is None:
        return facts
    if best.rank is not None:
        random = own_random(pretrained, rows, names)
        if random is not None:
            facts["random"] = _over(pretrained, random, names)
        scratch = next((row for row in rows if row.kind == "supervised"), None)
        if scratch is not None:
            facts["supervised"] = _over(pretrained, scratch, names)
    facts["cost"] = Fact(
        Markup("Pretraining of {}").format(_name(pretrained, names)),
        Markup("{} a seed").format(words.duration(pretrained.pretrain_wall_s)),
        Markup("" if pretrained.records_per_s is None else "{} records/s").format(
            words.count(pretrained.records_per_s)
        ),
    )
    return facts


def _name(row: Row, names: Names) -> Markup:
    return isolated(names[row.place])


def _highest(best: Row, names: Names) -> Fact:
    sense = "Lowest" if lower_is_better(best.metric) else "Highest"
    return Fact(
        Markup("{} {}, {}").format(
            sense, words.metric_title(best.metric), words.labels(best.label_fraction)
        ),
        _name(best, names),
        Markup("{}{}").format(
            words.score_with_interval(best), "" if best.kind == "pretraining" else ", a baseline"
        ),
    )


def _real(best: Row, rows: Sequence[Row]) -> Fact:
    others, tied = len(rows) - 1, len(best.tied_with)
    value = f"Tied with {tied} of {others}" if tied else f"Ahead of {'all ' * (others > 1)}{others}"
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


def _over(row: Row, other: Row, names: Names) -> Fact:
    """How far a line is above a baseline, and whether the test sees a difference."""
    if names[other.place] in row.tied_with:
        note = "cannot be told apart"
    elif other.kind == "random" and row.beats_random is False:
        note = "not shown to beat it"
    else:
        note = "a difference at p < 0.05"
    return Fact(
        Markup("{} over {}").format(_name(row, names), _name(other, names)),
        Markup("{}").format(words.difference(row.mean - other.mean)),
        Markup("{}").format(note),
    )
