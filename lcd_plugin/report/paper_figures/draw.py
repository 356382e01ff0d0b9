"""Which figures a leaderboard has, and what their files are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matplotlib.figure import Figure

from lcd_plugin.report.exports.tables import factors_of
from lcd_plugin.report.figures import Look, assign_looks, class_table, series_of, words
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.page.groups import Comparison, comparisons
from lcd_plugin.report.paper_figures.classes import classes_figure
from lcd_plugin.report.paper_figures.cost import cost_figure
from lcd_plugin.report.paper_figures.efficiency import efficiency_figure
from lcd_plugin.report.paper_figures.factors import factor_figure
from lcd_plugin.report.paper_figures.ranks import ranks_figure
from lcd_plugin.report.paper_figures.style import Paper, files_of, paper_style
from lcd_plugin.report.plain_text import unique_slugs

Named = tuple[str, Figure | None]


def paper_figures(board: Leaderboard, paper: Paper | None = None) -> dict[str, bytes]:
    """Every figure of every comparison, under its first metric, as SVG and PDF.

    Args:
        board: the leaderboard.
        paper: size, and how scores are written; one column and fractions if None.

    Returns:
        File name -> content. Names are of `a-z`, `0-9` and `-` only, and end in `.svg` or `.pdf`.
    """
    paper = paper or Paper()
    looks = assign_looks(board.rows, board.curves)
    groups = comparisons(board.rows)
    titles = [
        f"{g.dataset} {g.task} {g.encoder} {g.protocol}"
        + (f" {g.leads}" if g.leads != "all" else "")
        for g in groups
    ]
    files: dict[str, bytes] = {}
    with paper_style():
        for slug, group in zip(unique_slugs(titles), groups, strict=True):
            for name, figure in _comparison_figures(group, board, looks, paper):
                if figure is not None:
                    for kind, content in files_of(figure).items():
                        files[f"{slug}-{name}.{kind}"] = content
        for name, figure in _ranks_figures(board, groups, looks, paper):
            for kind, content in files_of(figure).items():
                files[f"{name}.{kind}"] = content
    return files


def _comparison_figures(
    group: Comparison, board: Leaderboard, looks: Mapping[str, Look], paper: Paper
) -> Iterator[Named]:
    metric = group.metrics[0]
    series = series_of(group.rows, looks)
    top = group.select(metric, group.fractions(metric)[-1])
    yield "label-efficiency", efficiency_figure(group.select(metric), series, paper)
    # Times of two machines cannot be compared, so each has a figure of its own.
    for number, machine in enumerate(group.machines, start=1):
        own = [row for row in top if row.machine == machine]
        numbered = "" if number == 1 else f"-machine-{number}"
        told = machine if len(group.machines) > 1 else ""
        yield f"score-against-time{numbered}", cost_figure(own, series, paper, told)
    yield "label-factors", factor_figure(factors_of(board, group.rows), series, paper)
    summary = next((data for data in board.data if data.dataset == group.dataset), None)
    table = class_table(top, summary.tasks.get(group.task, {}) if summary else {})
    if table is not None:
        yield "classes", classes_figure(table, series, metric, paper)


def _ranks_figures(
    board: Leaderboard, groups: list[Comparison], looks: Mapping[str, Look], paper: Paper
) -> Iterator[tuple[str, Figure]]:
    by_name = {
        one.name: one.look for group in groups for one in series_of(group.rows, looks).values()
    }
    titles = [
        f"{r.encoder} {r.protocol} {r.leads if r.leads != 'all' else ''} "
        + (words.share(r.label_fraction) if r.label_fraction else "")
        for r in board.ranks
    ]
    for slug, ranks in zip(unique_slugs(titles), board.ranks, strict=True):
        yield f"average-ranks-{slug}", ranks_figure(ranks, by_name, paper)
