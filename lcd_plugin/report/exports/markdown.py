"""The leaderboard as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lcd_plugin.evaluate.ranks import FEWEST_COMPARISONS
from lcd_plugin.report.exports.tables import (
    RANK,
    Mark,
    baselines,
    best_and_tied,
    factor_text,
    factors_of,
    interval_text,
    not_beating_random,
    number_text,
    rank_head,
    rank_text,
    ranked,
    seeds_text,
    tables,
    times_said,
)
from lcd_plugin.report.figures import series_names, words
from lcd_plugin.report.model import AverageRanks, LabelFactor, Leaderboard, Row
from lcd_plugin.report.options import Scores
from lcd_plugin.report.page.groups import key_of
from lcd_plugin.report.plain_text import one_line
from lcd_plugin.report.speed import TimeToScore, fastest_is_known, time_to_score

TIES = (
    "'=' after a rank: cannot be told apart from another line (5 % level): paired permutation test "
    "over test patients, corrected after Holm over all pairs of one fraction and metric; it holds "
    "the trained encoders and label subsets as they are: see the spread over seeds."
)


def to_markdown(board: Leaderboard, scores: Scores = Scores.fraction) -> str:
    """Tables for every comparison: scores by fraction, label factors, time to the same score."""
    lines = [f"# Leaderboard: {_text(board.suite)}", ""]
    if not board.rows:
        lines += ["There are no results yet.", ""]
    times = time_to_score(board.speed, board.rows)
    for title, rows in tables(board):
        lines += [f"## {_text(title)}", "", *_table(rows, scores), "", *_footnotes(rows), ""]
        lines += _factor_table(factors_of(board, rows))
        own = key_of(rows[0])
        lines += _time_tables([t for t in times if key_of(t.curve) == own], scores)
    lines += _average_ranks(board)
    for note in board.notes:
        lines.append(f"- {_text(note)}")
    for cell in board.unfinished:
        lines.append(f"- {cell.status}: {_text(cell.title)}: {_text(cell.reason)}")
    return "\n".join(lines).strip() + "\n"


def _table(rows: Sequence[Row], scores: Scores) -> list[str]:
    fractions = sorted({row.label_fraction for row in rows})
    names, marks = series_names(rows), best_and_tied(rows)
    by_place = {(row.place, row.label_fraction): row for row in rows}
    labels = {row.label_fraction: row.n_labels for row in rows}
    heads = [_fraction_head(f, labels[f]) for f in fractions]
    head = [rank_head(rows), "method", *heads, "seed SD", "time s", "records/s"]
    lines = []
    for best in ranked(rows):
        places = [(best.place, f) for f in fractions]
        cells = [_score(by_place.get(place), marks.get(place), scores) for place in places]
        spread = "-" if best.seed_std is None else number_text(best.seed_std, scores)
        speed = f"{best.records_per_s:,.0f}" if best.records_per_s else ""
        name, wall = _text(names[best.place]), f"{best.pretrain_wall_s:.1f}"
        lines.append([rank_text(best, fractions[-1]), name, *cells, spread, wall, speed])
    return _markdown_table(head, lines)


def _score(row: Row | None, mark: Mark | None, scores: Scores) -> str:
    """Mean and interval; bold is the best, a dagger what cannot be told apart from it."""
    if row is None:
        return "-"
    mean = number_text(row.mean, scores)
    written = {"best": f"**{mean}**", "tied": f"{mean}\u2020", None: mean}[mark]
    return f"{written} {interval_text(row, scores)}".rstrip()


def _markdown_table(head: list[str], lines: Iterable[list[str]]) -> list[str]:
    rule = "|" + "---|" * len(head)
    first, *others = ("| " + " | ".join(cells) + " |" for cells in (head, *lines))
    return [first, rule, *others]


def _fraction_head(fraction: float, n_labels: int) -> str:
    return f"{words.share(fraction)} ({n_labels} labels)"


def _factor_table(factors: Sequence[LabelFactor]) -> list[str]:
    """How many times more labels training from scratch needs, or else `random`."""
    if not factors:
        return []
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
        f"Label factor: how many times more labels '{factors[0].baseline}' needs for the same "
        f"macro AUROC, with its 95 % interval."
    )
    return [title, "", *_markdown_table(head, lines), ""]


def _time_tables(times: Sequence[TimeToScore], scores: Scores) -> list[str]:
    """Pretraining time of every line to a score that all of them reach, on each machine."""
    lines = []
    for machine in dict.fromkeys(t.curve.machine for t in times):
        own = [t for t in times if t.curve.machine == machine]
        target = number_text(own[0].target, scores)
        said = [
            f"Pretraining time to a macro AUROC of {target}, the highest that "
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


def _footnotes(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    spread = any(row.seed_std is not None for row in rows)
    said = [
        f"Mean of {seeds_text(rows)} on {first.n_test} test records; 95 % interval by bootstrap "
        f"over patients{'; seed SD is the spread over pretraining seeds' * spread}.",
        *_marks_said(rows),
        f"Time and records/s: {_text(times_said(rows))}.",
    ]
    named = {
        "Baselines, which no method pretrained": ", ".join(map(_text, baselines(rows))),
        "Not shown to beat a random encoder": not_beating_random(rows, _text),
        "Fewer than 10 test positives": ", ".join(map(_text, first.rare_classes)),
    }
    lines = [" ".join(said)]
    for title, names in named.items():
        if names:
            lines += ["", f"{title}: {names}."]
    return lines


def _marks_said(rows: Sequence[Row]) -> list[str]:
    """What ranks and marks mean, of those that are in the table."""
    if len({row.place for row in rows}) == 1:
        return []
    said, marks = [f"Rank: {RANK}."], set(best_and_tied(rows).values())
    if marks:
        tied = ", and \u2020 what cannot be told apart from it" if "tied" in marks else ""
        said.append(f"Bold is the best of a column{tied}.")
    if any(row.tied_with for row in rows):
        said.append(TIES)
    return said


# Written as numbers of characters, which every dialect of Markdown shows as they are. The pipe is
# the exception, since a table is split before such numbers are read.
_SPECIAL = re.compile(
    r"[\\`*\[\]{}<>&$~^]"  # code, emphasis, links, attributes, HTML, mathematics, notes
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, but not within a word: `barlow_twins`
    r"|:(?=//)|(?<=www)\."  # addresses, which some dialects make links of
    r"|^[-+#=]|^\d+[.)]",  # a list or a heading within a list
    re.IGNORECASE,
)


def _text(text: str) -> str:
    """Text that Markdown and HTML within it show as it is, on one line."""
    return _SPECIAL.sub(_as_numbers, one_line(text)).replace("|", "\\|")


def _as_numbers(found: re.Match[str]) -> str:
    return "".join(c if c.isdigit() else f"&#{ord(c)};" for c in found[0])
