"""Text from elsewhere must be text in every output, read back by parsers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lcd_plugin.cli.tables import print_board
from lcd_plugin.report.exports import to_csv, to_json, to_latex, to_markdown
from lcd_plugin.report.model import AverageRanks, Leaderboard
from lcd_plugin.report.options import Format
from lcd_plugin.report.run_record import UnfinishedCell
from lcd_plugin.report.write import write_report

HOSTILE = {
    "formula": "=cmd|' /C calc'!A0",
    "formula after white space": " \t=1+1",
    "formula of other signs": "+1;-2;@SUM(A1)",
    "formula of a wide sign": "\uff1dHYPERLINK(A1)",
    "formula after an invisible sign": "\u200b\x00=1+1",
    "table": "a|b\\|c `d|e` ``",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
    "link": "[x](javascript:alert(1)) <javascript:alert(1)> [a][b]",
    "image": "![](http://evil.example/x.png) ![a][b]",
    "address": "http://evil.example www.evil.example",
    "emphasis": "*a* __b__ ~~c~~ _d_ **",
    "attributes": "x {: onclick=alert(1) } {#y}",
    "lines": "one\n\n# two\r\n\n- three\u2028- four\n    five",
    "list": "1. first",
    "heading": "# first",
    "right to left": "abc\u202egnp.exe\u2066\u200f\u061c",
    "terminal": "a\x00b\x1b[31mred\x1b]0;title\x07\x9b2Jc\x08\x7f",
    "mathematics": "$\\frac{1}{2}$ $5 $x$",
    "commands": r"\input{/etc/passwd} \end{document} % # & _ ~ ^ {",
    "path": "../../../etc/passwd",
}


def shown(text: str) -> str:
    """What a reader is to see, without white space (outputs break lines as they like)."""
    kept = (c for c in text if unicodedata.category(c)[0] not in "CZ")
    return "".join(kept)


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def hostile(
    name: str,
    board: Leaderboard,
    renamed: Callable[[Leaderboard, dict[str, str]], Leaderboard],
) -> Leaderboard:
    """A board where everything is called by the name."""
    called = ("lcd", "ptbxl", "superclass", "vgg16_1d", "MI", "NVIDIA H100 80GB, 16 cores")
    ranks = AverageRanks(
        encoder=name, protocol="linear", label_fraction=1.0, metric="auroc",
        comparisons=(f"{name} / a", "x / b"), names=(name, "byol"), left_out=(name,),
        average_rank=(1.0, 2.0), friedman_p=0.01, critical_difference=1.5,
    )  # fmt: skip
    poisoned = renamed(board, dict.fromkeys(called, name))
    rows = tuple(row.model_copy(update={"rare_classes": (name,)}) for row in poisoned.rows)
    unfinished = UnfinishedCell(title=name, status="failed", reason=name)
    return poisoned.model_copy(
        update={
            "suite": name,
            "rows": rows,
            "notes": (name,),
            "unfinished": (unfinished,),
            "ranks": (ranks,),
        }
    )


@pytest.fixture
def many(board: Leaderboard) -> Leaderboard:
    """A comparison of methods with all of these names, on a dataset with one of them."""
    row = next(r for r in board.rows if (r.method, r.metric) == ("lcd", "auroc"))
    changes = [
        {"method": name, "dataset": HOSTILE["path"], "encoder": "e", "task": "t", "tied_with": ()}
        for name in HOSTILE.values()
    ]
    rows = tuple(row.model_copy(update=change) for change in changes)
    return board.model_copy(update={"rows": rows, "label_factors": ()})


def test_no_field_of_the_csv_is_a_formula(hostile: Leaderboard, name: str):
    lines = list(csv.reader(io.StringIO(to_csv(hostile), newline=""), strict=True))
    assert len(lines) == len(hostile.rows) + 1
    assert {len(line) for line in lines} == {len(lines[0])}
    for field in (field for line in lines for field in line):
        for part in (field, *field.split(";")[1:]):  # some programs split there
            plain = unicodedata.normalize("NFKC", part).lstrip()
            assert not plain.startswith(("+", "@", "="))
            assert not plain.startswith("-") or float(plain) < 0
        assert all(c.isprintable() for c in field)
    row = dict(zip(*lines[:2], strict=True))
    assert shown(row["dataset"]).replace("'", "") == shown(name).replace("'", "")


def _tokens(text: str) -> list[Token]:
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [part for token in found for part in (token, *(token.children or ()))]


def test_markdown_shows_the_text_and_nothing_else(hostile: Leaderboard, name: str):
    text = to_markdown(hostile)
    tokens = _tokens(text)
    blocks = {"heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr",
              "th", "td", "strong"}  # fmt: skip
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds <= blocks | {"inline", "text", "text_special", "softbreak"}
    assert sum(token.type == "heading_open" for token in tokens) == 4  # suite, two tasks, ranks
    assert sum(token.type == "list_item_open" for token in tokens) == 3
    assert not re.search(r"https?://|www\.", text)  # which GitHub makes links of
    said = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
    assert shown(said).count(shown(name)) > 10


def test_every_line_of_a_markdown_table_has_as_many_cells(hostile: Leaderboard):
    tokens = _tokens(to_markdown(hostile))
    tables, cells = [], []
    for token in tokens:
        if token.type == "table_open":
            tables.append(cells := [])
        elif token.type == "tr_open":
            cells.append(0)
        elif token.type in ("td_open", "th_open"):
            cells[-1] += 1
    sizes = [(len(counts), counts[0]) for counts in tables]
    assert all(len(set(counts)) == 1 for counts in tables)
    assert sizes == [(7, 8), (5, 3)] * 2  # six methods, four of them with a label factor


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {key for key, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markdown_is_text_in_a_documentation_site_too(hostile: Leaderboard, name: str):
    """Python-Markdown is another dialect, and takes attributes."""
    markdown = pytest.importorskip("markdown")
    page = _Page()
    page.feed(markdown.markdown(to_markdown(hostile), extensions=["tables", "attr_list"]))
    assert page.tags <= {"h1", "h2", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr",
                         "th", "td"}  # fmt: skip
    assert page.attributes <= {"style"}
    assert shown(name) in shown(page.text)


def test_json_keeps_the_text_as_it_was(hostile: Leaderboard, name: str):
    document = json.loads(to_json(hostile))
    assert document["suite"] == document["rows"][0]["dataset"] == name
    assert document["schema"] == 1


@pytest.mark.parametrize("columns", ["80", "100"])
def test_the_terminal_gets_no_commands(
    hostile: Leaderboard,
    name: str,
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("COLUMNS", columns)
    print_board(hostile)
    printed = capsys.readouterr().out
    assert all(c == "\n" or c.isprintable() for c in printed)
    assert not {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"} & {
        unicodedata.bidirectional(c) for c in printed
    }
    assert shown(f"Note: {name}") in shown(printed)
    assert any(shown(name) in shown(line) for line in printed.splitlines() if "~" in line)


def test_figures_are_named_by_us_and_hold_text(many: Leaderboard, tmp_path: Path):
    folder = tmp_path / "report"
    written = write_report(many, folder, [Format.figures])
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {*written, folder / "figures" / "figures.json"} == files
    assert {path.parent for path in files} == {folder / "figures"}
    assert all(re.fullmatch(r"etc-passwd-[a-z0-9-]+\.(svg|pdf)", path.name) for path in written)
    for path in files:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "a")]
    (curves,) = (path for path in files if path.name.endswith("efficiency.svg"))
    texts = "".join(ElementTree.parse(curves).getroot().itertext())
    for name in HOSTILE.values():
        assert shown(name) in shown(texts)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_latex_sets_the_text_and_runs_nothing(many: Leaderboard, typeset: Callable[..., str]):
    text = shown(typeset(to_latex(many)))
    # Which a font without underscores draws, or quotes of typewriters has not.
    same = str.maketrans({"_": None, "\u201d": '"', "\u2019": "'"})
    for name in HOSTILE.values():
        sign = name.replace("\uff1d", "U+FF1D")  # of which there is no letter in the fonts
        assert shown(sign).translate(same) in text.translate(same)
