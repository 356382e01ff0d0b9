"""Checks for people who write plugins: does the host get what it relies on?

    from lcd_plugin.testing import check_method
    check_method("my_method")

Importing this loads nothing else, since pytest does so wherever the package is installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcd_plugin.testing.check import Check, ConformanceError, ConformanceWarning
    from lcd_plugin.testing.kit import check_dataset, check_encoder, check_method, checks_for

_HOMES = {
    "Check": "check",
    "ConformanceError": "check",
    "ConformanceWarning": "check",
    "check_dataset": "kit",
    "check_encoder": "kit",
    "check_method": "kit",
    "checks_for": "kit",
}

__all__ = [
    "Check",
    "ConformanceError",
    "ConformanceWarning",
    "check_dataset",
    "check_encoder",
    "check_method",
    "checks_for",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
