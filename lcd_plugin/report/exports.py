"""The leaderboard as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import METRIC_TITLES, LabelFactor, Leaderboard, Row
from lcd_plugin.report.page_groups import key_of
from lcd_plugin.report.speed import TimeToScore, time_to_score

TIES = (
    "'=' marks a method that cannot be told apart from another one by a paired permutation test "
    "over patients, corrected after Holm for all pairs (5 % level)."
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
    if value is None:
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
    times = time_to_score(board.speed)
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
    """The rows at the largest fraction, best first."""
    largest = max(row.label_fraction for row in rows)
    best = (row for row in rows if row.label_fraction == largest)
    return sorted(best, key=lambda row: (math.isnan(row.mean), -row.mean))


def _table(rows: list[Row]) -> list[str]:
    fractions = sorted({row.label_fraction for row in rows})
    names = series_names(rows)
    by_place = {(row.place, row.label_fraction): row for row in rows}
    labels = {row.label_fraction: row.n_labels for row in rows}
    head = ["rank", "method", *(_fraction_head(f, labels[f]) for f in fractions)]
    lines = []
    for best in ranked(rows):
        scores = [by_place.get((best.place, f)) for f in fractions]
        speed = f"{best.records_per_s:,.0f}" if best.records_per_s else ""
        wall = f"{best.pretrain_wall_s:.1f}" + (" (scratch)" if best.kind == "supervised" else "")
        name = _text(names[best.place])
        lines.append([rank_text(best), name, *map(score_text, scores), wall, speed])
    return _markdown_table([*head, "pretraining s", "records/s"], lines)


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

    The interval is left out where all of it lies beyond the baseline's curve.
    """
    text = words.times(factor.factor, factor.bound)
    beyond = factor.bound != "exact" and factor.bound == factor.low_bound == factor.high_bound
    return text if beyond else f"{text} {words.factor_interval(factor)}"


def _time_tables(times: list[TimeToScore]) -> list[str]:
    """Pretraining time of every line to a score that all of them reach, on each machine."""
    lines = []
    for machine in dict.fromkeys(t.curve.machine for t in times):
        own = [t for t in times if t.curve.machine == machine]
        lines += [
            f"Pretraining time to a macro AUROC of {words.score(own[0].target)}, the highest that "
            f"all of these reach, by probes of snapshots. Machine: {_text(machine)}.",
            "",
            *_markdown_table(["method", "pretraining s", "records"], map(_time_cells, own)),
            "",
        ]
    return lines


def _time_cells(time: TimeToScore) -> list[str]:
    before = "at most " if time.at_most else ""
    seconds, records = f"{before}{time.seconds:.1f}", f"{before}{time.records:,.0f}"
    return [_text(time.curve.name), seconds, records]


def _average_ranks(board: Leaderboard) -> list[str]:
    lines = []
    for ranks in board.ranks:
        largest = ranks.label_fraction is None
        labels = "the most labels of each" if largest else words.labels(ranks.label_fraction or 1.0)
        named = ", ".join(
            f"{_text(name)} {words.rank(rank)}"
            for name, rank in zip(ranks.names, ranks.average_rank, strict=True)
        )
        known = ranks.friedman_p is not None
        friedman = f" Friedman test p {words.p_value(ranks.friedman_p)};" if known else ""
        lines.append(
            f"- {len(ranks.comparisons)} comparisons, {_text(ranks.encoder)}, "
            f"{_text(ranks.protocol)}, {_text(words.leads(ranks.leads))}, {labels}: {named}."
            f"{friedman} critical difference (Nemenyi) {words.rank(ranks.critical_difference)}."
        )
    return ["## Average rank by macro AUROC", "", *lines, ""] if lines else []


def not_beating_random(rows: list[Row]) -> list[str]:
    """Names of what is not shown to beat `random` at the largest fraction of a table."""
    names = series_names(rows)
    return [names[row.place] for row in ranked(rows) if row.beats_random is False]


def rank_text(row: Row) -> str:
    """The rank, with `=` where another method cannot be told apart from this one."""
    return f"{row.rank}=" if row.tied_with else str(row.rank)


def seeds_text(rows: list[Row]) -> str:
    """`3 seeds`, or `1 to 3 seeds` where methods have not equally many."""
    least, most = min(row.n_seeds for row in rows), max(row.n_seeds for row in rows)
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"{count} seed{'s' * (most > 1)}"


def score_text(row: Row | None) -> str:
    """`0.832 [0.801, 0.861]`, or a dash where there is no result."""
    return f"{row.mean:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]" if row else "-"


def _footnotes(rows: list[Row]) -> list[str]:
    first = rows[0]
    lines = [
        f"Mean of {seeds_text(rows)} on {first.n_test} test records; 95 % interval by bootstrap "
        f"over patients. {TIES} Machine: {_text(first.machine)}."
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
