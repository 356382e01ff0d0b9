"""What a complete cell comes to, in a line."""

from __future__ import annotations

import math

from lcd_plugin.bench.results import CellResult, EvaluateResult, PretrainResult


def headline(result: CellResult) -> str:
    """Score of an evaluation; time, speed and memory of a pretraining."""
    if isinstance(result, EvaluateResult):
        return f"macro AUROC {result.macro.get('auroc', math.nan):.3f}"
    assert isinstance(result, PretrainResult)
    spent = sorted(result.phases.items(), key=lambda phase: -phase[1])
    parts = [f"{result.wall_s:.1f} s (" + ", ".join(f"{n} {s:.1f}" for n, s in spent) + ")"]
    if result.records_per_s is not None:
        parts.append(f"{result.records_per_s:,.0f} records/s")
    if result.data_wait_share is not None:
        where = result.engine.get("records")
        parts.append(f"{100 * result.data_wait_share:.1f} % waiting for data ({where})")
    if result.peak_memory_mb is not None:
        parts.append(f"{result.peak_memory_mb:,.0f} MB")
    resumed = result.engine.get("resumed_at")
    return ", ".join(parts) + (f", resumed after epoch {resumed}" if resumed else "")
