"""Reading the results of one or more output folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lcd_plugin.bench.results import (
    CellResult,
    EvaluateResult,
    PretrainResult,
    read_arrays,
    read_result,
)
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan, read_plan
from lcd_plugin.counted import counted
from lcd_plugin.errors import DataError
from lcd_plugin.report.model import Curve, UnfinishedCell


@dataclass(frozen=True)
class Scored:
    """An evaluation with its predictions and the pretraining behind it.

    Attributes:
        out: name of the output folder.
        cell: where it stands in the plan.
        result: of the evaluation.
        pretraining: whose encoder was scored; None for training from scratch.
        patients, rows: of the test records, shape (records,).
        targets: 0 or 1, shape (records, classes).
        scores: probabilities, the same shape.
        thresholds: above which a class is taken as present, shape (classes,).
    """

    out: str
    cell: SavedCell
    result: EvaluateResult
    pretraining: PretrainResult | None
    patients: NDArray[np.str_]
    rows: NDArray[np.int64]
    targets: NDArray[np.int8]
    scores: NDArray[np.float32]
    thresholds: NDArray[np.float32]


@dataclass
class Collected:
    """All that a report is made from; `plans` by the name of their output folder."""

    plans: dict[str, SavedPlan] = field(default_factory=dict)
    scored: list[Scored] = field(default_factory=list)
    unfinished: list[UnfinishedCell] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(outs: list[Path]) -> Collected:
    """Read every cell of the newest plan of each folder.

    Raises:
        DataError: a folder holds no run.
    """
    collected = Collected()
    seen: set[str] = set()
    for out in outs:
        plan = read_plan(out)
        if plan is None:
            raise DataError(f"{out} holds no results of `lcd-bench run`; is that the right folder?")
        collected.plans[out.name] = plan
        pretrained = _read_pretrainings(out, plan, collected)
        for cell in plan.evaluate:
            if cell.key not in seen:
                seen.add(cell.key)
                _read_evaluation(out, cell, pretrained, collected)
        for title, reason in plan.unavailable.items():
            collected.unfinished.append(UnfinishedCell(title=title, status="failed", reason=reason))
        stale = _unplanned(out, plan)
        if stale:
            collected.notes.append(
                f"Left out of {out.name}: {counted(stale, 'result')} of other settings or versions "
                f"than the newest run there."
            )
    return collected


def _read_pretrainings(
    out: Path, plan: SavedPlan, collected: Collected
) -> dict[str, PretrainResult]:
    found = {}
    for cell in plan.pretrain:
        folder = out / "pretrain" / cell.key
        result = read_result(folder, PretrainResult)
        if result is None or result.status == "failed":
            collected.unfinished.append(_unfinished(cell, result))
            continue
        found[cell.key] = result
        if result.updates:
            collected.curves.append(_curve(folder / "history.csv", cell))
    return found


def _read_evaluation(
    out: Path, cell: SavedCell, pretrained: dict[str, PretrainResult], collected: Collected
) -> None:
    folder = out / "evaluate" / cell.key
    result = read_result(folder, EvaluateResult)
    if result is None and cell.pretrain_key and cell.pretrain_key not in pretrained:
        reason = "waits for its pretraining; if that failed, run again with --retry-failed"
        collected.unfinished.append(
            UnfinishedCell(title=cell.title, status="missing", reason=reason)
        )
        return
    if result is None or result.status == "failed":
        collected.unfinished.append(_unfinished(cell, result))
        return
    pretraining = pretrained.get(cell.pretrain_key) if cell.pretrain_key else None
    if cell.pretrain_key and pretraining is None:
        reason = "the result of its pretraining is gone"
        collected.unfinished.append(
            UnfinishedCell(title=cell.title, status="missing", reason=reason)
        )
        return
    try:
        scored = Scored(
            out.name, cell, result, pretraining, **read_arrays(folder / "predictions.npz")
        )
        if np.isnan(scored.scores).any():
            raise ValueError("some of its scores are not a number")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"predictions.npz: {error}"
        collected.unfinished.append(
            UnfinishedCell(title=cell.title, status="failed", reason=reason)
        )
        return
    collected.scored.append(scored)


def _unfinished(cell: SavedCell, result: CellResult | None) -> UnfinishedCell:
    if result is None:
        reason = "not computed yet, or its files were changed; run the same command again"
        return UnfinishedCell(title=cell.title, status="missing", reason=reason)
    return UnfinishedCell(title=cell.title, status="failed", reason=result.error or "unknown")


def _curve(history: Path, cell: SavedCell) -> Curve:
    table = pd.read_csv(history)
    return Curve(
        method=cell.method,
        recipe=cell.recipe,
        encoder=cell.encoder,
        dataset=cell.dataset,
        seed=cell.seed,
        epoch=tuple(table["epoch"]),
        loss=tuple(table["loss"]),
        embedding_std=tuple(table["embedding_std"]),
    )


def _unplanned(out: Path, plan: SavedPlan) -> int:
    """Results on disk that the newest plan does not ask for."""
    planned = {cell.key for cell in (*plan.pretrain, *plan.evaluate)}
    found = (
        p.parent.name
        for kind in ("pretrain", "evaluate")
        for p in out.glob(f"{kind}/*/result.json")
    )
    return sum(key not in planned for key in found)
