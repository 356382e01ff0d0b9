"""Reading the page in a real browser: figures, colours, print, screen readers, hostile names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    return next(Path(package.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")


def test_hovering_near_a_point_tells_its_value(open_page: Open) -> None:
    page = open_page().page
    point = page.locator("#figures .plot").first.locator("[data-tip^='lcd: 0.842']")
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] - 5, box["y"] - 5)  # near is enough
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert re.match(r"\w+: 0\.\d{3} \[", tip.inner_text())
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert tip.inner_text().startswith("lcd: 0.842 [")
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_the_page_has_every_section(open_page: Open) -> None:
    page = open_page().page
    wanted = ["Summary", "Leaderboard", "Average ranks", "Figures", "Training", "Unfinished cells"]
    wanted += ["Recipes", "Data", "Notes", "Provenance"]
    assert page.locator("h2").all_inner_texts() == wanted
    notice = page.locator(".notice").first.inner_text()
    assert "1 failed, 1 in conflict, 1 unreadable, 1 stale and 2 missing." in notice
    page.locator("nav a", has_text="Unfinished").click()
    assert page.locator("#unfinished h3").count() == 5
    assert page.locator("h4", has_text="Wall-time by phase").count() == 2


def test_phases_are_drawn_to_scale_and_add_up(open_page: Open) -> None:
    page = open_page().page
    blocks = page.locator(".phases").first.locator("rect[data-tip^='lcd, ']")
    wide = blocks.evaluate_all("all => all.map(b => [b.dataset.tip, b.width.baseVal.value])")
    shares = {tip.split(", ")[1].split(":")[0]: width for tip, width in wide}
    assert shares["steps"] / shares["calibrate"] == pytest.approx(0.9 / 0.06, rel=0.05)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(...)`, after WCAG 2."""
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_dark_mode_turns_the_colours_and_keeps_the_contrast(open_page: Open) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme).page
        paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for name in ("body", "caption", ".flag", ".plot .tick", "a", ".tag"):
            style = "s => { const c = getComputedStyle(document.querySelector(s)); "
            style += "return s.startsWith('.plot') ? c.fill : c.color }"
            ink = luminance(page.evaluate(style, name))
            contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
            assert contrast >= 4.5, (scheme, name, contrast)
        lines = page.locator(".plot .line").evaluate_all(
            "all => [...new Set(all.map(l => getComputedStyle(l).stroke))]"
        )
        for stroke in lines:
            ink = luminance(stroke)
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 2.8, (scheme, stroke)
        seen[scheme] = (paper, tuple(lines))
    assert seen["light"][0] > 0.9
    assert seen["dark"][0] < 0.05
    assert set(seen["light"][1]).isdisjoint(seen["dark"][1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, axe: str, scheme: str) -> None:
    one = open_page(color_scheme=scheme)
    one.unfold()
    one.page.evaluate(axe)
    found = one.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    grave = [
        (v["id"], v["impact"], [n["html"][:160] for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_print_opens_everything_and_cuts_nothing_off(open_page: Open) -> None:
    page = open_page(width=700).page  # about the width of A4 between its margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open], .screen)").count() == 0
    for long in page.locator("details.screen").all():  # what only the screen has: a note tells it
        assert long.is_hidden()
    assert page.locator("#results").count() == 1
    assert page.locator("p", has_text="Result folders of every number: in the page").is_visible()
    page.evaluate("document.querySelector('#results').open = true")
    assert page.locator("#results").is_hidden()
    assert page.locator("#filters").is_hidden()
    assert page.locator(".tools").first.is_hidden()
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(paper) == pytest.approx(1)
    cut = page.locator(".scroll").evaluate_all(
        "all => all.filter(s => s.scrollWidth > innerWidth + 1).map(s => s.ariaLabel)"
    )
    assert cut == []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 10
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 3


def test_hostile_names_are_text_and_nothing_else(open_page: Open, boards: Any) -> None:
    one = open_page("hostile")
    one.unfold()
    page = one.page
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0
    assert page.evaluate("document.querySelectorAll('[onerror], [onload], [onclick]').length") == 0
    text = page.locator("main").inner_text()
    assert text.count("<script>alert(1)</script>") > 100
    page.locator(".plot [data-tip]").first.hover(force=True)
    assert "<script>alert(1)</script>" in page.locator("#tip").inner_text()
    page.locator("#board thead button").nth(1).click()
    page.locator("#filters select").first.select_option(index=0)
    assert one.dialogs == []


def test_marks_of_reading_direction_do_not_reach_their_neighbours(
    open_page: Open, boards: Any
) -> None:
    """A name with an open right-to-left override: what it stands in isolates it."""
    one = open_page("hostile")
    one.unfold()
    loose = one.page.evaluate(
        """() => {
          const isolates = (node) => /isolate|plaintext/.test(getComputedStyle(node).unicodeBidi)
            || !/^(inline|contents)/.test(getComputedStyle(node).display);
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const loose = [];
          while (walker.nextNode()) {
            const text = walker.currentNode;
            const box = text.parentElement;
            if (!text.data.includes("\\u202e") || box.closest("script, style")) continue;
            const alone = box.textContent.trim() === text.data.trim();
            if (!isolates(box) || !(alone || getComputedStyle(box).unicodeBidi === "isolate"))
              loose.push(box.outerHTML.slice(0, 200));
          }
          return loose;
        }"""
    )
    assert loose == []
    marked = one.page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(n => [...n.attributes])"
        ".filter(a => /[\\u202a-\\u202e\\u2066-\\u2069]/.test(a.value)).map(a => a.name)"
    )
    assert marked == []
    in_svg = one.page.evaluate(
        "[...document.querySelectorAll('svg')].map(s => s.textContent).join('')"
    )
    assert "\u202e" not in in_svg
