"""The leaderboard in a real browser: sorting, filtering, ties, keyboard, many rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
MOST_BYTES, MOST_SECONDS = 5_000_000, 2.0
SHOWN = "[...document.querySelectorAll('#board tbody tr')].filter(r => r.offsetParent)"


def column(page: Any, name: str) -> list[str]:
    """First texts of a column of the rows that are shown."""
    heads = page.locator("#board thead th:visible").all_inner_texts()
    at = next(i for i, head in enumerate(heads) if head.startswith(name))
    return page.evaluate(
        f"at => {SHOWN}.map(r => [...r.cells].filter(c => c.offsetParent)[at])"
        ".map(c => (c.querySelector('b') || c).innerText.split('\\n')[0].trim())",
        at,
    )


def choose(page: Any, key: str, label: str) -> None:
    page.select_option(f"#filters [data-key={key}]", label=label)


def test_the_first_comparison_is_shown_best_first(open_page: Open) -> None:
    page = open_page().page
    assert page.locator("#shown").inner_text() == "6 of 144 rows"
    scores = [float(score) for score in column(page, "Score")]
    assert scores == sorted(scores, reverse=True)
    sort = page.locator("#board th", has_text="Score").first.get_attribute("aria-sort")
    assert sort == "descending"
    assert column(page, "Method")[:2] == ["supervised", "lcd"]
    assert "1=" in column(page, "Rank")  # ties are shown as ties
    assert (
        page.locator("#board tr", has_text="supervised").locator(".tag").inner_text() == "baseline"
    )
    heads = page.locator("#board thead th:visible").all_inner_texts()
    assert not {"Encoder", "Labels", "Metric"} & set(heads)  # they would say the same in every row


def test_filters_show_what_was_asked_for(open_page: Open) -> None:
    page = open_page().page
    choose(page, "fraction", "1%")
    assert page.locator("#shown").inner_text() == "6 of 144 rows"
    assert "0.842" in column(page, "Score")  # lcd with 1 % of the labels
    choose(page, "fraction", "all")
    assert page.locator("#shown").inner_text() == "18 of 144 rows"
    labels = column(page, "Labels")
    assert {label.split()[0] for label in labels} == {"100%", "10%", "1%"}
    choose(page, "metric", "all")
    choose(page, "task", "all")
    assert len(column(page, "Metric")) == 144
    choose(page, "task", "ptbxl \u00b7 superclass-single")
    assert page.locator("#shown").inner_text() == "72 of 144 rows"


def test_columns_are_sorted_by_what_they_mean(open_page: Open) -> None:
    page = open_page().page

    def click(name: str) -> list[str]:
        page.locator("#board thead button", has_text=name).click()
        return column(page, name)

    scores = [float(text) for text in column(page, "Score")]  # best first from the start
    assert [float(text) for text in click("Score")] == sorted(scores)
    assert [float(text) for text in click("Score")] == sorted(scores, reverse=True)
    click("Score")
    sort = page.locator("#board th", has_text="Score").first.get_attribute("aria-sort")
    assert sort == "ascending"
    # 0.4 s, 6.9 min, 17.4 min: as times, not as words.
    seconds = {"s": 1, "min": 60, "h": 3600}
    times = [float(t.split()[0]) * seconds[t.split()[1]] for t in click("Wall time")]
    assert times == sorted(times)
    assert times[0] < 1
    gains = click("Over random")
    assert gains[-1] == "\u2013"  # what is not known stays last
    values = [float(g.replace("\u2212", "-")) for g in gains[:-1]]
    assert values == sorted(values, reverse=True)


def test_of_an_error_the_first_click_puts_the_lowest_first(open_page: Open) -> None:
    page = open_page("large").page
    choose(page, "metric", "expected calibration error, lower is better")
    assert column(page, "Score") == sorted(column(page, "Score"))  # before any click too
    page.locator("#board thead button", has_text="Memory").click()
    page.locator("#board thead button", has_text="Score").click()
    scores = [float(text) for text in column(page, "Score")]
    assert len(scores) == 18
    assert scores == sorted(scores)


def test_table_is_sorted_and_filtered_by_keyboard_alone(open_page: Open) -> None:
    page = open_page().page
    page.locator("#filters select").first.focus()
    page.keyboard.press("ArrowDown")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 12)"))
    assert any(text.startswith("Wall time") for text in reached)
    page.locator("#board thead button", has_text="Method").focus()
    page.keyboard.press("Enter")
    methods = column(page, "Method")
    assert methods == sorted(methods)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # where the keyboard is can be seen


def test_hovering_over_many_ties_tells_their_names(open_page: Open) -> None:
    page = open_page("large").page
    many = page.locator("#board [data-t]:visible").first
    many.hover()
    names = page.locator("#tip").inner_text().split(" \u00b7 ")
    assert f"tied with {len(names)} others" == many.inner_text()
    assert set(names) <= set(column(page, "Method"))
    assert page.locator("#board .alike").count() == len(names)


def test_a_row_leads_to_its_result_files(open_page: Open) -> None:
    page = open_page().page
    page.locator("#board tbody tr:visible a").first.click()
    target = page.locator("tr:target")
    assert target.is_visible()
    folders = target.locator("td").last.inner_text().split("\n")
    assert len(folders) == 6
    assert all(folder.startswith(("out/evaluate/", "out/pretrain/")) for folder in folders)
    assert target.locator("th").inner_text() == "supervised"


def test_without_scripts_every_row_is_there(open_page: Open) -> None:
    page = open_page(java_script_enabled=False).page
    rows = page.locator("#board tbody tr:visible")
    assert rows.count() == 144 + 2 * 3 * 4  # and one line above each block
    assert page.locator("#filters").is_hidden()
    assert page.locator("button").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_no_page_scrolls_sideways_on_a_phone(open_page: Open, scripts: bool) -> None:
    one = open_page(width=360, java_script_enabled=scripts)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 360
    one.unfold()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_five_thousand_rows_are_small_and_soon_ready(open_page: Open, files: Any) -> None:
    assert files("large").stat().st_size < MOST_BYTES
    best = math.inf
    for _ in range(3):  # other work on the machine may slow down one or two of them
        page = open_page("large").page
        assert page.locator("#shown").inner_text() == "18 of 5040 rows"
        ready = page.evaluate(
            "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        )
        used = page.evaluate(
            """() => {
              const start = performance.now();
              const box = document.querySelector('#filters [data-key=fraction]');
              box.value = '3';
              box.dispatchEvent(new Event('change', { bubbles: true }));
              document.body.offsetHeight;
              return performance.now() - start;
            }"""
        )
        assert set(column(page, "Score")[:1]) != set()
        best = min(best, (ready + used) / 1000)
        page.context.close()
        if best < MOST_SECONDS:
            break
    assert best < MOST_SECONDS


def test_of_thousands_of_rows_the_first_are_shown_and_all_are_copied(open_page: Open) -> None:
    page = open_page("large", permissions=["clipboard-read", "clipboard-write"]).page
    for key in ("task", "fraction"):
        choose(page, key, "all")
    assert page.locator("#shown").inner_text() == "1008 of 5040 rows, the first 500 shown"
    drawn = page.evaluate(f"{SHOWN}.map(r => Number(r.querySelector('td b').innerText))")
    assert (len(drawn), drawn) == (500, sorted(drawn, reverse=True))
    page.locator("#leaderboard").get_by_role("button", name="Copy as CSV:").click()
    page.locator("#status", has_text="Copied 1008 rows as CSV.").wait_for()
    assert len(page.evaluate("navigator.clipboard.readText()").splitlines()) == 1009
    page.get_by_role("button", name="Show all of them").click()
    assert page.locator("#shown").inner_text() == "1008 of 5040 rows"
    assert page.locator("#board tbody tr").count() == 1008
