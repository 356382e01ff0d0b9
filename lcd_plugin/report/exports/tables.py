"""What the tables of all exports and of the terminal have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from lcd_plugin.report.figures import has_interval, merit, series_names, words
from lcd_plugin.report.model import METRIC_TITLES, LabelFactor, Leaderboard, Place, Row
from lcd_plugin.report.options import Scores
from lcd_plugin.report.page.groups import key_of
from lcd_plugin.report.plain_text import one_line

Mark = Literal["best", "tied"]
RANK = "1 + the number of lines shown to be better"


def tables(board: Leaderboard, metric: str = "auroc") -> Iterable[tuple[str, list[Row]]]:
    """Rows of one metric by dataset, task, encoder, protocol and leads, with a title."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in board.rows:
        if row.metric == metric:
            groups.setdefault(key_of(row), []).append(row)
    for (dataset, task, encoder, protocol, leads), rows in groups.items():
        title = f"{dataset} / {task}: {METRIC_TITLES[metric]}, {protocol}, {encoder}"
        yield title + (f", {words.leads(leads)}" if leads != "all" else ""), rows


def ranked(rows: Sequence[Row]) -> list[Row]:
    """A row of every line: those at the largest fraction, best first, then what lacks it."""
    most: dict[Place, Row] = {}
    for row in rows:
        if row.place not in most or row.label_fraction > most[row.place].label_fraction:
            most[row.place] = row
    return sorted(
        most.values(), key=lambda row: (-row.label_fraction, math.isnan(row.mean), -row.mean)
    )


def best_and_tied(rows: Sequence[Row]) -> dict[tuple[Place, float], Mark]:
    """The best of every label fraction, and what the test cannot tell apart from it.

    Args:
        rows: of one comparison and metric; a fraction with one line alone has no best.
    """
    names = series_names(rows)
    marks: dict[tuple[Place, float], Mark] = {}
    for fraction in {row.label_fraction for row in rows}:
        own = [row for row in rows if row.label_fraction == fraction and math.isfinite(row.mean)]
        if len(own) < 2:
            continue
        best = max(own, key=lambda row: merit(row.metric, row.mean))
        for row in own:
            if names[row.place] in best.tied_with:
                marks[row.place, fraction] = "tied"
        marks[best.place, fraction] = "best"
    return marks


def not_beating_random(rows: Sequence[Row], written: Callable[[str], str] = str) -> str:
    """What is not shown to beat `random` at the largest fraction; "" where everything is.

    Where that is more than half of the lines, it is said of which it is not.

    Args:
        rows: of one comparison and metric.
        written: how a name is written.
    """
    names, largest = series_names(rows), _largest(rows)
    tested = [
        row
        for row in ranked(rows)
        if row.label_fraction == largest and row.beats_random is not None
    ]
    behind, ahead = (
        [written(names[row.place]) for row in tested if row.beats_random is beats]
        for beats in (False, True)
    )
    if len(behind) <= max(len(ahead), 2):
        return ", ".join(behind)
    return f"all but {words.listing(ahead)}" if ahead else f"all {len(behind)} lines beside it"


def baselines(rows: Sequence[Row]) -> list[str]:
    """Names of the lines that no method pretrained, best first."""
    names = series_names(rows)
    return [names[row.place] for row in ranked(rows) if row.kind != "pretraining"]


def rank_head(rows: Sequence[Row]) -> str:
    """Title of the column of ranks: `rank at 100%`."""
    return f"rank at {words.share(_largest(rows))}"


def rank_text(row: Row, largest: float) -> str:
    """The rank, with `=` where another method cannot be told apart from this one.

    Args:
        row: of the line, at the largest fraction that it has.
        largest: fraction that the ranks are of.
    """
    return "-" if row.rank is None or row.label_fraction < largest else words.standing(row)


def _largest(rows: Sequence[Row]) -> float:
    return max(row.label_fraction for row in rows)


def times_said(rows: Sequence[Row]) -> str:
    """What the times and speeds of a table are of, and where they were taken."""
    machines = list(dict.fromkeys(one_line(row.machine) for row in rows))
    scratch = any(row.kind == "supervised" for row in rows)
    apart = ", which cannot be compared" if len(machines) > 1 else ""
    return (
        f"pretraining of a seed{', for supervised its training from scratch' if scratch else ''}, "
        f"on {' and on '.join(machines)}{apart}"
    )


def seeds_text(rows: Sequence[Row]) -> str:
    """`3 seeds`, or `1 to 3 seeds` where methods have not equally many."""
    least, most = min(row.n_seeds for row in rows), max(row.n_seeds for row in rows)
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"{count} seed{'s' * (most > 1)}"


def number_text(value: float, scores: Scores) -> str:
    """A score, or a difference of scores without a sign: `0.832`, or `83.2` as a percentage."""
    if scores is Scores.percent and math.isfinite(value):
        return f"{100 * value:.1f}"
    return words.score(value)


def interval_text(row: Row, scores: Scores) -> str:
    """`[0.801, 0.861]`; "" where there is none."""
    if not has_interval(row):
        return ""
    return f"[{number_text(row.ci_low, scores)}, {number_text(row.ci_high, scores)}]"


def score_text(row: Row, scores: Scores) -> str:
    """`0.832 [0.801, 0.861]`, without the interval where there is none."""
    return f"{number_text(row.mean, scores)} {interval_text(row, scores)}".rstrip()


def factors_of(board: Leaderboard, rows: Sequence[Row]) -> list[LabelFactor]:
    """Label factors of one comparison against `supervised`, or else against `random`."""
    own = [factor for factor in board.label_factors if key_of(factor) == key_of(rows[0])]
    known = {factor.baseline for factor in own}
    baseline = "supervised" if "supervised" in known else "random"
    return [factor for factor in own if factor.baseline == baseline]


def factor_text(factor: LabelFactor) -> str:
    """`3.2x [1.1, 8.4]`, with a real multiplication sign, or `more than 10x`.

    The interval is left out where all of it lies beyond the baseline's curve, or there is none.
    """
    text = words.times(factor.factor, factor.bound)
    return f"{text} {words.factor_interval(factor)}".rstrip()


def short_factor(factor: LabelFactor) -> str:
    """`3.2`, or `> 10` and `< 0.5` where the score is beyond the baseline's curve."""
    return {"exact": "", "more": "> ", "less": "< "}[factor.bound] + words.number(factor.factor)
