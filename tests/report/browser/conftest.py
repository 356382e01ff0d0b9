from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.page import render_page

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def boards() -> ModuleType:
    """The module beside this one; loaded by path, since the tests are no package."""
    spec = importlib.util.spec_from_file_location("lcd_report_boards", HERE / "boards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium, one for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH")
    os.environ.setdefault("PLAYWRIGHT_SKIP_VALIDATE_HOST_REQUIREMENTS", "1")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def files(
    tmp_path_factory: pytest.TempPathFactory,
    sample_board: Callable[..., Leaderboard],
    boards: ModuleType,
) -> Callable[[str], Path]:
    """Pages by name, each written once: `full`, `large` and `hostile`."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Callable[[], Leaderboard]] = {
        "full": lambda: boards.with_everything(sample_board()),
        "large": lambda: boards.large(sample_board()),
        "hostile": lambda: boards.hostile(boards.with_everything(sample_board())),
    }

    def write(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(render_page(made[name]()), encoding="utf-8")
        return path

    return write


class Opened:
    """A page in the browser, and what went wrong in it."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.path = page, path
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", lambda m: m.type in ("error", "warning") and self.errors.append(m.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dismiss)
        page.goto(path.as_uri())

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def unfold(self) -> None:
        """Opens everything that is folded."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")


@pytest.fixture
def open_page(chromium: Any, files: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Opens a page by name; after the test it must have asked for nothing and erred nowhere."""
    opened: list[Opened] = []

    def start(name: str = "full", width: int = 1200, **context: Any) -> Opened:
        viewport = {"width": width, "height": 900}
        one = Opened(chromium.new_context(viewport=viewport, **context).new_page(), files(name))
        opened.append(one)
        return one

    yield start
    for one in opened:
        one.page.context.close()
        assert one.errors == []
        assert one.dialogs == []
        outside = [u for u in one.requests if u.split("#")[0] != one.path.as_uri()]
        # A saved figure is handed over as a blob of the page itself, the icon is in the page.
        assert [u for u in outside if not u.startswith(("blob:", "data:,"))] == []
