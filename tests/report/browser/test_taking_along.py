"""Copying tables and saving figures in a real browser."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Open = Callable[..., Any]
SVG = "{http://www.w3.org/2000/svg}"
# A page without a clipboard: what it copies the old way is kept here.
OLD_WAY = """
Object.defineProperty(navigator, "clipboard", { value: undefined });
document.execCommand = () => { window.copied = getSelection().toString(); return true; };
"""


def copied(page: Any, box: Any, name: str) -> str:
    """Presses a button below a table, by keyboard, and reads the clipboard."""
    button = box.get_by_role("button", name=f"Copy as {name}:")
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#status", has_text=f"as {name}.").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


@pytest.fixture
def page(open_page: Open) -> Any:
    return open_page(permissions=["clipboard-read", "clipboard-write"]).page


def test_leaderboard_is_copied_as_filtered_and_sorted(page: Any) -> None:
    page.select_option("#filters [data-key=fraction]", label="1%")
    page.locator("#board thead button", has_text="Method").click()
    rows = list(csv.DictReader(io.StringIO(copied(page, page.locator("#leaderboard"), "CSV"))))
    assert [row["Method"] for row in rows] == sorted(row["Method"] for row in rows)
    assert len(rows) == 6
    lcd = next(row for row in rows if row["Method"] == "lcd")
    assert (float(lcd["Score"]), lcd["Over random"]) == (0.842, "+0.098")
    assert float(lcd["Score 95% low"]) < 0.842 < float(lcd["Score 95% high"])
    constant = {"Dataset and task": "ptbxl \u00b7 superclass", "Encoder": "vgg16_1d"}
    constant |= {"Protocol": "linear", "Labels (%)": "1", "Labels (records)": "171"}
    constant |= {"Metric": "macro AUROC"}
    assert constant.items() <= lcd.items()  # what the page says once, in the select boxes
    assert (lcd["Rank"], lcd["Seeds"], float(lcd["Seeds \u00b1"])) == ("1", "3", 0.004)
    assert "Results" not in lcd
    remarks = {row["Method"]: row["Remarks"] for row in rows}
    assert remarks["random"] == "baseline; tied with vicreg"
    assert remarks["vicreg"] == "not shown to beat random; tied with random and supervised"
    status = page.locator("#status")
    assert status.get_attribute("role") == "status"
    assert status.inner_text() == "Copied 6 rows as CSV."


def test_csv_has_plain_numbers_in_one_unit(page: Any) -> None:
    page.select_option("#filters [data-key=fraction]", label="all")
    rows = list(csv.DictReader(io.StringIO(copied(page, page.locator("#leaderboard"), "CSV"))))
    assert len(rows) == 18
    assert {row["Labels (%)"] for row in rows} == {"1", "10", "100"}
    times = {row["Method"]: float(row["Wall time a seed (s)"]) for row in rows}
    assert times["lcd"] == pytest.approx(1514, rel=0.01)
    assert times["random"] == pytest.approx(0.4)
    memory = {row["Method"]: float(row["Memory (MB)"]) for row in rows}
    assert memory["lcd"] == pytest.approx(2310, rel=0.01)
    assert memory["random"] == 640
    assert {row["Records/s"] for row in rows if row["Method"] == "random"} == {""}


def test_markdown_has_one_cell_a_column(page: Any) -> None:
    lines = copied(page, page.locator("#leaderboard"), "Markdown").splitlines()
    assert lines[1] == ""
    assert "In the bars" not in lines[0]  # there are none in a copy
    for said in (
        r"ptbxl · superclass;",
        r"Encoder: vgg16\_1d",
        "Labels: 100% 17,111",
        "macro AUROC",
    ):
        assert said in lines[0]
    cells = [re.split(r"(?<!\\)\|", line) for line in lines[2:]]
    assert len({len(line) for line in cells}) == 1
    assert set(cells[1][1:-1]) == {" --- ", " ---: "}
    assert r"0.912 \[" in "".join(lines)


def test_latex_is_a_booktabs_table(page: Any) -> None:
    source = copied(page, page.locator("#leaderboard"), "LaTeX")
    assert "Metric: macro AUROC" in source.splitlines()[0]
    parts = [source.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert parts == sorted(parts)
    columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", source)
    assert columns is not None
    body = source[parts[1] : parts[2]].splitlines()[1:-1]
    assert len(body) == 6
    assert {line.count("&") + 1 for line in body} == {len(columns[1])}
    assert "$-$" in source or "+0.0" in source
    assert not re.search(r"(?<!\\)[%#_]", re.sub(r"(?m)^%.*$", "", source))


def test_every_table_can_be_copied(open_page: Open) -> None:
    one = open_page(permissions=["clipboard-read", "clipboard-write"])
    one.unfold()
    tables = one.page.locator("main table").count()
    assert tables > 20
    for name in ("CSV", "Markdown", "LaTeX"):
        assert one.page.get_by_role("button", name=f"Copy as {name}:").count() == tables
    texts = one.page.evaluate(
        """async () => {
          const texts = [];
          for (const button of document.querySelectorAll(".tools button")) {
            if (button.textContent !== "CSV") continue;
            button.click();
            await new Promise((done) => setTimeout(done, 5));
            texts.push(await navigator.clipboard.readText());
          }
          return texts;
        }"""
    )
    for text in texts:
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1


def test_copying_works_without_a_clipboard(open_page: Open) -> None:
    page = open_page().page
    page.evaluate(OLD_WAY)
    page.locator("#leaderboard").get_by_role("button", name="Copy as CSV:").click()
    page.locator("#status", has_text="Copied 6 rows as CSV.").wait_for()
    assert "lcd" in page.evaluate("window.copied")
    page.evaluate("document.execCommand = () => false")
    page.locator("#leaderboard").get_by_role("button", name="Copy as Markdown:").click()
    assert (
        "| lcd | tied with simclr and supervised |" in page.locator("dialog textarea").input_value()
    )
    page.keyboard.press("Escape")
    assert page.locator("dialog").count() == 0


def test_formulas_and_commands_in_names_are_inert_in_copies(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"]).page
    names = ["=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "\\input{x}%$&#_^~", "a|b`<i>"]
    page.evaluate(
        """names => document.querySelectorAll("#board tbody tr").forEach((row, i) => {
          row.cells[1].querySelector("b").textContent = names[i];
        })""",
        names,
    )
    box = page.locator("#leaderboard")
    rows = list(csv.DictReader(io.StringIO(copied(page, box, "CSV"))))
    assert [row["Method"] for row in rows] == [f"'{name}" for name in names[:4]] + names[4:]
    latex = copied(page, box, "LaTeX")
    assert r"\textbackslash{}input\{x\}\%\$\&\#\_\textasciicircum{}\textasciitilde{}" in latex
    assert r"a\|b\`\<i\>" in copied(page, box, "Markdown")


def test_every_figure_is_saved_as_a_drawing_of_its_own(
    open_page: Open, tmp_path: Path, chromium: Any
) -> None:
    one = open_page(color_scheme="dark")
    one.unfold()
    buttons = one.page.get_by_role("button", name="Save as SVG:")
    assert buttons.count() == one.page.locator(".plot, .heat").count() > 10
    for index in (0, 1, 2, 4, 6, 7, buttons.count() - 1):
        with one.page.expect_download() as waiting:
            buttons.nth(index).click()
        path = tmp_path / waiting.value.suggested_filename
        assert re.fullmatch(r"[a-z0-9-]+\.svg", path.name)
        waiting.value.save_as(path)
        source = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(source)
        assert root.tag == f"{SVG}svg"
        assert "var(" not in source
        assert not re.search(r"class=|href|url\(|@import|<script|<style", source)
        background = root.find(f"{SVG}rect")
        assert background is not None
        assert background.attrib["fill"] == "#fff"
        inks = {node.attrib.get("fill", "") for node in root.iter(f"{SVG}text")}
        assert all(sum(map(int, re.findall(r"\d+", ink)[:3])) < 400 for ink in inks if "rgb" in ink)
    alone = chromium.new_page()
    alone.goto(path.as_uri())
    assert alone.evaluate("document.documentElement.getBBox().width") > 100
    alone.close()


def test_the_saved_table_of_classes_keeps_marks_records_and_rare_classes(
    open_page: Open, tmp_path: Path
) -> None:
    one = open_page("large", color_scheme="dark")
    one.unfold()
    page = one.page
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("Save as SVG:.*Class by class")).first.click()
    waiting.value.save_as(tmp_path / "classes.svg")
    root = ElementTree.parse(tmp_path / "classes.svg").getroot()
    texts = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert "HYP (rare)" in texts
    assert any(text.startswith("Records") for text in texts)
    heads = page.locator(".heat").first.locator("thead .sw").count()
    marks = [n for tag in ("circle", "polygon", "rect") for n in root.iter(f"{SVG}{tag}")]
    marks = [node for node in marks if "stroke-width" in node.attrib]
    assert len(marks) == heads == 18
    assert len({node.tag for node in marks}) == 3  # circles, squares and the others
    assert len({node.attrib["stroke"] for node in marks}) == 10  # eight colours, two baselines


def test_a_saved_figure_keeps_its_values(open_page: Open, tmp_path: Path) -> None:
    page = open_page().page
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("Save as SVG:.*Label efficiency")).first.click()
    waiting.value.save_as(tmp_path / "figure.svg")
    titles = [n.text or "" for n in ElementTree.parse(tmp_path / "figure.svg").iter(f"{SVG}title")]
    assert any(title.startswith("lcd: 0.842 [") for title in titles)
