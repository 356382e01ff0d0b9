from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lcd_plugin.cli.main import app

# All that a comparison has, as small as it can be.
SMALL = [
    "run", "quick", "-m", "lcd", "-m", "random", "-m", "supervised", "--limit", "120",
    "--epochs", "1", "--batch-size", "32", "--seeds", "0,1", "--label-fractions", "0.2,1",
    "--set", "finetune.epochs=1", "--set", "data.seconds=2.5", "--precision", "fp32",
]  # fmt: skip


@pytest.fixture
def small() -> list[str]:
    return SMALL


@pytest.fixture
def scores() -> Callable[[Path], list[tuple]]:
    """What must not depend on how often a run was interrupted: all but times."""

    def read(out: Path) -> list[tuple]:
        board = json.loads((out / "report" / "leaderboard.json").read_text())
        names = ("method", "label_fraction", "metric", "mean", "ci_low", "ci_high", "rank")
        return [tuple(row[name] for name in names) for row in board["rows"]]

    return read


@pytest.fixture
def lcd_bench() -> Callable[..., Result]:
    """Run a command line in this process."""

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return invoke


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A small run that went through: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    return folder, CliRunner().invoke(app, [*SMALL, "-o", str(folder)])
