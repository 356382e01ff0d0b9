"""The leaderboard as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from lcd_plugin.evaluate.ranks import FEWEST_COMPARISONS
from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import (
    METRIC_TITLES,
    AverageRanks,
    LabelFactor,
    Leaderboard,
    Place,
    Row,
)
from lcd_plugin.report.page.groups import key_of
from lcd_plugin.report.speed import TimeToScore, fastest_is_known, time_to_score

TIES = (
    "'=' marks a method that cannot be told apart from another one (5 % level): paired permutation "
    "test over test patients, corrected after Holm over all pairs of one fraction and metric; it "
    "holds the trained encoders and label subsets as they are: see the spread over seeds."
)


def to_json(board: Leaderboard) -> str:
    """The whole document; `schema` and `rows` are what other programs rely on."""
    return board.model_dump_json(indent=1, by_alias=True)


def to_csv(board: Leaderboard) -> str:
    """One line a row, all columns; lists are joined by `;`."""
    text = io.StringIO()
    columns = [name for name in Row.model_fields if name != "per_class"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in board.rows:
        writer.writerow([_cell(getattr(row, column)) for column in columns])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        value = ";".join(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    # A spreadsheet would run such text as a formula.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def to_markdown(board: Leaderboard) -> str:
    """Tables for every comparison: scores by fraction, label factors, time to the same score."""
    lines = [f"# Leaderboard: {_text(board.suite)}", ""]
    if not board.rows:
        lines += ["There are no results yet.", ""]
    times = time_to_score(board.speed, board.rows)
    for title, rows in tables(board):
        lines += [f"## {_text(title)}", "", *_table(rows), "", *_footnotes(rows), ""]
        own = key_of(rows[0])
        lines += _factor_table([f for f in board.label_factors if key_of(f) == own])
        lines += _time_tables([t for t in times if key_of(t.curve) == own])
    lines += _average_ranks(board)
    for note in board.notes:
        lines.append(f"- {_text(note)}")
    for cell in board.unfinished:
        lines.append(f"- {cell.status}: {_text(cell.title)}: {_text(cell.reason)}")
    return "\n".join(lines).strip() + "\n"


def tables(board: Leaderboard, metric: str = "auroc") -> Iterable[tuple[str, list[Row]]]:
    """Rows of one metric by dataset, task, encoder, protocol and leads, with a title."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in board.rows:
        if row.metric == metric:
            groups.setdefault(key_of(row), []).append(row)
    for (dataset, task, encoder, protocol, leads), rows in groups.items():
        title = f"{dataset} / {task}: {METRIC_TITLES[metric]}, {protocol}, {encoder}"
        yield title + (f", {words.leads(leads)}" if leads != "all" else ""), rows


def ranked(rows: list[Row]) -> list[Row]:
    """A row of every line: those at the largest fraction, best first, then what lacks it."""
    most: dict[Place, Row] = {}
    for row in rows:
        if row.place not in most or row.label_fraction > most[row.place].label_fraction:
            most[row.place] = row
    return sorted(
        most.values(), key=lambda row: (-row.label_fraction, math.isnan(row.mean), -row.mean)
    )


def _table(rows: list[Row]) -> list[str]:
    fractions = sorted({row.label_fraction for row in rows})
    names = series_names(rows)
    by_place = {(row.place, row.label_fraction): row for row in rows}
    labels = {row.label_fraction: row.n_labels for row in rows}
    scores = [_fraction_head(f, labels[f]) for f in fractions]
    head = [rank_head(rows), "method", *scores, "seed SD", "pretraining s", "records/s"]
    lines = []
    for best in ranked(rows):
        scores = [score_text(by_place.get((best.place, f))) for f in fractions]
        spread = "-" if best.seed_std is None else f"{best.seed_std:.3f}"
        speed = f"{best.records_per_s:,.0f}" if best.records_per_s else ""
        wall = f"{best.pretrain_wall_s:.1f}" + (" (scratch)" if best.kind == "supervised" else "")
        name = _text(names[best.place])
        lines.append([rank_text(best, fractions[-1]), name, *scores, spread, wall, speed])
    return _markdown_table(head, lines)


def _markdown_table(head: list[str], lines: Iterable[list[str]]) -> list[str]:
    rule = "|" + "---|" * len(head)
    first, *others = ("| " + " | ".join(cells) + " |" for cells in (head, *lines))
    return [first, rule, *others]


def _fraction_head(fraction: float, n_labels: int) -> str:
    return f"{words.share(fraction)} ({n_labels} labels)"


def _factor_table(factors: list[LabelFactor]) -> list[str]:
    """How many times more labels training from scratch needs, or else `random`."""
    baselines = {factor.baseline for factor in factors}
    if not baselines:
        return []
    baseline = "supervised" if "supervised" in baselines else "random"
    factors = [factor for factor in factors if factor.baseline == baseline]
    labels = {factor.label_fraction: factor.n_labels for factor in factors}
    by_line: dict[str, dict[float, str]] = {}
    for factor in factors:
        by_line.setdefault(factor.name, {})[factor.label_fraction] = factor_text(factor)
    head = ["method", *(_fraction_head(f, labels[f]) for f in sorted(labels))]
    lines = [
        [_text(name), *(found.get(f, "-") for f in sorted(labels))]
        for name, found in by_line.items()
    ]
    title = (
        f"Label factor: how many times more labels '{baseline}' needs for the same macro AUROC, "
        f"with its 95 % interval."
    )
    return [title, "", *_markdown_table(head, lines), ""]


def factor_text(factor: LabelFactor) -> str:
    """`3.2x [1.1, 8.4]`, with a real multiplication sign, or `more than 10x`.

    The interval is left out where all of it lies beyond the baseline's curve, or there is none.
    """
    text = words.times(factor.factor, factor.bound)
    beyond = factor.bound != "exact" and factor.bound == factor.low_bound == factor.high_bound
    return (
        text if beyond or math.isnan(factor.ci_low) else f"{text} {words.factor_interval(factor)}"
    )


def _time_tables(times: list[TimeToScore]) -> list[str]:
    """Pretraining time of every line to a score that all of them reach, on each machine."""
    lines = []
    for machine in dict.fromkeys(t.curve.machine for t in times):
        own = [t for t in times if t.curve.machine == machine]
        said = [
            f"Pretraining time to a macro AUROC of {words.score(own[0].target)}, the highest that "
            f"all of these reach, by probes of snapshots: means over seeds, without an interval."
        ]
        if own[0].left_out:
            named = ", ".join(map(_text, own[0].left_out))
            said.append(f"Left out, since they end no higher than a random encoder: {named}.")
        if not fastest_is_known(own):
            said.append(
                "'at most' marks a score that is there at the first snapshot: which is the "
                "fastest is not known."
            )
        said.append(f"Machine: {_text(machine)}.")
        head = ["method", "pretraining s", "records"]
        lines += [" ".join(said), "", *_markdown_table(head, map(_time_cells, own)), ""]
    return lines


def _time_cells(time: TimeToScore) -> list[str]:
    before = "at most " if time.at_most else ""
    seconds, records = f"{before}{time.seconds:.1f}", f"{before}{time.records:,.0f}"
    return [_text(time.curve.name), seconds, records]


def _average_ranks(board: Leaderboard) -> list[str]:
    if not board.ranks:
        return []
    return ["## Average rank by macro AUROC", "", *map(_ranks_line, board.ranks), ""]


def _ranks_line(ranks: AverageRanks) -> str:
    largest = ranks.label_fraction is None
    labels = "the most labels of each" if largest else words.labels(ranks.label_fraction or 1.0)
    setting = ", ".join(map(_text, (ranks.encoder, ranks.protocol, words.leads(ranks.leads))))
    named = ", ".join(
        f"{_text(name)} {words.rank(rank)}"
        for name, rank in zip(ranks.names, ranks.average_rank, strict=True)
    )
    n = len(ranks.comparisons)
    said = [f"{n} comparisons, {setting}, {labels}: {named}."]
    if ranks.friedman_p is not None:
        said.append(f"Friedman test p {words.p_value(ranks.friedman_p)}.")
    said.append(f"Critical difference (Nemenyi) {words.rank(ranks.critical_difference)}.")
    if ranks.left_out:
        said.append(f"Not in all of them: {', '.join(map(_text, ranks.left_out))}.")
    if n < FEWEST_COMPARISONS:
        said.append("So few comparisons tell hardly anything apart.")
    if len({title.partition(" / ")[0] for title in ranks.comparisons}) < n:
        said.append("Tasks of one dataset share its records, so the tests are too sure.")
    return f"- {' '.join(said)}"


def not_beating_random(rows: list[Row]) -> list[str]:
    """Names of what is not shown to beat `random` at the largest fraction of a table."""
    names, largest = series_names(rows), _largest(rows)
    return [
        names[row.place]
        for row in ranked(rows)
        if row.label_fraction == largest and row.beats_random is False
    ]


def rank_head(rows: list[Row]) -> str:
    """Title of the column of ranks: `rank at 100%`."""
    return f"rank at {words.share(_largest(rows))}"


def rank_text(row: Row, largest: float) -> str:
    """The rank, with `=` where another method cannot be told apart from this one.

    Args:
        row: of the line, at the largest fraction that it has.
        largest: fraction that the ranks are of.
    """
    if row.rank is None or row.label_fraction < largest:
        return "-"
    return f"{row.rank}=" if row.tied_with else str(row.rank)


def _largest(rows: list[Row]) -> float:
    return max(row.label_fraction for row in rows)


def seeds_text(rows: list[Row]) -> str:
    """`3 seeds`, or `1 to 3 seeds` where methods have not equally many."""
    least, most = min(row.n_seeds for row in rows), max(row.n_seeds for row in rows)
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"{count} seed{'s' * (most > 1)}"


def score_text(row: Row | None) -> str:
    """`0.832 [0.801, 0.861]`, without the interval where there is none; a dash for no result."""
    if row is None:
        return "-"
    has_interval = math.isfinite(row.ci_low)
    return words.score(row.mean) + (f" {words.interval(row)}" if has_interval else "")


def _footnotes(rows: list[Row]) -> list[str]:
    first = rows[0]
    lines = [
        f"Mean of {seeds_text(rows)} on {first.n_test} test records; 95 % interval by bootstrap "
        f"over patients; seed SD is the spread over pretraining seeds. {TIES} "
        f"Machine: {_text(first.machine)}."
    ]
    behind = not_beating_random(rows)
    if behind:
        named = ", ".join(map(_text, behind))
        lines.append(f"Not shown to be better than a random encoder: {named}.")
    if first.rare_classes:
        lines.append(f"Fewer than 10 test positives: {', '.join(map(_text, first.rare_classes))}.")
    return lines


def _text(text: str) -> str:
    """Text that Markdown and HTML within it leave as it is."""
    for character, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(character, written)
    return text
