"""How long the rest of a run will take, from what cells like it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING

from lcd_plugin.bench.runners import RunnerRecord, RunningCell
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan

if TYPE_CHECKING:  # it loads torch
    from lcd_plugin.bench.events import Cell

# Cells that take about as long have the same.
Alike = tuple[str, ...]


@dataclass(frozen=True)
class TimeLeft:
    """An estimate.

    Attributes:
        seconds: of the cells of which the like has been computed, as many at a time as now.
        at_least: whether there are others, of which nothing is known yet.
    """

    seconds: float
    at_least: bool


def time_left(
    plan: SavedPlan,
    todo: Sequence[SavedCell],
    at_work: Sequence[RunnerRecord],
    seconds: Mapping[str, float],
) -> TimeLeft | None:
    """The rest of a run; None where nothing is known of any of it, or nobody is at work.

    Args:
        plan: all of its cells.
        todo: those that are left or under way.
        at_work: who computes them.
        seconds: what cells took, by key.
    """
    running = {cell.key: (cell, record) for record in at_work for cell in record.running}
    known: dict[Alike, list[float]] = defaultdict(list)
    for cell in (*plan.pretrain, *plan.evaluate):
        if cell.key in seconds:
            known[alike(cell)].append(seconds[cell.key])
    promised: dict[Alike, list[float]] = defaultdict(list)
    for cell in todo:
        if cell.key in running and (whole := _promised(*running[cell.key])) is not None:
            promised[alike(cell)].append(whole)
    expected = {like: fmean(took) for like, took in (promised | known).items()}
    rest, unknown = [], 0
    for cell in todo:
        whole = expected.get(alike(cell))
        if whole is None:
            unknown += 1
        else:
            since = _elapsed(*running[cell.key]) if cell.key in running else 0.0
            rest.append(max(whole - since, 0.0))
    if not at_work or not rest:
        return None
    at_a_time = min(_slots(at_work), len(todo))
    # However many work, one cell is not shared out.
    return TimeLeft(max(sum(rest) / at_a_time, max(rest)), at_least=unknown > 0)


def alike(cell: Cell | SavedCell) -> Alike:
    """What makes cells take about as long: dataset, encoder, and the method or the protocol."""
    protocol = getattr(cell, "protocol", None)
    work = ("pretrain", cell.method) if protocol is None else ("evaluate", protocol)
    return *work, cell.dataset, cell.encoder


def _slots(at_work: Iterable[RunnerRecord]) -> int:
    return sum(max(record.jobs, 1) for record in at_work)


def _promised(cell: RunningCell, record: RunnerRecord) -> float | None:
    """Seconds that a pretraining under way will take in all."""
    if not cell.epoch or not cell.epochs:
        return None
    return _elapsed(cell, record) * cell.epochs / cell.epoch


def _elapsed(cell: RunningCell, record: RunnerRecord) -> float:
    """Seconds that a cell has been under way, both ends by the clock of its runner."""
    try:
        between = datetime.fromisoformat(record.at) - datetime.fromisoformat(cell.since)
    except (ValueError, TypeError):
        return 0.0
    return max(between.total_seconds(), 0.0)
