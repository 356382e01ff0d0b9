"""The summary of the page: what the rows say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import LabelFactor, Place, Row
from lcd_plugin.report.page.facts import Fact, facts_of
from lcd_plugin.report.page.groups import Comparison, own_random
from lcd_plugin.report.page.labels import labels_saved
from lcd_plugin.report.page.names import FEW, isolated, listed, told_in_short

Names = Mapping[Place, str]

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
    names = series_names(group.rows)
    metric = group.metrics[0]
    fractions = group.fractions(metric)
    rows = group.select(metric, fractions[-1])
    if not math.isfinite(rows[0].mean):
        lead = Markup("No line has a {} with {}.").format(
            words.metric_title(metric), words.labels(fractions[-1])
        )
        return Summary(lead, (), {})
    facts = facts_of(rows, names)
    pretrained = [row for row in rows if row.kind == "pretraining"]
    if rows[0].rank is None:  # nothing was tested, so nothing is said about who is better
        return Summary(_lead_of_error(rows[0], names), tuple(_cost(rows, group, names)), facts)
    more: list[Markup] = []
    for best in pretrained[:1]:
        more += _against_random(best, rows, names)
        more += _against_supervised(best, rows, names)
    more += _not_better_than_random(rows, pretrained[:1], names)
    if len(fractions) > 1:
        more += _few_labels(group.select(metric, fractions[0]), names)
    for best in pretrained[:1]:
        more += labels_saved(best, factors, _bold(best, names))
    more += _cost(rows, group, names)
    return Summary(_lead(rows, names), tuple(more), facts)


def _name(row: Row, names: Names) -> str:
    return names[row.place]


def _bold(row: Row, names: Names) -> Markup:
    return Markup("<b>{}</b>").format(isolated(_name(row, names)))


def _listed(rows: Iterable[Row], names: Names) -> Markup:
    return listed(_bold(row, names) for row in rows)


def _is_tied(row: Row, other: Row, names: Names) -> bool:
    return _name(other, names) in row.tied_with


def _tied(row: Row, rows: Sequence[Row], names: Names) -> list[Row]:
    """Rows here that the row cannot be told apart from, best first."""
    return [other for other in rows if _is_tied(row, other, names)]


def _tied_in_short(row: Row, rows: Sequence[Row], names: Names) -> Markup:
    """What a row cannot be told apart from; "" where that is nothing."""
    tied = _tied(row, rows, names)
    apart = [other for other in rows if other is not row and other not in tied]
    return told_in_short(
        [_bold(other, names) for other in tied],
        [_bold(other, names) for other in apart],
        f"the other {len(rows) - 1} lines",
    )


def _lead(rows: Sequence[Row], names: Names) -> Markup:
    best = rows[0]
    title, labels = words.metric_title(best.metric), words.labels(best.label_fraction)
    number = words.score_with_interval(best)
    if len(rows) == 1:
        return Markup("Only {} has a result: {} {} with {}. There is nothing to compare.").format(
            _bold(best, names), title, number, labels
        )
    tied = _tied_in_short(best, rows, names)
    if tied:
        return Markup(
            "{} has the highest {}, {} with {}, but cannot be told apart from {}."
        ).format(_bold(best, names), title, number, labels, tied)
    second = rows[1]
    return Markup("{} is ahead with a {} of {} with {}; next is {} at {}.").format(
        _bold(best, names), title, number, labels, _bold(second, names), words.score(second.mean)
    )


def _lead_of_error(best: Row, names: Names) -> Markup:
    return Markup("{} has the lowest {}, {} with {} ({}).").format(
        _bold(best, names),
        words.metric_title(best.metric),
        words.score(best.mean),
        words.labels(best.label_fraction),
        words.metric_remark(best.metric),
    )


def _against_random(best: Row, rows: Sequence[Row], names: Names) -> list[Markup]:
    random = own_random(best, rows, names)
    if random is None:
        if any(row.kind == "random" for row in rows):
            return []  # of other data or another pretraining dataset: it shows nothing
        return [
            Markup(
                "The <b>random</b> baseline has no result here, so nothing shows whether "
                "pretraining helped at all."
            )
        ]
    gap, base = best.mean - random.mean, words.score(random.mean)
    if best.beats_random:
        text, said = "{} beats the untrained encoder of {} ({}) by {}.", words.score(gap)
    elif _is_tied(best, random, names):
        text = (
            "{} is not shown to beat {} ({}): the difference of {} cannot be told apart from none."
        )
        said = words.difference(gap)
    else:
        text, said = "{} does not beat {} ({}): the difference is {}.", words.difference(gap)
    return [Markup(text).format(_bold(best, names), _bold(random, names), base, said)]


def _against_supervised(best: Row, rows: Sequence[Row], names: Names) -> list[Markup]:
    supervised = next((row for row in rows if row.kind == "supervised"), None)
    if supervised is None:
        return []
    gap = best.mean - supervised.mean
    if _is_tied(best, supervised, names):
        text = "{} and {} (from scratch, same labels: {}) cannot be told apart; the gap is {}."
    elif gap > 0:
        text = "{} is ahead of {} (from scratch on the same labels, {}) by {}."
    else:
        text = "{} falls behind {} (from scratch on the same labels, {}) by {}."
    return [
        Markup(text).format(
            _bold(best, names),
            _bold(supervised, names),
            words.score(supervised.mean),
            words.score(abs(gap)),
        )
    ]


def _not_better_than_random(rows: Sequence[Row], told: Sequence[Row], names: Names) -> list[Markup]:
    """Tells the other lines that the random encoder is as good as."""
    failing = [row for row in rows if row.beats_random is False and row not in told]
    if not failing:
        return []
    if len(failing) > FEW:
        return [_mostly_not_better(rows, names)]
    verb = "is" if len(failing) == 1 else "are"
    also = "also " if any(row.beats_random is False for row in told) else ""
    return [Markup("{} {} {}not shown to beat random.").format(_listed(failing, names), verb, also)]


def _mostly_not_better(rows: Sequence[Row], names: Names) -> Markup:
    """How many lines `random` is as good as, and which it is not."""
    beaten = [row for row in rows if row.beats_random is False]
    better = [row for row in rows if row.beats_random]
    number = len(beaten) + len(better)
    if not better:
        return Markup("None of the {} other lines is shown to beat random.").format(number)
    said = told_in_short(
        [_bold(row, names) for row in beaten],
        [_bold(row, names) for row in better],
        f"the {number} other lines",
    )
    return said + Markup(" are not shown to beat random.")


def _few_labels(rows: Sequence[Row], names: Names) -> list[Markup]:
    """Who is ahead where labels are fewest."""
    if len(rows) < 2:
        return []
    best = rows[0]
    others = [row for row in rows[1:] if row.kind != "pretraining"]
    against = listed(
        Markup("{} for {}").format(words.score(row.mean), isolated(_name(row, names)))
        for row in others
    )
    start = Markup("With {} ({} records) {} {} at {}").format(
        words.labels(best.label_fraction),
        words.count(best.n_labels),
        _bold(best, names),
        "is highest" if best.tied_with else "is ahead",
        words.score(best.mean),
    )
    tied = _tied_in_short(best, rows, names)
    if tied:
        start += Markup(", not to be told apart from {}").format(tied)
    return [start + (Markup(", against {}.").format(against) if against else Markup("."))]


def _cost(rows: Sequence[Row], group: Comparison, names: Names) -> list[Markup]:
    """What the best pretraining costs, and whether a cheaper one is as good."""
    pretrained = [row for row in rows if row.kind == "pretraining"]
    if not pretrained:
        return []
    best = pretrained[0]
    said = Markup("Pretraining {} took {} a seed").format(
        _bold(best, names), words.duration(best.pretrain_wall_s)
    )
    if best.records_per_s is not None:
        said += Markup(" at {} records/s").format(words.count(best.records_per_s))
    said += Markup(" on {}.").format(best.machine)
    if len(group.machines) > 1:
        return [said + " Other rows come from other machines: times cannot be compared."]
    equal = _tied(best, pretrained, names)
    cheapest = min(equal, key=lambda row: row.pretrain_wall_s, default=best)
    if cheapest.pretrain_wall_s < best.pretrain_wall_s - MIN_SAVING:
        said += Markup(" {}, which it cannot be told apart from, took {}.").format(
            _bold(cheapest, names), words.duration(cheapest.pretrain_wall_s)
        )
    return [said]
