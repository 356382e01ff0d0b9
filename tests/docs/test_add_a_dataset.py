"""The page "Add a dataset" is followed to the letter, as anyone with records would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

PACKAGE = ["my_ecgs/specs.py", "my_ecgs/dataset.py", "pyproject.toml", "tests/test_conforms.py"]
NEW = "lcd-bench new-dataset my-ecgs"
EXAMPLES = "python my-ecgs/tests/example_records.py example"
INFO = "lcd-bench data info my_ecgs=example"
VERIFY = "lcd-bench data verify my_ecgs=example"
CHECK = "lcd-bench check-plugin my_ecgs=example"
RUN = "lcd-bench run quick -d my_ecgs=example -m lcd -m random"
# What an installer and pytest make of the package is tested in tests/plugins/test_scaffold.py.
INSTALLER = ['pip install -e "./my-ecgs[test]"', "python -m pytest my-ecgs"]


@pytest.fixture
def reader(read_page: Callable[[str], Any]) -> Any:
    """A reader with the new package and example records; the page's blocks lie over the files."""
    reader = read_page("add-a-dataset.md")
    reader.type(NEW)
    for name in PACKAGE:
        assert (reader.folder / "my-ecgs" / name).read_text() == reader.files[name], name
    reader.install("my-ecgs")
    reader.type(EXAMPLES)
    return reader


def test_every_block_and_every_command_of_the_page_is_tried(read_page: Any) -> None:
    reader = read_page("add-a-dataset.md")
    assert set(reader.files) == set(PACKAGE)
    assert set(reader.commands) == {NEW, EXAMPLES, INFO, VERIFY, CHECK, RUN, *INSTALLER}


def test_the_dataset_of_the_page_is_described_verified_and_scored(reader: Any) -> None:
    described = reader.type(INFO)
    assert "70 / 15 / 15 %" in described
    assert "200: train" in described
    assert "0 with findings" in reader.type(VERIFY)
    assert "all checks passed" in reader.type(CHECK)
    document = json.loads(reader.run(RUN, "--json"))
    rows = document["leaderboard"]["rows"]
    scored = {(row["dataset"], row["method"]) for row in rows}
    assert scored == {("my_ecgs", "lcd"), ("my_ecgs", "random")}


def test_a_bad_record_is_left_out_and_named_and_a_missing_column_ends_the_run(reader: Any) -> None:
    records = reader.folder / "example" / "records"
    broken = sorted(records.iterdir())[7]
    broken.write_text("I,II\n0.1,not a number\n")
    # Exit code 4: there is a record that cannot be read.
    assert broken.stem in reader.type(VERIFY, code=4)
    labels = reader.folder / "example" / "labels.csv"
    labels.write_text(labels.read_text().replace("patient", "who", 1))
    reader.type(VERIFY, code=5)
