"""Progress of a run on stderr: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lcd_plugin.cli.time_left import RunClock
from lcd_plugin.cli.words import duration, words_of
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.bench.events import Cell, CellEvent
    from lcd_plugin.pretrain.job import EpochDone

# Without a terminal what goes on is told of no more often than this, in seconds.
QUIET = 60.0
MARKS = {"failed": "FAILED ", "retry": "NOT YET ", "elsewhere": "ELSEWHERE "}


@contextmanager
def running(cells: Sequence[Cell]) -> Iterator[Callable[[CellEvent], None]]:
    """Show the progress of a run: cells done, running and failed, loss, records/s, time left.

    Args:
        cells: all of its plan.

    Yields:
        What is to be called with every event.

    Raises:
        KeyboardInterrupt: it says how far the run came.
    """
    console = Console(stderr=True, highlight=False)
    clock = RunClock(cells)
    try:
        # A dumb terminal cannot go back to a line that it has shown.
        if not console.is_terminal or console.is_dumb_terminal:
            yield _plain(console, clock)
            return
        with Live(_Picture(clock), console=console, transient=True, refresh_per_second=4):

            def listen(event: CellEvent) -> None:
                clock.listen(event)
                _tell_end(console, clock, event)

            yield listen
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(clock)) from None


def _plain(console: Console, clock: RunClock) -> Callable[[CellEvent], None]:
    told = time.monotonic()

    def listen(event: CellEvent) -> None:
        nonlocal told
        first = event.status == "waiting" and not clock.waiting
        clock.listen(event)
        _tell_end(console, clock, event)
        due = event.status in ("progress", "waiting") and time.monotonic() - told >= QUIET
        if first or due:
            told = time.monotonic()
            doing = f"; {_doing(event.cell, event.epoch)}" if event.epoch else ""
            _print(console, _state(clock) + doing)

    return listen


def _interrupted(clock: RunClock) -> str:
    """How far a run came."""
    complete = f"{clock.n_complete} of {counted(clock.total, 'cell')} are complete and saved"
    at = len(clock.running) + clock.stopped
    under_way = f", {at} {'was' if at == 1 else 'were'} under way" if at else ""
    return f"Interrupted: {complete}{under_way}; the same command goes on from there."


def _tell_end(console: Console, clock: RunClock, event: CellEvent) -> None:
    """A line that stays for every cell that was computed, or not."""
    if event.status in ("done", "elsewhere", "failed", "retry"):
        mark = MARKS.get(event.status, "")
        count = f"[{clock.n_ended}/{clock.total}]"
        _print(console, f"{count} {mark}{event.cell.title}: {event.message}")


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


class _Picture:
    """The state of a run, and a line for each cell under way, which fit any width."""

    def __init__(self, clock: RunClock) -> None:
        self._clock = clock

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Drawn anew at every refresh, so that the times go on while a cell is silent."""
        clock = self._clock
        first = Table.grid(padding=(0, 1), expand=True)
        first.add_column(no_wrap=True)
        first.add_column(ratio=1)
        bar = ProgressBar(total=max(clock.total, 1), completed=clock.n_ended)
        first.add_row(Text(_state(clock)), bar)
        yield first
        for at in list(clock.running.values()):
            yield Text(_doing(at.cell, at.epoch), no_wrap=True, overflow="ellipsis")


def _state(clock: RunClock) -> str:
    """`12 of 36 cells, 1 failed, 0:01:23, about 0:02:10 left`."""
    said = [f"{clock.n_ended} of {clock.total} cells"]
    said += [f"{n} {how}" for how in ("failed", "blocked") if (n := clock.ended[how])]
    said.append(duration(clock.elapsed))
    if clock.waiting:
        said.append(f"{len(clock.waiting)} computed by other runners")
    if clock.n_ended < clock.total and (left := words_of(clock.left())):
        said.append(left)
    return ", ".join(said)


def _doing(cell: Cell, epoch: EpochDone | None) -> str:
    """The numbers first: the title is what may be cut off."""
    if epoch is None:
        return cell.title
    rate = "" if epoch.records_per_s is None else f", {epoch.records_per_s:,.0f} records/s"
    return f"epoch {epoch.epoch}/{epoch.epochs}, loss {epoch.loss:.4g}{rate}: {cell.title}"
