"""`--plugin FILE.py[:SPEC]`, as every command that knows plugins takes it."""

from __future__ import annotations

from typing import Annotated

import typer

PluginFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py[:SPEC]",
        help="A file with a plugin of yours, without packaging; again for more.",
    ),
]


def add_plugin_files(files: list[str] | None) -> None:
    """Make what was given known before anything is looked up.

    Raises:
        ConfigError: there is no such file, or its name cannot be imported.
        PluginError: it cannot be loaded, or has no spec or a name that is taken.
    """
    if files:
        from lcd_plugin.plugins import add_files

        add_files(files)
