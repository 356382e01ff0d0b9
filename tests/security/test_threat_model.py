"""Every line of the threat model names tests, and they are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "security.md"


def lines() -> list[list[str]]:
    """Cells of the table's lines."""
    found = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[2:]]


@cache
def named_in(path: Path) -> frozenset[str]:
    """Tests that pytest collects from a file: functions, also those of classes."""
    tree = ast.parse(path.read_bytes())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("line", lines(), ids=lambda line: line[0][:40])
def test_a_threat_has_what_prevents_it_and_a_test(line: list[str]):
    threat, prevented, shown = line
    assert threat
    assert prevented
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", shown)
    assert named
    for file, test in named:
        assert re.match(r"test_\w+\.py", Path(file).name)
        assert test in named_in(ROOT / "tests" / file)


def test_there_is_a_line_for_each_kind_of_file_from_elsewhere():
    text = DOCUMENT.read_text().lower()
    kinds = (
        "result plan suite encoder checkpoint predictions leaderboard store wfdb hdf5 numpy "
        "download plugin environment"
    )
    for kind in kinds.split():
        assert kind in text
    assert len(lines()) > 15
