"""`NAME` or `NAME=FOLDER`, as datasets are given to every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def names_of(datasets: list[str] | None) -> list[str] | None:
    """The names; None where nothing was given."""
    return [text.partition("=")[0] for text in datasets] if datasets else None


def folders_of(datasets: list[str]) -> dict[str, Any]:
    """The folders that were given, as settings of the datasets.

    Raises:
        ConfigError: a dataset has two folders, or `=` is followed by nothing.
    """
    from lcd_plugin.errors import ConfigError

    found: dict[str, Any] = {}
    for text in datasets:
        name, equals, folder = text.partition("=")
        if not equals:
            continue
        if not folder:
            raise ConfigError(f"'{text}' names no folder: give {name}=FOLDER, or {name} alone.")
        # Absolute, so that it means the same from any folder and in any process.
        path = str(Path(folder).expanduser().absolute())
        if found.setdefault(name, {"path": path}) != {"path": path}:
            raise ConfigError(
                f"Dataset '{name}' is given two folders, {found[name]['path']} and {path}; "
                f"give it one."
            )
    return found
