"""`lcd-bench status`: how far a run is, also while it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.ending import INTERRUPTED, command

if TYPE_CHECKING:
    from rich.console import Console

    from lcd_plugin.bench.observe.state import Observer, RunState

SECONDS = 2.0  # between two looks


@command
def status_command(
    out: Annotated[
        Path, typer.Argument(help="The folder that `run` writes to.", show_default=False)
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Look every two seconds, until the run is over.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how far a run is: what is done, who is at work, what failed, and what to do next.

    It only reads, so that it can be asked at any time, from another terminal or machine.

    Examples:
      lcd-bench status runs/quick

      lcd-bench status runs/quick --watch
    """
    from rich.console import Console

    from lcd_plugin.bench.observe.lines import as_json as written
    from lcd_plugin.bench.observe.state import Observer
    from lcd_plugin.cli.status_picture import show
    from lcd_plugin.errors import ConfigError

    if watch and as_json:
        raise ConfigError("--json prints one document and --watch goes on; give one of them.")
    observer, console = Observer(out), Console(highlight=False)
    if as_json:
        typer.echo(written(_document(observer.look()), indent=1))
    elif watch:
        try:
            _watch(observer, console)
        except KeyboardInterrupt:  # which is how one stops to look
            raise typer.Exit(INTERRUPTED) from None
    else:
        show(observer.look(), console)


def _document(state: RunState) -> dict[str, Any]:
    from lcd_plugin.cli.status_picture import what_next

    left = state.time_left
    return {
        "schema": 1,
        "out": str(state.out),
        "suite": state.suite,
        "complete": state.complete,
        "over": state.over,
        "cells": {kind: asdict(counts) for kind, counts in state.kinds.items()},
        "runners": [
            seen.record.model_dump(mode="json") | {"presence": seen.presence}
            for seen in state.runners
        ],
        "failures": [asdict(failure) for failure in state.failures],
        "unavailable": state.unavailable,
        "last_ended": [asdict(ended) for ended in state.last],
        "time_left": None if left is None else asdict(left),
        "next": what_next(state),
    }


def _watch(observer: Observer, console: Console) -> None:
    """Look again and again: on a terminal in one place, elsewhere a line for every change."""
    from rich.live import Live

    from lcd_plugin.cli.status_picture import in_a_line, picture, show

    # A dumb terminal cannot go back to a line that it has shown.
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, transient=True) as live:
            for state in _looks(observer):
                live.update(picture(state, console), refresh=True)
        show(state, console)
        return
    told = None
    for state in _looks(observer):
        known = state.kinds, tuple(seen.presence for seen in state.runners)
        if known != told:
            told = known
            typer.echo(in_a_line(state))
            sys.stdout.flush()


def _looks(observer: Observer) -> Iterator[RunState]:
    """The state of a run every two seconds, until it is over."""
    while True:
        start = time.monotonic()
        state = observer.look()
        took = time.monotonic() - start
        yield state
        if state.over:
            return
        # Whoever watches a hundred thousand cells must not keep a core busy.
        time.sleep(max(SECONDS, 4 * took))
