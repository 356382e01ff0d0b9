"""Writing a report's files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from lcd_plugin.errors import ConfigError
from lcd_plugin.files import read_limited, write_whole
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

FIGURES = "figures"
WRITTEN = "figures.json"  # names of the figures beside it that a report wrote
MOST_OF_LIST = 2**20  # bytes of it that are read
_FIGURE = re.compile(r"[a-z0-9-]+\.(svg|pdf)")


def write_report(
    board: Leaderboard,
    folder: Path,
    formats: Iterable[str] = FORMATS,
    scores: Scores = Scores.fraction,
    figure_width: FigureWidth = FigureWidth.single,
) -> list[Path]:
    """Write the formats asked for; figures go to `figures/`, a file each, for those of before.

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
        files = _files(board, name, scores, figure_width)
        try:
            for file, content in files.items():
                write_whole(folder / file, content)
            if name is Format.figures and (files or (folder / FIGURES).is_dir()):
                _replace_figures(folder / FIGURES, {Path(file).name for file in files})
        except OSError as error:
            raise ConfigError(
                f"The report cannot be written to {folder} ({error.strerror}); give another "
                f"folder with -o."
            ) from error
        written += [folder / file for file in files]
    return written


def _replace_figures(folder: Path, names: Collection[str]) -> None:
    """Remove the figures of an earlier report, and remember those of this one.

    Nothing is removed but what the list in the folder names in the way of a figure.

    Args:
        folder: of the figures.
        names: of this report, which are there.
    """
    for old in _written_before(folder / WRITTEN):
        if old not in names:
            (folder / old).unlink(missing_ok=True)
    write_whole(folder / WRITTEN, json.dumps(sorted(names), indent=1).encode())


def _written_before(path: Path) -> list[str]:
    """Names of figures in a list; none where there is no list that can be read."""
    try:
        names = json.loads(read_limited(path, MOST_OF_LIST))
    except (OSError, ValueError, RecursionError):
        return []
    found = names if isinstance(names, list) else []
    return [name for name in found if isinstance(name, str) and _FIGURE.fullmatch(name)]


def _files(
    board: Leaderboard, name: Format, scores: Scores, figure_width: FigureWidth
) -> dict[str, bytes]:
    """File -> content of one format."""
    if name is Format.figures:
        from lcd_plugin.report.paper_figures import Paper, paper_figures  # loads matplotlib

        found = paper_figures(board, Paper(figure_width, scores))
        return {f"{FIGURES}/{file}": content for file, content in found.items()}
    file, render = FORMATS[name]
    return {file: render(board, scores).encode()}
