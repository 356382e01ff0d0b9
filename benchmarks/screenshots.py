"""Screenshots of a report for the README and the docs.

    python benchmarks/screenshots.py OUT|leaderboard.json -o docs/images

`OUT` is an output folder of `lcd-bench run`; its report is made anew. Needs playwright and the
system's Chromium.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcd_plugin.errors import ConfigError, LcdBenchError
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.page import render_page

log = logging.getLogger("screenshots")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name: of its file.
        width, height: of the window and the picture, in CSS pixels.
        scheme: `light` or `dark`.
    """

    name: str
    width: int
    height: int
    scheme: str = "light"


SHOTS = (
    Shot("report", 1200, 2010),
    Shot("report-dark", 1200, 2010, "dark"),
    Shot("report-phone", 360, 1400),
)


def read_board(source: Path) -> Leaderboard:
    """The leaderboard of an output folder, or one that was written as JSON.

    Raises:
        ConfigError: there is no such file or folder.
    """
    if source.is_dir():
        return build_leaderboard([source])
    if not source.is_file():
        raise ConfigError(f"{source} is neither an output folder nor a leaderboard.json.")
    return Leaderboard.read(source)


def take(browser: Any, page_file: Path, folder: Path) -> list[Path]:
    """Takes all pictures.

    Args:
        browser: of playwright's synchronous interface.
        page_file: the report.
        folder: where the pictures go.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for shot in SHOTS:
        size = {"width": shot.width, "height": shot.height}
        page = browser.new_page(viewport=size, color_scheme=shot.scheme, device_scale_factor=1)
        page.goto(page_file.as_uri())
        path = folder / f"{shot.name}.png"
        page.screenshot(path=path)
        page.close()
        written.append(path)
    return written


def main() -> None:
    """Reads the arguments and takes the pictures."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="output folder, or leaderboard.json")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("playwright is missing; install it with: pip install playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit(f"No browser is on the PATH; install one of {', '.join(BROWSERS)}.")
    try:
        source = render_page(read_board(arguments.source))
    except LcdBenchError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "index.html"
        page_file.write_text(source, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for path in take(browser, page_file, arguments.output):
            log.info("%s", path)


if __name__ == "__main__":
    main()
