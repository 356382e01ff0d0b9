"""Writing a report's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lcd_plugin.errors import ConfigError
from lcd_plugin.files import write_whole
from lcd_plugin.report.exports import to_csv, to_json, to_markdown
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.page import render_page

FORMATS: dict[str, tuple[str, Callable[[Leaderboard], str]]] = {
    "html": ("index.html", render_page),
    "md": ("leaderboard.md", to_markdown),
    "csv": ("leaderboard.csv", to_csv),
    "json": ("leaderboard.json", to_json),
}


def write_report(board: Leaderboard, folder: Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write the formats asked for.

    Returns:
        The files written.

    Raises:
        ConfigError: the folder cannot be written.
    """
    written = []
    for name in dict.fromkeys(formats):
        file, render = FORMATS[name]
        try:
            write_whole(folder / file, render(board).encode())
        except OSError as error:
            raise ConfigError(
                f"The report cannot be written to {folder} ({error.strerror}); give another "
                f"folder with -o."
            ) from error
        written.append(folder / file)
    return written
