"""`lcd-bench data download`: a dataset's release, whole, from where an interruption left it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lcd_plugin.cli.ending import command, say
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.data.download.target import Target
    from lcd_plugin.data.download.tree import TreeResult

# Where no bar can be drawn, a line now and then.
EVERY_SECONDS = 30.0
# More failures than this are counted; --json has them all.
SHOWN = 20


@command
def download_command(
    dataset: Annotated[
        str,
        typer.Argument(
            help="Dataset, and the root folder of its release; by default the one in "
            "LCD_BENCH_DATA.",
            metavar="NAME[=FOLDER]",
            show_default=False,
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option("--source", help="Address of another copy of the release.", metavar="URL"),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Files fetched at the same time.", min=1, max=64)
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fetch what is missing, cut or different of a dataset's release."""
    from lcd_plugin.data.download.target import find_target
    from lcd_plugin.data.download.tree import download_tree
    from lcd_plugin.errors import ConfigError, DataError
    from lcd_plugin.plugins import DATASETS

    name, given, folder = dataset.partition("=")
    if given and not folder:
        raise ConfigError(f"'{dataset}' names no folder: give {name}=FOLDER, or {name} alone.")
    target = find_target(DATASETS.spec(name), folder or None, source)
    with _downloading(name) as progress:
        result = download_tree(
            target.source, target.root, target.part, jobs=jobs, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(_document(name, target, result), indent=1))
    else:
        _tell(name, target, result)
    if not result.complete:
        missing = len(result.failed) + result.not_tried
        raise DataError(
            f"{missing} of {result.total} files of '{name}' are missing in {target.root}: run the "
            f"same command again, it goes on from there."
        )


def _document(name: str, target: Target, result: TreeResult) -> dict[str, object]:
    return {
        "schema": 1,
        "dataset": name,
        "folder": str(target.root),
        "source": target.source,
        "part": target.part,
        "complete": result.complete,
        "files": result.total,
        **asdict(result),
    }


def _tell(name: str, target: Target, result: TreeResult) -> None:
    for failure in result.failed[:SHOWN]:
        say(f"FAILED {failure.path}: {failure.reason}")
    if len(result.failed) > SHOWN:
        say(f"... and {len(result.failed) - SHOWN} more, all of them with --json.")
    if result.not_tried:
        say(f"The server could not be reached any more; {result.not_tried} files were not tried.")
    typer.echo(
        f"{name}: {counted(result.total, 'file')}, {result.fetched} fetched "
        f"({_size(result.bytes)}), {result.present} there before, "
        f"{len(result.failed) + result.not_tried} missing."
    )
    typer.echo(str(target.root))


@contextmanager
def _downloading(name: str) -> Iterator[Callable[[int, int, int], None]]:
    """Progress of a download on stderr: (files done, files in all, bytes received)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[received]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(f"downloading {name}", total=None, received=_size(0))

        def progress(done: int, total: int, n_bytes: int) -> None:
            bars.update(task, completed=done, total=total, received=_size(n_bytes))

        yield progress


def _lines(name: str) -> Callable[[int, int, int], None]:
    told: float | None = None

    def progress(done: int, total: int, n_bytes: int) -> None:
        nonlocal told
        now = time.monotonic()
        if told is None:
            say(f"downloading {name}: {counted(total, 'file')}")
        elif now - told < EVERY_SECONDS:
            return
        else:
            say(f"downloading {name}: {done} of {total} files, {_size(n_bytes)} received")
        told = now

    return progress


def _size(n_bytes: int) -> str:
    from rich.filesize import decimal

    return decimal(n_bytes)
