"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    # Data commands show progress too, and need no torch.
    from lcd_plugin.bench.runner import CellEvent

ENDED = ("cached", "done", "failed", "blocked")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Elsewhere it would leave empty lines.
        disable=not console.is_terminal,
    )


@contextmanager
def preparing(doing: str = "preparing") -> Iterator[Callable[[str, int, int], None]]:
    """Progress of reading records: (dataset, done, total)."""
    console = Console(stderr=True)
    with _bars(console) as bars:
        tasks: dict[str, object] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(f"{doing} {name}", total=total)
                if not console.is_terminal:
                    console.print(f"{doing} {total} records of {name}", markup=False)
            bars.update(tasks[name], completed=done)  # type: ignore[arg-type]

        yield progress


@contextmanager
def running(n_cells: int) -> Iterator[Callable[[CellEvent], None]]:
    """Progress of a run's cells."""
    console = Console(stderr=True, highlight=False)
    with _bars(console) as bars:
        task = bars.add_task("cells", total=n_cells)

        def listen(event: CellEvent) -> None:
            title = event.cell.title
            if event.status in ENDED:
                bars.advance(task)
            if event.status in ("done", "failed"):
                mark = "" if event.status == "done" else "FAILED "
                line = f"{mark}{title}: {event.message}"
                console.print(line, markup=False, soft_wrap=True)
            if event.status in ("started", "progress"):
                bars.update(task, description=f"{title} {event.message}".strip()[:80])

        yield listen
