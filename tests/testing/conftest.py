from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lcd_plugin.testing import checks_for


@pytest.fixture
def run_check() -> Callable[..., str]:
    """Run one check of a plugin."""

    def run(kind: Any, plugin: Any, name: str, settings: Any = None, **options: Any) -> str:
        checks = {check.name: check for check in checks_for(kind, plugin, settings, **options)}
        return checks[name].run()

    return run
