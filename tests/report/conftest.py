from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lcd_plugin.report.model import Leaderboard


def _load(name: str) -> ModuleType:
    """A module beside this one; loaded by path, since the tests are no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"lcd_report_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sample_board() -> Callable[..., Leaderboard]:
    """The builder in sample.py."""
    return _load("sample").sample_board


@pytest.fixture
def runs(tmp_path: Path, run_writer: Any) -> Any:
    """Output folders made for the purpose."""
    return run_writer(tmp_path)
