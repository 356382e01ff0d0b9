"""What trackers are told of a cell: its settings and its numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.observe.lines import kind_of
from lcd_plugin.bench.results import HISTORY, CellResult, EvaluateResult, PretrainResult

if TYPE_CHECKING:
    from lcd_plugin.bench.events import Cell

SETTINGS = (
    "method", "recipe", "encoder", "dataset", "seed", "pretrain_dataset", "task", "protocol",
    "leads", "label_fraction", "label_seed", "snapshot",
)  # fmt: skip


def settings_of(cell: Cell) -> dict[str, str | float]:
    """What a cell is, by name; without what it does not have."""
    all_of_them = {"kind": kind_of(cell)} | {n: getattr(cell, n, None) for n in SETTINGS}
    return {name: value for name, value in all_of_them.items() if value not in (None, "")}


def numbers_of(result: CellResult) -> dict[str, float]:
    """Scores of an evaluation, cost of a pretraining; what is not known is left out."""
    numbers: dict[str, Any] = {"seconds": result.wall_s}
    if isinstance(result, EvaluateResult):
        numbers |= {f"test/{metric}": value for metric, value in result.macro.items()}
        numbers |= {f"validation/{metric}": v for metric, v in result.validation_macro.items()}
    elif isinstance(result, PretrainResult):
        names = ("final_loss", "records_per_s", "peak_memory_mb", "updates")
        numbers |= {name: getattr(result, name) for name in names}
    return _finite(numbers)


def history_of(out: Path, cell: Cell) -> dict[int, dict[str, float]]:
    """By epoch, what a finished pretraining recorded that its events did not tell of.

    Args:
        out: folder of the run.
        cell: the pretraining, whose files are written.

    Raises:
        OSError: its history cannot be read.
    """
    path = out / "pretrain" / cell.key / HISTORY
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = ("epoch", "loss")
    return {
        int(row["epoch"]): _finite({n: v for n, v in row.items() if n not in told}) for row in rows
    }


def _finite(numbers: Mapping[str, Any]) -> dict[str, float]:
    known = {name: float(v) for name, v in numbers.items() if v not in (None, "")}
    return {name: value for name, value in known.items() if math.isfinite(value)}
