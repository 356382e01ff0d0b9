from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from lcd_plugin.report.figures import assign_looks
from lcd_plugin.report.model import AverageRanks, Leaderboard
from lcd_plugin.report.options import FigureWidth, Scores
from lcd_plugin.report.paper_figures import Paper, paper_figures
from lcd_plugin.report.paper_figures.style import COLOURS

SVG = "{http://www.w3.org/2000/svg}"
STYLE_SHEET = "lcd_plugin/report/page/templates/style.css.j2"
RANKS = AverageRanks(
    encoder="vgg16_1d", protocol="linear", label_fraction=1.0, metric="auroc",
    comparisons=tuple(f"d{i} / t" for i in range(6)), names=("lcd", "byol", "random"),
    average_rank=(1.2, 2.0, 2.8), friedman_p=0.02, critical_difference=1.35,
)  # fmt: skip


@pytest.fixture(scope="module")
def files(sample_board: Callable[..., Leaderboard]) -> dict[str, bytes]:
    board = sample_board()
    rows = tuple(row for row in board.rows if row.task == "superclass")
    return paper_figures(board.model_copy(update={"rows": rows, "ranks": (RANKS,)}))


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()) for e in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_figure_is_there_as_svg_and_pdf(files: dict[str, bytes]):
    comparison = "ptbxl-superclass-vgg16-1d-linear"
    names = [f"{comparison}-{n}" for n in ("label-efficiency", "score-against-time", "classes")]
    names.append("average-ranks-vgg16-1d-linear-100")
    assert set(files) == {f"{name}.{kind}" for name in names for kind in ("svg", "pdf")}


@pytest.mark.parametrize(("n", "said"), [(6, False), (5, False), (4, True), (3, True)])
def test_ranks_of_few_comparisons_say_so(
    sample_board: Callable[..., Leaderboard], n: int, said: bool
):
    ranks = RANKS.model_copy(update={"comparisons": RANKS.comparisons[:n]})
    found = paper_figures(sample_board(rows=()).model_copy(update={"ranks": (ranks,)}))
    shown = " ".join(texts(found["average-ranks-vgg16-1d-linear-100.svg"]))
    assert (f"only {n} comparisons" in shown) is said


def test_label_factors_are_drawn_where_there_are_any(board: Leaderboard):
    rows = tuple(row for row in board.rows if row.task == "superclass")
    found = paper_figures(board.model_copy(update={"rows": rows}))
    (name,) = (name for name in found if name.endswith("label-factors.svg"))
    said = texts(found[name])
    assert {"lcd", "simclr", "byol", "vicreg"} <= set(said)
    assert any("supervised needs" in text for text in said)


@pytest.mark.parametrize("width", FigureWidth)
def test_a_figure_is_as_wide_as_its_column(
    sample_board: Callable[..., Leaderboard], width: FigureWidth
):
    board = sample_board()
    long = {"method": "a method with a very long name, " * 4, "tied_with": ()}
    rows = [row for row in board.rows if row.task == "superclass" and row.metric == "auroc"]
    rows += [row.model_copy(update=long) for row in rows if row.method == "lcd"]
    inches = {"single": 3.3, "double": 6.9}[width]
    found = paper_figures(board.model_copy(update={"rows": tuple(rows)}), Paper(width))
    for name, content in found.items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(content)
            assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(inches * 72)
        else:
            box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", content)
            assert box
            assert float(box[1]) == pytest.approx(inches * 72)


def test_text_is_text_and_nothing_comes_from_elsewhere(files: dict[str, bytes]):
    for name, content in files.items():
        if not name.endswith(".svg"):
            continue
        assert b"<!DOCTYPE" not in content
        root = ElementTree.fromstring(content)
        assert len(texts(content)) > 3
        for element in root.iter():
            assert element.tag != f"{SVG}image"
            for key, value in element.attrib.items():
                if key.endswith("href"):
                    assert value.startswith("#")
                assert "url(" not in value or "url(#" in value
    curves = files["ptbxl-superclass-vgg16-1d-linear-label-efficiency.svg"]
    assert {"lcd", "random", "supervised", "macro AUROC"} <= set(texts(curves))


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="pdffonts is not installed")
def test_the_fonts_of_a_pdf_are_in_it_as_outlines(files: dict[str, bytes], tmp_path: Path):
    for name, content in files.items():
        if name.endswith(".pdf"):
            (tmp_path / name).write_bytes(content)
            said = subprocess.run(
                ["pdffonts", tmp_path / name], capture_output=True, text=True, check=True
            ).stdout
            fonts = said.splitlines()[2:]
            assert fonts
            assert all("TrueType" in font and " yes yes " in font for font in fonts)


def test_the_same_leaderboard_gives_the_same_files_in_another_process(
    sample_board: Callable[..., Leaderboard], tmp_path: Path
):
    board = sample_board()
    board = board.model_copy(
        update={"rows": tuple(r for r in board.rows if r.task == "superclass"), "ranks": (RANKS,)}
    )
    (tmp_path / "board.json").write_text(board.model_dump_json(by_alias=True))
    (tmp_path / "matplotlibrc").write_text("font.size: 20\ntext.usetex: True\nsvg.fonttype: path\n")
    script = (
        "import hashlib, pathlib\n"
        "from lcd_plugin.report.model import Leaderboard\n"
        "from lcd_plugin.report.paper_figures import paper_figures\n"
        "board = Leaderboard.model_validate_json(pathlib.Path('board.json').read_text())\n"
        "for name, content in paper_figures(board).items():\n"
        "    print(name, hashlib.sha256(content).hexdigest())\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "1"}, timeout=120,
    ).stdout  # fmt: skip
    here = {name: hashlib.sha256(c).hexdigest() for name, c in paper_figures(board).items()}
    assert dict(line.split() for line in said.splitlines()) == here
    assert len(here) == 8


def test_colours_are_those_of_the_page(board: Leaderboard):
    """And so the same method has the same one in both."""
    sheet = (Path(__file__).parents[3] / STYLE_SHEET).read_text()
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", sheet.partition("@media")[0]))
    classes = dict(re.findall(r"\.(s[\w-]+) \{ --s: var\(--(\w+)\) \}", sheet))
    assert {look.css for look in assign_looks(board.rows).values()} <= set(COLOURS)
    assert {css: named[variable] for css, variable in classes.items()} == COLOURS


def test_dollar_signs_are_no_mathematics(
    board: Leaderboard, renamed: Callable[[Leaderboard, dict[str, str]], Leaderboard]
):
    name = r"$\alpha$ for $5"
    rows = tuple(row for row in board.rows if row.task == "superclass" and row.metric == "auroc")
    found = paper_figures(renamed(board.model_copy(update={"rows": rows}), {"lcd": name}))
    for kind in ("label-efficiency", "score-against-time", "label-factors", "classes"):
        (svg,) = (content for n, content in found.items() if n.endswith(f"{kind}.svg"))
        assert name in texts(svg)


def test_percentages_on_the_axes_as_asked_for(sample_board: Callable[..., Leaderboard]):
    board = sample_board()
    rows = tuple(r for r in board.rows if r.task == "superclass" and r.metric == "auroc")
    found = paper_figures(board.model_copy(update={"rows": rows}), Paper(scores=Scores.percent))
    (svg,) = (content for name, content in found.items() if name.endswith("label-efficiency.svg"))
    assert {"macro AUROC (%)", "80"} <= set(texts(svg))


def test_numbers_that_are_none_cost_their_own_point_only(sample_board: Callable[..., Leaderboard]):
    board = sample_board()
    rows = [r for r in board.rows if r.task == "superclass" and r.metric == "auroc"]
    spoilt = {
        "lcd": {"mean": math.nan, "ci_low": math.nan, "ci_high": math.nan, "per_class": {}},
        "byol": {"ci_low": math.nan, "ci_high": math.nan, "pretrain_wall_s": 0.0},
    }
    rows = [r.model_copy(update=spoilt.get(r.method, {})) for r in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paper_figures(board.model_copy(update={"rows": tuple(rows), "label_factors": ()}))
    (svg,) = (content for name, content in found.items() if name.endswith("label-efficiency.svg"))
    assert "lcd" not in texts(svg)
    assert "byol" in texts(svg)


def test_settings_of_the_user_are_left_as_they_were(sample_board: Callable[..., Leaderboard]):
    with matplotlib.rc_context({"svg.fonttype": "path", "font.size": 20}):
        paper_figures(sample_board(rows=()), Paper())
        assert matplotlib.rcParams["svg.fonttype"] == "path"
        assert matplotlib.rcParams["font.size"] == 20


def test_an_empty_board_has_no_figures(board: Leaderboard):
    assert paper_figures(board.model_copy(update={"rows": (), "label_factors": ()})) == {}
