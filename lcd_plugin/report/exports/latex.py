r"""The leaderboard as LaTeX: one file that compiles by itself and that a paper can take in.

People want both: to look at the tables at once, and to write ``\input{leaderboard.tex}``. So the
file asks whether a document has begun, and begins and ends one of its own only where none has.
LaTeX itself keeps the sign of that (``\@nodocument`` is ``\relax`` after ``\begin{document}``),
so the paper defines nothing. Nor need it load a package: without booktabs the rules are plain.
Each table stands between comment lines, to be copied alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lcd_plugin.evaluate.ranks import FEWEST_COMPARISONS
from lcd_plugin.report.exports.tables import (
    best_and_tied,
    factors_of,
    interval_text,
    number_text,
    ranked,
    seeds_text,
    short_factor,
    tables,
    times_said,
)
from lcd_plugin.report.exports.tex_text import tex
from lcd_plugin.report.figures import place_of, series_names, words
from lcd_plugin.report.model import AverageRanks, LabelFactor, Leaderboard, Place, Row
from lcd_plugin.report.options import Scores
from lcd_plugin.report.plain_text import one_line, slug, unique_slugs

MOST_COLUMNS = 6  # of scores and label factors; with more a table is wider than a page of article
MOST_FACTORS = 3
MOST_LINES = 28  # lines of a table; more are higher than a page

_HEAD = r"""% Compiles by itself, and as \input{leaderboard.tex} in a paper (where
% \usepackage{booktabs} makes the rules nicer). In two columns write table* for table.
% To use one table, copy it from its "begin" line to its "end" line.
\let\leaderboardend\relax
\expandafter\ifx\csname @nodocument\endcsname\relax\else
  \documentclass{article}
  \usepackage{textcomp,booktabs}
  \usepackage[margin=18mm]{geometry}
  \IfFileExists{lmodern.sty}{\usepackage{lmodern}\usepackage[T1]{fontenc}}{}
  \begin{document}
  \def\leaderboardend{\end{document}}
\fi
\providecommand{\toprule}{\hline\noalign{\vskip 2pt}}
\providecommand{\midrule}{\noalign{\vskip 1pt}\hline\noalign{\vskip 2pt}}
\providecommand{\bottomrule}{\noalign{\vskip 1pt}\hline}
\providecommand{\cmidrule}[1]{\cline{#1}\noalign{\vskip 2pt}}
"""


def to_latex(board: Leaderboard, scores: Scores = Scores.fraction) -> str:
    """A `table` for every comparison and every set of average ranks."""
    found = [(title, _comparison(rows, board, scores)) for title, rows in tables(board)]
    found += [(f"average ranks {i}", [_ranks(r)]) for i, r in enumerate(board.ranks, start=1)]
    # A paper may take in the reports of several suites, whose labels must not be the same.
    suite, names = slug(board.suite), unique_slugs(title for title, _ in found)
    lines = [f"% Leaderboard: {one_line(board.suite)}", _HEAD]
    lines += [f"% Note: {one_line(note)}" for note in board.notes]
    if not found:
        lines.append("There are no results yet.")
    for name, (_, parts) in zip(names, found, strict=True):
        for number, (caption, body) in enumerate(parts, start=1):
            label = f"{suite}-{name}" + (f"-part-{number}" if number > 1 else "")
            lines += _float(label, caption, body)
    return "\n".join([*lines, r"\leaderboardend", ""])


def _float(label: str, caption: str, body: Sequence[str]) -> list[str]:
    return [
        f"%%%% begin {label}",
        r"\begin{table}[tbp]",
        r"\centering",
        # Classes and packages differ in which of the two is below a caption.
        r"\setlength{\abovecaptionskip}{0pt}",
        r"\setlength{\belowcaptionskip}{0pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{label}}}",
        r"\vspace{6pt}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{2.5pt}",
        *body,
        r"\end{table}",
        f"%%%% end {label}",
        "",
    ]


def _comparison(
    rows: Sequence[Row], board: Leaderboard, scores: Scores
) -> list[tuple[str, list[str]]]:
    """Caption and tabular of a comparison; several where one would be higher than a page."""
    factors = factors_of(board, rows)
    room = max(1, MOST_COLUMNS - len({row.label_fraction for row in rows}))
    shown = sorted({f.label_fraction for f in factors})[: min(room, MOST_FACTORS)]
    factors = [f for f in factors if f.label_fraction in shown]
    # The baselines stand together below the others.
    order = sorted(ranked(rows), key=lambda row: row.kind != "pretraining")
    parts = [order[start : start + MOST_LINES] for start in range(0, len(order), MOST_LINES)]
    caption = _caption(rows, factors, scores)
    found = []
    for number, part in enumerate(parts, start=1):
        more = f" Part {number} of {len(parts)}." if len(parts) > 1 else ""
        found.append((caption + more, _tabular(part, rows, factors, scores)))
    return found


def _caption(rows: Sequence[Row], factors: Sequence[LabelFactor], scores: Scores) -> str:
    first = rows[0]
    unit = r" in \%" if scores is Scores.percent else ""
    setting = ", ".join(map(tex, (first.encoder, first.protocol, words.leads(first.leads))))
    said = [
        f"{words.sentence(words.metric_title(first.metric))}{unit} on {tex(first.dataset)} / "
        f"{tex(first.task)} ({setting}) by share of the labels: mean of {seeds_text(rows)} on "
        rf"{first.n_test} test records with its 95\,\% bootstrap interval over patients.",
    ]
    marks = set(best_and_tied(rows).values())
    if marks:
        said.append("Bold: the best of a column" + ("" if "tied" in marks else "."))
    if "tied" in marks:
        said[-1] += (
            r"; $\dagger$: cannot be told apart from it (paired permutation test over test "
            r"patients, corrected after Holm over all pairs, 5\,\% level)."
        )
    if any(row.kind != "pretraining" for row in rows):
        said.append("In italics below the rule: baselines.")
    if factors:
        baseline = factors[0].baseline
        said.append(
            rf"Label factor: how many times as many labels \emph{{{tex(baseline)}}} needs for the "
            r"same score; $<$ and $>$: beyond its curve."
        )
    said.append(f"Time: {tex(times_said(rows))}.")
    if first.rare_classes:
        said.append(f"Fewer than 10 test positives: {', '.join(map(tex, first.rare_classes))}.")
    return " ".join(said)


def _tabular(
    part: Sequence[Row], rows: Sequence[Row], factors: Sequence[LabelFactor], scores: Scores
) -> list[str]:
    """Two lines for each line of the comparison: the numbers, and their intervals in small."""
    labels = {row.label_fraction: row.n_labels for row in rows}
    fractions, shown = sorted(labels), sorted({f.label_fraction for f in factors})
    names, cells = series_names(rows), _score_cells(rows, scores)
    cells_of_factors = _factor_cells(factors)
    columns = len(fractions) + len(shown) + 1
    heads = [words.share(f) for f in (*fractions, *shown)]
    counts = [rf"\tiny {labels[f]} labels" for f in fractions] + [""] * len(shown)
    lines = [rf"\begin{{tabular}}{{@{{}}l*{{{columns}}}{{c}}@{{}}}}", r"\toprule"]
    if shown:
        over = rf"\multicolumn{{{len(shown)}}}{{c}}{{label factor}}"
        lines.append(" & ".join([*[""] * (len(fractions) + 1), over, ""]) + r" \\")
        lines.append(rf"\cmidrule{{{len(fractions) + 2}-{columns}}}")
    lines += [
        " & ".join(["", *map(tex, heads), "time"]) + r" \\",
        " & ".join(["", *counts, r"\tiny s"]) + r" \\",
        r"\midrule",
    ]
    before = part[0]
    for best in part:
        if (best.kind == "pretraining") != (before.kind == "pretraining"):
            lines.append(r"\midrule")
        before = best
        name = tex(names[best.place])
        if best.kind != "pretraining":
            name = rf"\textit{{{name}}}"
        pairs = [cells.get((best.place, f), ("--", "")) for f in fractions]
        pairs += [cells_of_factors.get((best.place, f), ("--", "")) for f in shown]
        numbers, intervals = zip(*pairs, strict=True)
        lines.append(" & ".join([name, *numbers, f"{best.pretrain_wall_s:.1f}"]) + r" \\")
        lines.append(" & ".join(["", *intervals, ""]) + r" \\[1pt]")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


Cells = Mapping[tuple[Place, float], tuple[str, str]]


def _score_cells(rows: Sequence[Row], scores: Scores) -> Cells:
    """Mean and interval by line and label fraction."""
    marks = best_and_tied(rows)
    found = {}
    for row in rows:
        place = row.place, row.label_fraction
        mean = tex(number_text(row.mean, scores))
        # The dagger takes no room, so that it moves no number out of line.
        written = {"best": rf"\textbf{{{mean}}}", "tied": rf"{mean}\rlap{{$^\dagger$}}", None: mean}
        found[place] = written[marks.get(place)], _tiny(interval_text(row, scores))
    return found


def _factor_cells(factors: Sequence[LabelFactor]) -> Cells:
    return {
        (place_of(f), f.label_fraction): (tex(short_factor(f)), _tiny(words.factor_interval(f)))
        for f in factors
    }


def _tiny(interval: str) -> str:
    signs = interval.replace("< ", "$<$").replace("> ", "$>$")
    return rf"\tiny {signs}" if interval else ""


def _ranks(ranks: AverageRanks) -> tuple[str, list[str]]:
    """Caption and tabular of average ranks."""
    labels = (
        "the most labels of each"
        if ranks.label_fraction is None
        else words.labels(ranks.label_fraction)
    )
    setting = ", ".join((ranks.encoder, ranks.protocol, words.leads(ranks.leads), labels))
    said = [
        f"Average rank by {words.metric_title(ranks.metric)} over {len(ranks.comparisons)} "
        f"comparisons ({tex(setting)}); 1 is best.",
        f"Two ranks differ at the 5\\,\\% level where they are further apart than "
        f"{words.rank(ranks.critical_difference)} (Nemenyi).",
    ]
    if len(ranks.comparisons) < FEWEST_COMPARISONS:
        said.append("So few comparisons tell hardly anything apart.")
    if ranks.friedman_p is not None:
        said.append(f"Friedman test: p {tex(words.p_value(ranks.friedman_p))}.")
    lines = (
        rf"{tex(name)} & {words.rank(rank)} \\[1pt]"
        for name, rank in zip(ranks.names, ranks.average_rank, strict=True)
    )
    head = [r"\begin{tabular}{@{}lc@{}}", r"\toprule", r" & average rank \\", r"\midrule"]
    return " ".join(said), [*head, *lines, r"\bottomrule", r"\end{tabular}"]
