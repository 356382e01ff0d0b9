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

if TYPE_CHECKING:
    from lcd_plugin.bench.events import Cell, CellEvent
    from lcd_plugin.pretrain.job import EpochDone

# Without a terminal a pretraining under way is told of no more often than this, in seconds.
QUIET = 60.0
MARKS = {"failed": "FAILED ", "retry": "NOT YET ", "elsewhere": "ELSEWHERE "}


@contextmanager
def running(cells: Sequence[Cell]) -> Iterator[Callable[[CellEvent], None]]:
    """Show the progress of a run: cells done, running and failed, loss, records/s, time left.

    Args:
        cells: all of its plan.

    Yields:
        What is to be called with every event.
    """
    console = Console(stderr=True, highlight=False)
    clock = RunClock(cells)
    # A dumb terminal cannot go back to a line that it has shown.
    if not console.is_terminal or console.is_dumb_terminal:
        yield _plain(console, clock)
        return
    picture = _Picture(clock)
    with Live(picture, console=console, transient=True, refresh_per_second=4):

        def listen(event: CellEvent) -> None:
            clock.listen(event)
            _tell_end(console, clock, event)

        yield listen


def _plain(console: Console, clock: RunClock) -> Callable[[CellEvent], None]:
    told = time.monotonic()

    def listen(event: CellEvent) -> None:
        nonlocal told
        clock.listen(event)
        _tell_end(console, clock, event)
        if event.status == "progress" and time.monotonic() - told >= QUIET:
            told = time.monotonic()
            _print(console, f"{_state(clock)}; {_doing(event.cell, event.epoch)}")

    return listen


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
    left = clock.left()
    if left is not None and clock.n_ended < clock.total:
        about = "more than" if left.at_least else "about"
        said.append(f"{about} {duration(left.seconds)} left")
    return ", ".join(said)


def _doing(cell: Cell, epoch: EpochDone | None) -> str:
    """The numbers first: the title is what may be cut off."""
    if epoch is None:
        return cell.title
    rate = "" if epoch.records_per_s is None else f", {epoch.records_per_s:,.0f} records/s"
    return f"epoch {epoch.epoch}/{epoch.epochs}, loss {epoch.loss:.4g}{rate}: {cell.title}"


def duration(seconds: float) -> str:
    """`0:02:10`."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
