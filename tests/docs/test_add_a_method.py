"""The page "Add a method" is followed to the letter, as anyone with a package would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PACKAGE = ["my_method/specs.py", "my_method/method.py", "pyproject.toml", "tests/test_conforms.py"]
NEW = "lcd-bench new-method my-method"
RUN = "lcd-bench run quick -m my_method -m random"
RUN_FILE = "lcd-bench run quick --plugin two_leads.py:SPEC -m two_leads -m random"
CHECK = "lcd-bench check-plugin my_method"
LOOK = ["lcd-bench plugins", "lcd-bench list methods", "LCD_BENCH_PLUGINS=0 lcd-bench list methods"]
# What an installer and pytest make of the package is tested in tests/plugins/test_scaffold.py.
INSTALLER = ['pip install -e "./my-method[test]"', "python -m pytest my-method"]


@pytest.fixture
def reader(read_page: Callable[[str], Any]) -> Any:
    return read_page("add-a-method.md")


@pytest.fixture
def installed(reader: Any) -> Any:
    """A reader with the package, as its blocks stand on the page."""
    reader.write(PACKAGE, into="my-method")
    (reader.folder / "my-method" / "my_method" / "__init__.py").touch()
    reader.install("my-method")
    return reader


def _pretrained(out: Path, method: str) -> Path:
    results = {p: json.loads(p.read_text()) for p in out.glob("pretrain/*/result.json")}
    (own,) = [p for p, r in results.items() if r["identity"]["method"] == method]
    return own


def test_every_block_and_every_command_of_the_page_is_tried(reader: Any) -> None:
    assert set(reader.files) == {*PACKAGE, "two_leads.py"}
    assert set(reader.commands) == {NEW, RUN, RUN_FILE, CHECK, *LOOK, *INSTALLER}


def test_the_page_shows_what_new_method_writes(reader: Any) -> None:
    reader.type(NEW)
    for name in PACKAGE:
        assert (reader.folder / "my-method" / name).read_text() == reader.files[name], name


def test_the_method_of_the_page_runs_from_a_package_of_its_own(installed: Any) -> None:
    setting = ["--set", "my_method.temperature=0.2"]
    document = json.loads(installed.run(RUN, *setting, "-o", "out", "--json"))
    assert {row["method"] for row in document["leaderboard"]["rows"]} == {"my_method", "random"}
    own = json.loads(_pretrained(installed.folder / "out", "my_method").read_text())
    assert own["identity"]["config"]["temperature"] == 0.2
    origin = own["provenance"]["plugins"]["method"]
    assert (origin["distribution"], origin["version"]) == ("my-method", "1.0")


def test_the_package_is_shown_and_can_be_switched_off(installed: Any) -> None:
    for command in LOOK:
        printed = installed.type(command)
        assert "simclr" in printed
        assert ("my_method" in printed) == ("LCD_BENCH_PLUGINS" not in command), command


def test_the_method_of_the_page_conforms(installed: Any) -> None:
    installed.type(CHECK)


def test_one_file_is_enough_and_an_edited_one_is_computed_anew(reader: Any) -> None:
    reader.write(["two_leads.py"])
    reader.run(RUN_FILE, "-o", "out")
    history = _pretrained(reader.folder / "out", "two_leads").with_name("history.csv")
    assert {"a_from_b", "b_from_a"} <= set(history.read_text().splitlines()[0].split(","))

    def status() -> dict[str, str]:
        planned = reader.run(RUN_FILE, "-o", "out", "--dry-run", "--json")
        cells = json.loads(planned)["cells"]
        return {c["title"].split(" on ")[0]: c["status"] for c in cells}

    assert set(status().values()) == {"complete"}
    file = reader.folder / "two_leads.py"
    file.write_text(file.read_text().replace("Field(512", "Field(256"))
    assert status()["pretrain two_leads"] == "to do"
    assert status()["pretrain random"] == "complete"
