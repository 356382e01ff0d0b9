from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.report.model import LabelFactor, Leaderboard, Row


def _factor(row: Row, name: str) -> LabelFactor:
    return LabelFactor(
        dataset=row.dataset, task=row.task, encoder=row.encoder, protocol=row.protocol,
        method=row.method, recipe="", pretrain_dataset=row.pretrain_dataset, name=name,
        baseline="supervised", label_fraction=row.label_fraction, n_labels=row.n_labels,
        factor=3.0, ci_low=1.2, ci_high=10.0, bound="exact", low_bound="exact", high_bound="more",
    )  # fmt: skip


@pytest.fixture
def board(sample_board: Callable[..., Leaderboard]) -> Leaderboard:
    """The sample with label factors."""
    plain = sample_board()
    factors = tuple(
        _factor(row, row.method)
        for row in plain.rows
        if row.metric == "auroc" and row.kind == "pretraining" and row.label_fraction < 1
    )
    return plain.model_copy(update={"label_factors": factors})


@pytest.fixture
def renamed() -> Callable[[Leaderboard, dict[str, str]], Leaderboard]:
    """Gives everything that has a name another one, wherever it stands."""

    def rename(value: Any, names: dict[str, str]) -> Any:
        if isinstance(value, str):
            return names.get(value, value)
        if isinstance(value, dict):
            return {rename(k, names): rename(v, names) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return tuple(rename(v, names) for v in value)
        return value

    def apply(board: Leaderboard, names: dict[str, str]) -> Leaderboard:
        # Keys of the document itself are no names of anything.
        rows = [
            Row.model_validate({k: rename(v, names) for k, v in row.model_dump().items()})
            for row in board.rows
        ]
        factors = [
            LabelFactor.model_validate({k: rename(v, names) for k, v in f.model_dump().items()})
            for f in board.label_factors
        ]
        return board.model_copy(update={"rows": tuple(rows), "label_factors": tuple(factors)})

    return apply


@pytest.fixture
def typeset(tmp_path: Path) -> Callable[..., str]:
    """Compiles a document, fails with its error, and returns the text of its pages.

    Further files are given by name; where pdftotext is missing the text is empty.
    """
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")

    def run(document: str, **files: str) -> str:
        for name, content in {"document": document, **files}.items():
            (tmp_path / f"{name}.tex").write_text(content)
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape",
             "document.tex"],
            cwd=tmp_path, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
        assert "Overfull" not in said
        assert "Missing character" not in (tmp_path / "document.log").read_text(errors="replace")
        if shutil.which("pdftotext") is None:
            return ""
        pages = ["pdftotext", "-layout", "document.pdf", "-"]
        return subprocess.run(pages, cwd=tmp_path, capture_output=True, check=True).stdout.decode()

    return run
