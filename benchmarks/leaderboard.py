"""The published leaderboards: every page of them is made from `results/*/leaderboard.json`.

    python benchmarks/leaderboard.py          # writes them
    python benchmarks/leaderboard.py --check  # ends with 1 where one is not what would be written

It writes `LEADERBOARD.md`, the site's `docs/leaderboard.md`, and the tables beside each document.
For mkdocs it is a hook too, which adds the interactive report of each to the site.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from lcd_plugin.report.exports import to_markdown
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.page import render_page
from lcd_plugin.report.write import write_report

HERE = Path(__file__).resolve().parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"
# In the order of the page: what most readers look for comes first.
BOARDS = {
    "methods": "Methods",
    "encoders": "Encoders",
    "quick-paper": "The paper's recipe and a better one",
    "ablation": "Ablation of LCD",
}
TABLES = ("md", "csv", "latex")

INTRODUCTION = """\
# Leaderboards

Each line is a mean over seeds on test records that were touched once, with a 95 % bootstrap
interval over patients; ranks that a paired permutation test cannot tell apart are shared ({ties}).
How that is done is in [the protocol]({protocol}). Nothing here was changed by hand:
`make leaderboard` writes this page from [the results]({results}).
"""


def main() -> None:
    """Write the pages, or say which are not up to date."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if old")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        pages = make_pages(Path(folder))
    old = [path for path, text in pages.items() if not _holds(path, text)]
    for path in old:
        print(f"{path.relative_to(HERE.parent)} {'is not up to date' if check else 'written'}")
        if not check:
            path.write_text(pages[path], encoding="utf-8")
    if check and old:
        sys.exit("Run `make leaderboard` and commit what it writes.")


def make_pages(scratch: Path) -> dict[Path, str]:
    """Every generated file with its text.

    Args:
        scratch: an empty folder.
    """
    boards = read_boards()
    pages = {
        HERE / "LEADERBOARD.md": leaderboard(boards, "../docs/protocol.md", "results", None),
        DOCS / "leaderboard.md": leaderboard(
            boards, "protocol.md", "reproduction.md", "leaderboards/{}.html"
        ),
    }
    for name, board in boards.items():
        for path in write_report(board, scratch / name, TABLES):
            pages[RESULTS / name / path.name] = path.read_text(encoding="utf-8")
    return pages


def read_boards() -> dict[str, Leaderboard]:
    """The committed documents by name."""
    found = {path.parent.name for path in RESULTS.glob("*/leaderboard.json")}
    if found != set(BOARDS):
        sys.exit(f"{RESULTS} holds {sorted(found)}, and this script knows {sorted(BOARDS)}.")
    return {name: Leaderboard.read(RESULTS / name / "leaderboard.json") for name in BOARDS}


def leaderboard(
    boards: dict[str, Leaderboard], protocol: str, results: str, interactive: str | None
) -> str:
    """One page of all boards.

    Args:
        boards: by name.
        protocol, results: where those are described, seen from the page.
        interactive: where the interactive report of a board is, with its name for `{}`; None if
            there is none beside the page.
    """
    parts = [INTRODUCTION.format(ties="`=`", protocol=protocol, results=results)]
    for name, title in BOARDS.items():
        parts.append(f"## {title}\n")
        parts.append((RESULTS / name / "about.md").read_text(encoding="utf-8"))
        if interactive:
            link = interactive.format(name)
            parts.append(f"[Sort, filter and compare in the interactive report]({link}).\n")
        # Its own title goes; its sections stand below ours.
        tables = to_markdown(boards[name]).partition("\n")[2].lstrip()
        parts.append(re.sub("^##", "###", tables, flags=re.MULTILINE))
    return "\n".join(parts)


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs: the interactive reports become files of the site."""
    from mkdocs.structure.files import File

    for name, board in read_boards().items():
        page = File.generated(config, f"leaderboards/{name}.html", content=render_page(board))
        files.append(page)
    return files


if __name__ == "__main__":
    main()
