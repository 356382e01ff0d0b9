"""The dataset that a data command is about, as the user named it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lcd_plugin.cli.datasets import folders_of, names_of

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

    flags: dict[str, Any] = {"settings": folders_of(datasets), "datasets": names_of(datasets)}
    if suite is None:
        flags["methods"] = ["random"]
    if limit is not None:
        flags["limit"] = limit
    return load_suite(suite, assignments or [], flags)
