"""The leaderboard as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import METRIC_TITLES, Leaderboard, Row


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
    """A table for every comparison, methods by fraction under the first metric."""
    lines = [f"# Leaderboard: {_text(board.suite)}", ""]
    if not board.rows:
        lines += ["There are no results yet.", ""]
    for title, rows in tables(board):
        lines += [f"## {_text(title)}", "", *_table(rows), "", *_footnotes(rows), ""]
    for note in board.notes:
        lines.append(f"- {_text(note)}")
    for cell in board.unfinished:
        lines.append(f"- {cell.status}: {_text(cell.title)}: {_text(cell.reason)}")
    return "\n".join(lines).strip() + "\n"


def tables(board: Leaderboard, metric: str = "auroc") -> Iterable[tuple[str, list[Row]]]:
    """Rows of one metric by dataset, task, encoder and protocol, with a title."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in board.rows:
        if row.metric == metric:
            key = (row.dataset, row.task, row.encoder, row.protocol)
            groups.setdefault(key, []).append(row)
    for (dataset, task, encoder, protocol), rows in groups.items():
        title = f"{dataset} / {task}: {METRIC_TITLES[metric]}, {protocol}, {encoder}"
        yield title, rows


def ranked(rows: list[Row]) -> list[Row]:
    """The rows at the largest fraction, best first."""
    largest = max(row.label_fraction for row in rows)
    return sorted((r for r in rows if r.label_fraction == largest), key=lambda r: -r.mean)


def _table(rows: list[Row]) -> list[str]:
    fractions = sorted({row.label_fraction for row in rows})
    names = series_names(rows)
    by_place = {(name_of(row, names), row.label_fraction): row for row in rows}
    labels = {row.label_fraction: row.n_labels for row in rows}
    head = ["rank", "method", *(f"{words.share(f)} ({labels[f]} labels)" for f in fractions)]
    head += ["pretraining s", "records/s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for best in ranked(rows):
        name = name_of(best, names)
        scores = [by_place.get((name, f)) for f in fractions]
        speed = f"{best.records_per_s:,.0f}" if best.records_per_s else ""
        wall = f"{best.pretrain_wall_s:.1f}" + (" (scratch)" if best.kind == "supervised" else "")
        cells = [rank_text(best), _text(name), *map(score_text, scores), wall, speed]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def name_of(row: Row, names: Mapping[tuple[str, str], str]) -> str:
    """The name of a row's line, from `series_names` of its table."""
    return names[row.method, row.pretrain_dataset]


def not_beating_random(rows: list[Row]) -> list[str]:
    """Names of what is not shown to beat `random` at the largest fraction of a table."""
    names = series_names(rows)
    return [name_of(row, names) for row in ranked(rows) if row.beats_random is False]


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
        f"over patients. '=' marks a method that cannot be told apart from another one: the paired "
        f"interval of their difference includes zero. Machine: {_text(first.machine)}."
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
