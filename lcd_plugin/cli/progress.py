"""Progress of reading records on stderr: a bar on a terminal, a line elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lcd_plugin.counted import counted


@contextmanager
def preparing(doing: str = "preparing") -> Iterator[Callable[[str, int, int], None]]:
    """Progress of reading records: (dataset, done, total)."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Elsewhere it would leave empty lines.
        disable=not console.is_terminal,
    )
    with bars:
        tasks: dict[str, object] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(f"{doing} {name}", total=total)
                if not console.is_terminal:
                    console.print(f"{doing} {counted(total, 'record')} of {name}", markup=False)
            bars.update(tasks[name], completed=done)  # type: ignore[arg-type]

        yield progress
