"""Folders of real records and golden numbers, used where they lie; tests skip where they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        pytest.skip(f"{what} are not there: {path}")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    return _folder(BESIDE_THE_CHECKOUT / "golden", "the golden numbers of LCD")


@pytest.fixture(scope="session")
def real_data() -> Path:
    default = BESIDE_THE_CHECKOUT / "data"
    return _folder(Path(os.environ.get("LCD_BENCH_DATA", default)), "real records")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared stores of tests stay out of the user's cache; within a session they are shared."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("LCD_BENCH_CACHE", str(folder))
