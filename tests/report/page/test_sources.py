from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from lcd_plugin.report.figures import PhaseLine, assign_looks, phases_figure, series_of
from lcd_plugin.report.model import Leaderboard, Row
from lcd_plugin.report.page import render_page
from lcd_plugin.report.page.groups import comparisons
from lcd_plugin.report.page.names import told_in_short
from lcd_plugin.report.page.sources import file_key, gap_groups, result_files
from lcd_plugin.report.page.summary import summarise
from lcd_plugin.report.page.times import phases_views
from lcd_plugin.report.run_record import RunSource, UnfinishedCell

Builder = Callable[..., Leaderboard]


def with_results(board: Leaderboard) -> Leaderboard:
    def results(row: Row) -> tuple[str, ...]:
        name = f"{row.method}-{row.task}-{row.label_fraction}"
        return (f"out/evaluate/{name}", f"out/pretrain/{row.method}")

    rows = (row.model_copy(update={"results": results(row)}) for row in board.rows)
    return board.model_copy(update={"rows": tuple(rows)})


def test_result_files_are_listed_once_for_all_metrics(sample_board: Builder) -> None:
    board = with_results(sample_board())
    groups = comparisons(board.rows)
    looks = assign_looks(board.rows)
    files = result_files(groups, [series_of(group.rows, looks) for group in groups])
    assert len(files) == 6 * 3 * 2  # lines, fractions, tasks; and not four metrics
    assert len({own.id for own in files.values()}) == len(files)
    for row in board.rows:
        assert files[file_key(row)].folders == row.results
    source = render_page(board)
    for own in files.values():
        assert source.count(f'id="{own.id}"') == 1
        assert source.count(f"<a href=#{own.id}>2</a>") == 4  # a row for each metric
        assert source.count(f"{own.folders[0]}\n") == 1


def test_a_page_without_result_files_has_no_links_to_them(sample_board: Builder) -> None:
    source = render_page(sample_board())
    assert 'id="results"' not in source
    assert ">Results</th>" not in source


def test_unfinished_cells_are_grouped_by_status_and_reason() -> None:
    cells = [
        UnfinishedCell(title="a", status="missing", reason="not run yet", out="one"),
        UnfinishedCell(title="b", status="conflict", reason="two results", out="two"),
        UnfinishedCell(title="c", status="missing", reason="not run yet", out="one"),
        UnfinishedCell(title="d", status="missing", reason="not run yet", out="two"),
        UnfinishedCell(title="e", status="failed", reason="error", out="one"),
    ]
    groups = gap_groups(cells)
    assert [group.status for group in groups] == ["failed", "conflict", "missing"]
    assert [group.counted for group in groups] == ["1 failed", "1 in conflict", "3 missing"]
    missing = [(gap.out, gap.titles) for gap in groups[2].gaps]
    assert missing == [("one", ("a", "c")), ("two", ("d",))]
    assert gap_groups([]) == []


def test_thousands_of_missing_cells_tell_their_reason_once(sample_board: Builder) -> None:
    cells = [
        UnfinishedCell(title=f"cell {i}", status="missing", reason="not computed yet", out="out")
        for i in range(2000)
    ]
    source = render_page(sample_board(unfinished=tuple(cells)))
    assert source.count("not computed yet") == 1
    assert "2,000 missing</bdi>." in source


def test_runs_are_in_the_provenance(sample_board: Builder) -> None:
    runs = tuple(
        RunSource(
            out=out, suite="quick", created="2025-05-02T14:31:07Z", results=7, machines=("m1",),
            provenance={"python": version},
        )
        for out, version in (("first", "3.11.7"), ("second", "3.12.1"))
    )  # fmt: skip
    source = render_page(sample_board(runs=runs))
    part = source[source.index('id="provenance"') :]
    for text in ("first", "second", "quick", "3.11.7", "3.12.1", "2025-05-02 14:31"):
        assert text in part


def test_phases_are_stacked_to_scale() -> None:
    lines = [
        PhaseLine("slow", {"steps": 90.0, "load": 10.0}),
        PhaseLine("fast", {"steps": 25.0, "load": 0.01}),
    ]
    drawn = ElementTree.fromstring(phases_figure(lines))
    blocks = [node for node in drawn.iter("rect") if node.find("title") is not None]
    told = [(node.findtext("title") or "").split(":")[0] for node in blocks]
    assert told == ["slow, load", "slow, steps", "fast, steps"]  # 10 ms cannot be seen
    load, slow, fast = ([float(node.attrib[key]) for key in ("x", "width")] for node in blocks)
    assert load[0] + load[1] == pytest.approx(slow[0], abs=0.11)
    assert slow[1] / load[1] == pytest.approx(9, rel=0.05)
    assert slow[1] / fast[1] == pytest.approx(90 / 25, rel=0.02)
    assert phases_figure([]) == phases_figure([PhaseLine("none", {})]) == ""


def test_phases_of_two_machines_are_two_figures(sample_board: Builder) -> None:
    rows = comparisons(sample_board().rows)[0].select("auroc", 1.0)
    series = series_of(rows, assign_looks(rows))
    assert phases_views(rows, series) == []  # nothing was written down
    timed = [
        row.model_copy(update={"phases": {"steps": 5.0 + i}, "machine": f"m{i % 2}"})
        for i, row in enumerate(rows)
    ]
    views = phases_views(timed, series)
    assert [view.machine for view in views] == ["m0", "m1"]
    assert [[row.phases["steps"] for row in view.rows] for view in views] == [[9, 7, 5], [10, 8, 6]]


def test_many_names_are_told_in_short() -> None:
    def short(n: int, others: int) -> str:
        chosen, rest = [f"a{i}" for i in range(n)], [f"b{i}" for i in range(others)]
        return told_in_short(chosen, rest, f"the other {n + others} lines").striptags()

    assert short(0, 3) == ""
    assert short(2, 9) == "a0 and a1"
    assert short(5, 0) == "any of the other 5 lines"
    assert short(5, 2) == "5 of the other 7 lines (all but b0 and b1)"
    assert short(5, 5) == "5 of the other 10 lines"


def test_facts_say_who_is_ahead_and_whether_it_is_real(sample_board: Builder) -> None:
    board = sample_board()
    facts = summarise(comparisons(board.rows)[0]).facts
    told = {key: (fact.value.striptags(), fact.note.striptags()) for key, fact in facts.items()}
    assert told["highest"] == ("supervised", "0.921 [0.902, 0.938], a baseline")
    assert told["real"] == ("Tied with 1 of 5", "2,158 test records, 3 seeds, \u00b1 0.004")
    assert told["random"] == ("+0.076", "shown to beat it")
    assert told["supervised"] == ("\u22120.009", "cannot be told apart")
    assert told["cost"] == ("25.2 min a seed", "1,130 records/s")
    alone = [r.model_copy(update={"tied_with": (), "n_seeds": 1}) for r in board.rows]
    real = summarise(comparisons(alone)[0]).facts["real"]
    assert real.value == "Ahead of all 5"
    assert "one seed: luck of training not known" in real.note


def test_no_finite_score_is_no_winner(sample_board: Builder) -> None:
    nan = float("nan")
    rows = [row.model_copy(update={"mean": nan}) for row in sample_board().rows]
    summary = summarise(comparisons(rows)[0])
    assert summary.lead == "No line has a macro AUROC with all labels."
    assert (summary.more, summary.facts) == ((), {})
