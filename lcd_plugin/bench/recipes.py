"""Recipes: named settings that every method of a suite is run under, side by side.

A recipe says how records are scaled, how views are made and how methods are set. What makes a
comparison fair (datasets, encoders, budget, seeds, labels, protocols) is the suite's and the same
under all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from lcd_plugin.errors import ConfigError, suggest

Recipes = dict[str, dict[str, Any]]

# What of a suite a recipe may change; of `settings`, those of methods.
CHANGEABLE = ("data", "views", "settings")

# As the LCD paper (Liu et al., Applied Soft Computing 172 (2025) 112871) has it.
PAPER: dict[str, Any] = {
    "data": {"normalisation": "lead"},
    "views": {"crop": [0.5, 1.0], "time_out": [0.0, 0.5], "gain": [1.0, 1.0], "per": "batch"},
    "settings": {
        "lcd": {
            "momentum": 0.996,
            "gamma": 0.005,
            "lambda_param": 0.0051,
            "intra_correlation": 1.0,
            "inter_correlation": 1.0,
            "intra_decorrelation": 1.0,
            "inter_decorrelation": 1.0,
        }
    },
}

# The paper's with what the ablation (docs/ablation.md) showed to be better on validation records.
BEST: dict[str, Any] = copy.deepcopy(PAPER) | {"data": {"normalisation": "physical"}}

BUNDLED: Recipes = {"paper": PAPER, "best": BEST}


def choose(own: Recipes | Iterable[str], wanted: Recipes | Iterable[str] | None) -> Recipes:
    """The recipes of a suite.

    Args:
        own: what the suite's file defines, or names of bundled recipes.
        wanted: names to run, those of the suite before bundled ones; or more definitions; None is
            all of the suite's own.

    Raises:
        ConfigError: there is no recipe of a name.
    """
    own = own if isinstance(own, dict) else _named(own, {})
    if wanted is None:
        return own
    return own | wanted if isinstance(wanted, dict) else _named(wanted, own)


def _named(names: Iterable[str], own: Recipes) -> Recipes:
    known = BUNDLED | own
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no recipe '{name}'{suggest(str(name), known)}")
    # A copy, since --set may change it.
    return {name: copy.deepcopy(known[name]) for name in names}


def overridden(path: list[str], recipes: Recipes) -> bool:
    """Whether every recipe has a setting of its own at a path, so that the suite's is not used."""

    def has(recipe: Any) -> bool:
        for key in path:
            if not isinstance(recipe, dict) or key not in recipe:
                return False
            recipe = recipe[key]
        return True

    return bool(recipes) and all(map(has, recipes.values()))
