"""Writing a report's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lcd_plugin.errors import ConfigError
from lcd_plugin.files import write_whole
from lcd_plugin.report.exports import to_csv, to_json, to_latex, to_markdown
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.options import FigureWidth, Format, Scores
from lcd_plugin.report.page import render_page

# What is written if nothing else is said; figures take seconds, so they must be asked for.
FORMATS: dict[Format, tuple[str, Callable[[Leaderboard, Scores], str]]] = {
    Format.html: ("index.html", lambda board, _: render_page(board)),
    Format.md: ("leaderboard.md", to_markdown),
    Format.csv: ("leaderboard.csv", lambda board, _: to_csv(board)),
    Format.latex: ("leaderboard.tex", to_latex),
    Format.json: ("leaderboard.json", lambda board, _: to_json(board)),
}


def write_report(
    board: Leaderboard,
    folder: Path,
    formats: Iterable[str] = FORMATS,
    scores: Scores = Scores.fraction,
    figure_width: FigureWidth = FigureWidth.single,
) -> list[Path]:
    """Write the formats asked for; figures go to `figures/`, a file each.

    Args:
        board: the leaderboard.
        folder: where to write.
        formats: names of `Format`.
        scores: how Markdown, LaTeX and figures write them.
        figure_width: columns of a paper that a figure fills.

    Returns:
        The files written.

    Raises:
        ConfigError: the folder cannot be written.
    """
    written = []
    for name in dict.fromkeys(map(Format, formats)):
        for file, content in _files(board, name, scores, figure_width).items():
            try:
                write_whole(folder / file, content)
            except OSError as error:
                raise ConfigError(
                    f"The report cannot be written to {folder} ({error.strerror}); give another "
                    f"folder with -o."
                ) from error
            written.append(folder / file)
    return written


def _files(
    board: Leaderboard, name: Format, scores: Scores, figure_width: FigureWidth
) -> dict[str, bytes]:
    """File -> content of one format."""
    if name is Format.figures:
        from lcd_plugin.report.paper_figures import Paper, paper_figures  # loads matplotlib

        found = paper_figures(board, Paper(figure_width, scores))
        return {f"figures/{file}": content for file, content in found.items()}
    file, render = FORMATS[name]
    return {file: render(board, scores).encode()}
