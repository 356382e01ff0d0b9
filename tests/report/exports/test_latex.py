from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lcd_plugin.report.exports import to_latex
from lcd_plugin.report.exports.tex_text import tex
from lcd_plugin.report.model import AverageRanks, Leaderboard
from lcd_plugin.report.options import Scores

ROW = re.compile(r"^(?P<name>[^&]*) & (?P<cells>.*) \\\\$")


def rows_of(text: str) -> list[tuple[str, list[str]]]:
    """Name and cells of the lines with numbers."""
    found = filter(None, map(ROW.match, text.splitlines()))
    return [(m["name"].strip(), m["cells"].split(" & ")) for m in found if m["name"].strip()]


@pytest.mark.parametrize("scores", Scores)
def test_it_compiles_by_itself(board: Leaderboard, scores: Scores, typeset: Callable[..., str]):
    text = typeset(to_latex(board, scores))
    if text:
        assert "Table 1: Macro AUROC" in text
        assert "Table 2: Macro AUROC" in text
        assert ("91.2" if scores is Scores.percent else "0.912") in text


@pytest.mark.parametrize("packages", ["", r"\usepackage{booktabs}", r"\usepackage[T1]{fontenc}"])
def test_a_paper_takes_it_in(board: Leaderboard, packages: str, typeset: Callable[..., str]):
    paper = rf"""\documentclass{{article}}
{packages}
\begin{{document}}
Before. \input{{leaderboard}}
After Table~\ref{{tab:ptb-xl-superclasses-ptbxl-superclass-macro-auroc-linear-vgg16-1d}}.
\end{{document}}"""
    text = typeset(paper, leaderboard=to_latex(board))
    if text:
        assert "Before." in text
        assert "After Table" in text
        assert "Table 2: Macro AUROC" in text


def test_an_empty_board_compiles(board: Leaderboard, typeset: Callable[..., str]):
    text = typeset(to_latex(board.model_copy(update={"rows": (), "label_factors": ()})))
    assert not text or "no results" in text


def test_average_ranks_have_a_table(board: Leaderboard, typeset: Callable[..., str]):
    ranks = AverageRanks(
        encoder="e_1", protocol="linear", label_fraction=None, metric="auroc",
        comparisons=("a / t", "b / t"), names=("x_1", "y"), average_rank=(1.0, 2.0),
        friedman_p=0.0001, critical_difference=1.386,
    )  # fmt: skip
    text = to_latex(board.model_copy(update={"ranks": (ranks,)}))
    assert r"x\_1 & 1.00 \\" in text
    assert "further apart than 1.39" in text
    assert "So few comparisons" in text
    typeset(text)


def test_the_best_is_bold_and_what_is_tied_with_it_marked(board: Leaderboard):
    """Checked against the rows one by one, for every label fraction."""
    fractions = sorted({row.label_fraction for row in board.rows})
    tables = to_latex(board).split(r"\begin{tabular}")[1:]
    for task, table in zip(("superclass", "superclass-single"), tables, strict=True):
        written = {
            re.sub(r"\\textit\{(.*)\}", r"\1", name): cells for name, cells in rows_of(table)
        }
        for place, fraction in enumerate(fractions):
            own = [
                row
                for row in board.rows
                if (row.task, row.metric, row.label_fraction) == (task, "auroc", fraction)
            ]
            best = max(own, key=lambda row: row.mean)
            for row in own:
                cell = written[tex(row.method)][place]
                assert cell.startswith(r"\textbf{") == (row is best)
                assert (r"\dagger" in cell) == (row.method in best.tied_with)
                assert f"{row.mean:.3f}" in cell


def test_baselines_stand_below_a_rule(board: Leaderboard):
    table = to_latex(board).split(r"\begin{tabular}")[1]
    _, pretrained, baselines = table.split(r"\midrule")
    assert [name for name, _ in rows_of(pretrained)] == ["lcd", "simclr", "byol", "vicreg"]
    assert [name for name, _ in rows_of(baselines)] == [r"\textit{supervised}", r"\textit{random}"]


def test_label_factors_and_seconds_stand_beside_the_scores(board: Leaderboard):
    lines = to_latex(board).splitlines()
    (at,) = (i for i, line in enumerate(lines[:40]) if line.startswith("lcd &"))
    *_, first, second, seconds = lines[at].removesuffix(r" \\").split(" & ")
    assert (first, second, seconds) == ("3", "3", "1514.0")
    assert lines[at + 1].count(r"\tiny [1.2, $>$10]") == 2


def test_a_long_table_is_split_between_pages(board: Leaderboard, typeset: Callable[..., str]):
    row = next(row for row in board.rows if (row.method, row.metric) == ("lcd", "auroc"))
    names = [f"method_{i}" for i in range(60)]
    rows = tuple(row.model_copy(update={"method": n, "tied_with": ()}) for n in names)
    text = to_latex(board.model_copy(update={"rows": rows, "label_factors": ()}))
    assert text.count(r"\begin{table}") == 3
    labels = re.findall(r"\\label\{(.*)\}", text)
    assert len(set(labels)) == 3
    pages = typeset(text)
    if pages:
        assert "Part 3 of 3." in pages
        assert pages.replace("_", "").count("method") == 60


def test_two_reports_in_one_paper_have_labels_of_their_own(
    board: Leaderboard, typeset: Callable[..., str]
):
    texts = [to_latex(board.model_copy(update={"suite": name})) for name in ("Ours", "theirs")]
    labels = [set(re.findall(r"\\label\{(.*)\}", text)) for text in texts]
    assert not labels[0] & labels[1]
    paper = r"\documentclass{article}\begin{document}\input{ours}\input{theirs}\end{document}"
    typeset(paper, ours=texts[0], theirs=texts[1])


def test_a_table_of_many_columns_fits_into_an_article(
    board: Leaderboard, typeset: Callable[..., str]
):
    """With four label fractions and factors at three; `typeset` fails for what is too wide."""
    own = [row for row in board.rows if (row.task, row.metric) == ("superclass", "auroc")]
    more = [r.model_copy(update={"label_fraction": 0.3}) for r in own if r.label_fraction == 0.1]
    factors = [f for f in board.label_factors if f.task == "superclass"]
    factors += [
        f.model_copy(update={"label_fraction": 0.3}) for f in factors if f.label_fraction == 0.1
    ]
    wide = board.model_copy(update={"rows": (*own, *more), "label_factors": tuple(factors)})
    text = typeset(
        r"\documentclass{article}\begin{document}\input{wide}\end{document}", wide=to_latex(wide)
    )
    if text:
        assert text.count("30%") == 1  # of the scores; the factors there have no room
        assert "label factor" in text


def test_a_caption_explains_what_is_there_and_no_more(board: Leaderboard):
    both = to_latex(board)
    assert "for supervised its training from scratch" in both
    alone = [row for row in board.rows if (row.method, row.metric) == ("lcd", "auroc")]
    alone = [row.model_copy(update={"tied_with": ()}) for row in alone]
    text = to_latex(board.model_copy(update={"rows": tuple(alone), "label_factors": ()}))
    for sign in (r"\dagger", "Bold", "from scratch", "italics", "abel factor"):
        assert sign in both
        assert sign not in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("barlow_twins", r"barlow\_twins"),
        ("Zürich", r"Z\"{u}rich"),
        ("Łódź", r"\L{}\'{o}d\'{z}"),
        ("中", "U+4E2D"),
        ("a--b", "a-{}-b"),
        ("[2cm]*", "{[}2cm{]}{*}"),
    ],
)
def test_text_is_written_for_any_font(text: str, written: str):
    assert tex(text) == written
