"""Recipes: named settings that every method of a suite is run under, side by side.

A recipe says how records are scaled, how views are made and how methods are set. What makes a
comparison fair (datasets, seeds, labels, protocols) is the suite's and the same under all of them.
"""

from __future__ import annotations

from typing import Any

# What of a suite a recipe may change.
CHANGEABLE = ("data", "views", "pretrain", "settings")

# As the LCD paper (Liu et al., Applied Soft Computing 172 (2025) 112871) has it.
PAPER: dict[str, Any] = {
    "data": {"normalisation": "lead"},
    "views": {"crop": [0.5, 1.0], "time_out": [0.0, 0.5], "gain": [1.0, 1.0], "per": "batch"},
}

BEST: dict[str, Any] = {
    "data": {"normalisation": "physical"},
    "views": {"crop": [0.5, 1.0], "time_out": [0.0, 0.5], "gain": [1.0, 1.0], "per": "batch"},
}

BUNDLED: dict[str, dict[str, Any]] = {"paper": PAPER, "best": BEST}
