"""What a reader could take wrongly: order, baselines, p-values, names, rare classes, records."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from lcd_plugin.report.figures import assign_looks, class_table, cost_figure, series_of
from lcd_plugin.report.model import AverageRanks, Leaderboard, Pair, Row
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page.groups import Comparison, comparisons
from lcd_plugin.report.page.summary import summarise
from lcd_plugin.report.page.table import make_blocks
from lcd_plugin.report.run_record import UnfinishedCell

Builder = Callable[..., Leaderboard]


def text_of(board: Leaderboard) -> str:
    source = re.sub("</?bdi>", "", render_page(board).split("</style>")[1])
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def first(board: Leaderboard) -> Comparison:
    return comparisons(board.rows)[0]


def said(group: Comparison) -> str:
    summary = summarise(group)
    return " ".join(part.striptags() for part in (summary.lead, *summary.more))


def changed(board: Leaderboard, **by_method: dict[str, Any]) -> Leaderboard:
    """The board with other fields in the rows of some methods."""
    rows = tuple(row.model_copy(update=by_method.get(row.method, {})) for row in board.rows)
    return board.model_copy(update={"rows": rows})


def test_rows_are_ordered_by_mean_whatever_their_rank(sample_board: Builder) -> None:
    board = changed(sample_board(), lcd={"rank": 9}, vicreg={"rank": 1})
    group = first(board)
    for fraction in group.fractions("auroc"):
        means = [row.mean for row in group.select("auroc", fraction)]
        assert means == sorted(means, reverse=True)
    block = make_blocks([group], assign_looks(board.rows))[0]
    assert [entry.row.method for entry in block.entries][:2] == ["supervised", "lcd"]
    facts = summarise(group).facts
    assert facts["cost"].label.striptags() == "Pretraining of lcd"  # the best pretraining
    assert "0.744 for random and 0.731 for supervised." in said(group)  # the higher one first


def test_the_supervised_of_a_row_is_the_one_that_belongs_to_it(sample_board: Builder) -> None:
    rows: list[Row] = []
    for row in sample_board().rows:
        if row.kind == "supervised":
            better = {"recipe": "lead", "mean": row.mean + 0.05}
            rows += [row.model_copy(update=better), row.model_copy(update={"recipe": "paper"})]
        else:
            rows.append(row.model_copy(update={"recipe": "paper"}))
    plain = comparisons(rows)[0]
    (best,) = [row for row in plain.select("auroc", 1.0) if row.method == "lcd"]
    candidates = plain.select("auroc", 1.0)
    own = plain.own_supervised(best, candidates)
    assert own is not None
    assert own.recipe == "paper"
    named = best.model_copy(update={"compared_supervised": "supervised (lead)"})
    other = plain.own_supervised(named, candidates)
    assert other is not None
    assert other.recipe == "lead"
    third = best.model_copy(update={"recipe": "third"})
    assert plain.own_supervised(third, candidates) is None  # either could be meant
    assert plain.own_supervised(third, [r for r in candidates if r.recipe == "paper"]) is own
    assert "supervised (paper) (from scratch" in said(plain)
    assert plain.shown[own.place] in summarise(plain).facts["supervised"].label


@pytest.mark.parametrize("tied", [True, False])
def test_a_row_may_beat_random_and_be_tied_with_it_among_all_pairs(
    sample_board: Builder, tied: bool
) -> None:
    ties = {"tied_with": ("supervised", "random") if tied else ("supervised",)}
    other = {"p_random": 0.2, "beats_random": False}
    board = changed(
        sample_board(),
        lcd={"p_random": 0.006, "beats_random": True, **ties},
        simclr=other, byol=other, vicreg=other, supervised={"p_random": 0.006},
    )  # fmt: skip
    text = said(first(board))
    assert (
        "lcd beats the untrained encoder random (0.836) by 0.076 (p = 0.006 over the 5 lines"
        in text
    )
    assert ("the two stay tied." in text) == tied
    assert "cannot be told apart from none" not in text
    note = summarise(first(board)).facts["random"].note
    assert note == "shown to beat it, p = 0.006 over the 5 lines against random"


def test_lines_that_are_not_shown_to_beat_random_are_counted_among_all_of_them(
    sample_board: Builder,
) -> None:
    rows = list(first(sample_board()).select("auroc", 1.0))
    more = [
        rows[2].model_copy(update={"method": f"m{i}", "beats_random": False, "mean": 0.8})
        for i in range(11)
    ]
    text = said(comparisons([*rows, *more])[0])
    assert "12 of the 16 lines beside random (all but supervised, lcd, simclr and byol)" in text
    assert "other lines (all but clocs" not in text


def test_rows_without_a_number_are_not_spoken_of(sample_board: Builder) -> None:
    nan = {"mean": math.nan, "ci_low": math.nan, "ci_high": math.nan, "pretrain_wall_s": math.nan}
    board = changed(sample_board(), random=nan, lcd={"pretrain_wall_s": math.nan})
    group = first(board)
    text = said(group)
    assert "n/a" not in text
    assert "nan" not in text
    assert "cost" not in summarise(group).facts
    notes = [str(fact) for fact in summarise(group).facts.values()]
    assert not any("n/a" in note for note in notes)
    alone = changed(board, **dict.fromkeys(("supervised", "simclr", "byol", "vicreg"), nan))
    assert "Only lcd has a result" in said(first(alone))


def foreign(board: Leaderboard, *datasets: str) -> Leaderboard:
    """The board as if its encoders had been pretrained on PTB-XL and scored elsewhere."""
    rows = []
    for row in board.rows:

        def long(name: str, kind: str = "pretrained") -> str:
            if name == "supervised":
                return name
            return f"{name} ({'calibrated' if name == 'random' else kind} on ptbxl)"

        rows += [
            row.model_copy(
                update={
                    "dataset": dataset,
                    "pretrain_dataset": "" if row.kind == "supervised" else "ptbxl",
                    "tied_with": tuple(map(long, row.tied_with)),
                    "compared_random": row.compared_random and long(row.compared_random),
                }
            )
            for dataset in datasets
        ]
    return board.model_copy(update={"rows": tuple(rows)})


def test_one_pretraining_dataset_for_all_is_said_once(sample_board: Builder) -> None:
    board = foreign(sample_board(), "ludb", "georgia")
    group = first(board)
    assert group.setting == "vgg16_1d, linear, pretrained on ptbxl"
    text = said(group)
    assert "lcd beats the untrained encoder random (0.836)" in text
    assert "cannot be told apart from lcd." in text
    assert "on ptbxl" not in text
    assert group.names[next(r.place for r in group.rows if r.method == "lcd")].endswith("ptbxl)")
    pair = Pair(
        dataset="ludb", task="superclass", encoder="vgg16_1d", protocol="linear",
        label_fraction=1.0, metric="auroc", a="lcd (pretrained on ptbxl)",
        b="random (calibrated on ptbxl)", difference=0.1, ci_low=0.0, ci_high=0.2, p=0.1,
        p_holm=0.2,
    )  # fmt: skip
    ranks = AverageRanks(
        encoder="vgg16_1d", protocol="linear", label_fraction=1.0, metric="auroc",
        comparisons=("ludb / superclass", "georgia / superclass"),
        names=("lcd (pretrained on ptbxl)", "random (calibrated on ptbxl)"),
        average_rank=(1.0, 2.0), friedman_p=None, critical_difference=1.0,
    )  # fmt: skip
    page = text_of(board.model_copy(update={"pairs": (pair,), "ranks": (ranks,)}))
    assert "(pretrained on ptbxl)" not in page
    assert "(calibrated on ptbxl)" not in page
    assert "Everything pretrained was pretrained on ptbxl." in page
    assert "The pair with all labels" in page
    assert "lcd random +0.100" in page
    assert "Macro AUROC vgg16_1d, linear, pretrained on ptbxl, all labels" in page


def test_sources_are_told_in_every_row_where_comparisons_differ_in_them(
    sample_board: Builder,
) -> None:
    mixed = foreign(sample_board(), "ludb")
    board = mixed.model_copy(update={"rows": (*sample_board().rows, *mixed.rows)})
    blocks = make_blocks(comparisons(board.rows), assign_looks(board.rows))
    sources = {
        (e.row.dataset, e.source) for b in blocks for e in b.entries if e.row.method == "lcd"
    }
    assert sources == {("ptbxl", ""), ("ludb", "pretrained on ptbxl")}
    assert "Everything pretrained was" not in text_of(board)


def test_no_score_of_a_rare_class_and_none_of_a_single_line_is_the_best(
    sample_board: Builder,
) -> None:
    rows = first(sample_board()).select("auroc", 1.0)
    rare = [row.model_copy(update={"rare_classes": ("HYP",)}) for row in rows]
    table = class_table(rare, {})
    assert table is not None
    best = {line.name: any(cell.best for cell in line.cells) for line in table.rows}
    assert best == {"NORM": True, "MI": True, "STTC": True, "CD": True, "HYP": False}
    alone = class_table(rows[:1], {})
    assert alone is not None
    assert not any(cell.best for line in alone.rows for cell in line.cells)


def test_data_say_how_many_test_records_each_task_has(sample_board: Builder) -> None:
    board = sample_board()
    rows = tuple(
        row.model_copy(update={"n_test": 154 if row.task == "superclass-single" else 221})
        for row in board.rows
    )
    data = board.data[0].model_copy(update={"n_test": 221})
    text = text_of(board.model_copy(update={"rows": rows, "data": (data,)}))
    assert "Scored: superclass 221 test records, superclass-single 154 test records." in text
    assert "also those with several" in text
    same = tuple(row.model_copy(update={"n_test": 221}) for row in rows)
    assert "also those with several" not in text_of(
        board.model_copy(update={"rows": same, "data": (data,)})
    )


def test_one_line_has_no_figure_that_compares(sample_board: Builder) -> None:
    board = sample_board()
    rows = tuple(
        row.model_copy(update={"tied_with": (), "rank": 1})
        for row in board.rows
        if row.method == "lcd" and row.label_fraction == 1
    )
    curves = tuple(
        c.model_copy(update={"epoch": c.epoch[:1], "loss": c.loss[:1]}) for c in board.curves
    )
    text = text_of(board.model_copy(update={"rows": rows, "curves": curves}))
    for title in ("Label efficiency", "Score and cost"):
        assert f"{title} " not in text.split("Figures")[-1]
    assert "the best of a class in bold" not in text
    assert text.count("One epoch: its numbers are in the table.") == 4


def test_the_break_of_the_time_axis_is_told_where_it_is_drawn(sample_board: Builder) -> None:
    board = sample_board()
    rows = first(board).select("auroc", 1.0)
    assert "&lt; 1 s" not in cost_figure(rows, series_of(rows, assign_looks(rows)))
    assert "left of the break" not in text_of(board)
    long = changed(board, lcd={"pretrain_wall_s": 50_000.0})
    assert "What took less than a second stands left of the break" in text_of(long)


def test_seeds_and_unfinished_cells_are_counted_in_plain_words(sample_board: Builder) -> None:
    board = sample_board()
    assert "\u00b7 3 seeds \u00b7" in text_of(board)
    some = changed(board, lcd={"n_seeds": 2})
    assert "\u00b7 up to 3 seeds \u00b7" in text_of(some)
    cells = tuple(UnfinishedCell(title=f"c{i}", status="failed", reason="x") for i in range(6))
    text = text_of(board.model_copy(update={"unfinished": cells}))
    assert "Failed 6 cells" in text
    assert "not complete: 6 failed." in text


def test_rank_is_explained_beside_the_table(sample_board: Builder) -> None:
    source = render_page(sample_board())
    board = source[source.index('id="board"') :]
    caption = board[: board.index("</caption>")]
    assert "Rank: 1 + lines shown to be better" in caption
    assert 'title="1 + lines shown to be better">Rank' in board
