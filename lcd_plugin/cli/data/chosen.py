"""The dataset that a data command is about, as the user named it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite


def chosen_suite(
    datasets: list[str],
    suite: str | None = None,
    assignments: list[str] | None = None,
    limit: int | None = None,
) -> Suite:
    """The settings under which datasets are read: those of a suite, or the defaults.

    Args:
        datasets: `NAME` or `NAME=FOLDER`.
        suite: a bundled suite or a TOML file.
        assignments: `key=value`, as for `run --set`.
        limit: use only so many records.

    Raises:
        ConfigError: no such dataset, suite or setting.
    """
    from lcd_plugin.bench.suite import load_suite

    pairs = [text.partition("=") for text in datasets]
    flags: dict[str, Any] = {
        # Absolute, so that it means the same in another process.
        "settings": {n: {"path": str(Path(f).expanduser().absolute())} for n, e, f in pairs if e},
        "datasets": [name for name, _, _ in pairs],
    }
    if suite is None:
        flags["methods"] = ["random"]
    if limit is not None:
        flags["limit"] = limit
    return load_suite(suite, assignments or [], flags)
