"""The summary of the page: what the rows say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import words
from lcd_plugin.report.model import LabelFactor, Row
from lcd_plugin.report.page.facts import Fact, facts_of, p_of_random
from lcd_plugin.report.page.groups import Comparison
from lcd_plugin.report.page.labels import labels_saved
from lcd_plugin.report.page.names import FEW, isolated, listed, told_in_short

MIN_SAVING = 1.0  # seconds: a smaller difference in wall-time is not worth a sentence


@dataclass(frozen=True)
class Summary:
    """Sentences about one comparison, with the names of its lines set bold.

    Attributes:
        lead: who is ahead, with all labels and under the first metric.
        more: against the baselines, with few labels, and what it cost.
        facts: the same in numbers (`facts_of`).
    """

    lead: Markup
    more: tuple[Markup, ...]
    facts: Mapping[str, Fact]


def summarise(group: Comparison, factors: Sequence[LabelFactor] = ()) -> Summary:
    """Says what a comparison shows, and what it does not show.

    Args:
        group: the comparison.
        factors: its label factors.
    """
    metric = group.metrics[0]
    fractions = group.fractions(metric)
    rows = _finite(group.select(metric, fractions[-1]))
    if not rows:
        lead = Markup("No line has a {} with {}.").format(
            words.metric_title(metric), words.labels(fractions[-1])
        )
        return Summary(lead, (), {})
    facts = facts_of(rows, group)
    pretrained = [row for row in rows if row.kind == "pretraining"]
    if rows[0].rank is None:  # nothing was tested, so nothing is said about who is better
        return Summary(_lead_of_error(rows[0], group), tuple(_cost(rows, group)), facts)
    more: list[Markup] = []
    for best in pretrained[:1]:
        more += _against_random(best, rows, group)
        more += _against_supervised(best, rows, group)
    more += _not_better_than_random(rows, pretrained[:1], group)
    if len(fractions) > 1:
        more += _few_labels(_finite(group.select(metric, fractions[0])), group)
    for best in pretrained[:1]:
        more += labels_saved(best, factors, _bold(best, group))
    more += _cost(rows, group)
    return Summary(_lead(rows, group), tuple(more), facts)


def _finite(rows: Iterable[Row]) -> list[Row]:
    """Rows with a mean: nothing is said of the others."""
    return [row for row in rows if math.isfinite(row.mean)]


def _name(row: Row, group: Comparison) -> str:
    return group.shown[row.place]


def _bold(row: Row, group: Comparison) -> Markup:
    return Markup("<b>{}</b>").format(isolated(_name(row, group)))


def _listed(rows: Iterable[Row], group: Comparison) -> Markup:
    return listed(_bold(row, group) for row in rows)


def _tied(row: Row, rows: Sequence[Row], group: Comparison) -> list[Row]:
    """Rows here that the row cannot be told apart from, best first."""
    return [other for other in rows if group.are_tied(row, other)]


def _tied_in_short(row: Row, rows: Sequence[Row], group: Comparison) -> Markup:
    """What a row cannot be told apart from; "" where that is nothing."""
    tied = _tied(row, rows, group)
    apart = [other for other in rows if other is not row and other not in tied]
    return told_in_short(
        [_bold(other, group) for other in tied],
        [_bold(other, group) for other in apart],
        f"the other {len(rows) - 1} lines",
    )


def _lead(rows: Sequence[Row], group: Comparison) -> Markup:
    best = rows[0]
    title, labels = words.metric_title(best.metric), words.labels(best.label_fraction)
    number = words.score_with_interval(best)
    if len(rows) == 1:
        return Markup("Only {} has a result: {} {} with {}. There is nothing to compare.").format(
            _bold(best, group), title, number, labels
        )
    tied = _tied_in_short(best, rows, group)
    if tied:
        return Markup(
            "{} has the highest {}, {} with {}, but cannot be told apart from {}."
        ).format(_bold(best, group), title, number, labels, tied)
    second = rows[1]
    return Markup("{} is ahead with a {} of {} with {}; next is {} at {}.").format(
        _bold(best, group), title, number, labels, _bold(second, group), words.score(second.mean)
    )


def _lead_of_error(best: Row, group: Comparison) -> Markup:
    return Markup("{} has the lowest {}, {} with {} ({}).").format(
        _bold(best, group),
        words.metric_title(best.metric),
        words.score(best.mean),
        words.labels(best.label_fraction),
        words.metric_remark(best.metric),
    )


def _against_random(best: Row, rows: Sequence[Row], group: Comparison) -> list[Markup]:
    random = group.own_random(best, rows)
    if random is None:
        if any(row.kind == "random" for row in rows):
            return []  # of other data or another pretraining dataset: it shows nothing
        return [
            Markup(
                "The <b>random</b> baseline has no result here, so nothing shows whether "
                "pretraining helped at all."
            )
        ]
    gap, tied = best.mean - random.mean, group.are_tied(best, random)
    if best.beats_random:
        text, said = "{} beats the untrained encoder {} ({}) by {}{}", words.score(gap)
    elif tied or gap > 0:
        text = "{} is not shown to beat the untrained encoder {} ({}): the difference is {}{}"
        said = words.difference(gap)
    else:
        text, said = "{} falls behind the untrained encoder {} ({}) by {}{}", words.score(-gap)
    p = f" ({p_of_random(best, rows)})" if best.p_random is not None else ""
    told = Markup(text).format(
        _bold(best, group), _bold(random, group), words.score(random.mean), said, p
    )
    if best.beats_random and tied:
        told += "; corrected for all pairs of lines, which are many more, the two stay tied"
    return [told + "."]


def _against_supervised(best: Row, rows: Sequence[Row], group: Comparison) -> list[Markup]:
    supervised = group.own_supervised(best, rows)
    if supervised is None:
        return []
    gap = best.mean - supervised.mean
    if group.are_tied(best, supervised):
        text = "{} and {} (from scratch, same labels: {}) cannot be told apart; the gap is {}."
    elif gap > 0:
        text = "{} is ahead of {} (from scratch on the same labels, {}) by {}."
    else:
        text = "{} falls behind {} (from scratch on the same labels, {}) by {}."
    return [
        Markup(text).format(
            _bold(best, group),
            _bold(supervised, group),
            words.score(supervised.mean),
            words.score(abs(gap)),
        )
    ]


def _not_better_than_random(
    rows: Sequence[Row], told: Sequence[Row], group: Comparison
) -> list[Markup]:
    """Tells the other lines that the random encoder is as good as."""
    failing = [row for row in rows if row.beats_random is False and row not in told]
    if not failing:
        return []
    if len(failing) > FEW:
        return [_mostly_not_better(rows, group)]
    verb = "is" if len(failing) == 1 else "are"
    also = "also " if any(row.beats_random is False for row in told) else ""
    return [Markup("{} {} {}not shown to beat random.").format(_listed(failing, group), verb, also)]


def _mostly_not_better(rows: Sequence[Row], group: Comparison) -> Markup:
    """How many lines `random` is as good as, and which it is not."""
    beaten = [row for row in rows if row.beats_random is False]
    better = [row for row in rows if row.beats_random]
    number = len(beaten) + len(better)
    if not better:
        return Markup("None of the {} lines beside random is shown to beat it.").format(number)
    said = told_in_short(
        [_bold(row, group) for row in beaten],
        [_bold(row, group) for row in better],
        f"the {number} lines beside random",
    )
    return said + Markup(" are not shown to beat it.")


def _few_labels(rows: Sequence[Row], group: Comparison) -> list[Markup]:
    """Who is ahead where labels are fewest."""
    if len(rows) < 2:
        return []
    best = rows[0]
    others = [row for row in rows[1:] if row.kind != "pretraining"]
    against = listed(
        Markup("{} for {}").format(words.score(row.mean), isolated(_name(row, group)))
        for row in others
    )
    start = Markup("With {} ({} records) {} {} at {}").format(
        words.labels(best.label_fraction),
        words.count(best.n_labels),
        _bold(best, group),
        "is highest" if best.tied_with else "is ahead",
        words.score(best.mean),
    )
    tied = _tied_in_short(best, rows, group)
    if tied:
        start += Markup(", not to be told apart from {}").format(tied)
    return [start + (Markup(", against {}.").format(against) if against else Markup("."))]


def _cost(rows: Sequence[Row], group: Comparison) -> list[Markup]:
    """What the best pretraining costs, and whether a cheaper one is as good."""
    pretrained = [row for row in rows if row.kind == "pretraining"]
    if not pretrained:
        return []
    best = pretrained[0]
    if not math.isfinite(best.pretrain_wall_s):
        return []
    said = Markup("Pretraining {} took {} a seed").format(
        _bold(best, group), words.duration(best.pretrain_wall_s)
    )
    if best.records_per_s is not None:
        said += Markup(" at {} records/s").format(words.count(best.records_per_s))
    said += Markup(" on {}.").format(best.machine)
    if len(group.machines) > 1:
        return [said + " Other rows come from other machines: times cannot be compared."]
    equal = _tied(best, pretrained, group)
    cheapest = min(equal, key=lambda row: row.pretrain_wall_s, default=best)
    if cheapest.pretrain_wall_s < best.pretrain_wall_s - MIN_SAVING:
        said += Markup(" {}, which it cannot be told apart from, took {}.").format(
            _bold(cheapest, group), words.duration(cheapest.pretrain_wall_s)
        )
    return [said]
