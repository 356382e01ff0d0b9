from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lcd_plugin.report.model import Leaderboard


@pytest.fixture(scope="session")
def sample_board() -> Callable[..., Leaderboard]:
    """The builder in sample.py; loaded by path, since the tests are no package."""
    path = Path(__file__).with_name("sample.py")
    spec = importlib.util.spec_from_file_location("lcd_report_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.sample_board
