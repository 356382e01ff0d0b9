"""Reading the results of one or more output folders, which together are one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.bench.results import SCHEMA, EvaluateResult, PretrainResult
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan
from lcd_plugin.counted import counted
from lcd_plugin.report.folders import named_folders
from lcd_plugin.report.merging import are_equal, conflict_reason, merge_notes
from lcd_plugin.report.model import Curve, UnfinishedCell
from lcd_plugin.report.read_cells import (
    KnownArrays,
    OtherSchemaError,
    R,
    UnreadableError,
    read_cell,
    read_history,
    read_predictions,
)
from lcd_plugin.report.read_folders import Kind, OutFolder, left_out_notes, open_folders
from lcd_plugin.report.versions import Subject, behind, newest_versions

# Of several reasons why a cell has no result, the first of these is told.
TELLING = ("failed", "unreadable", "stale", "missing")


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


# What a folder has of a cell.
Trained: TypeAlias = dict[str, PretrainResult | UnfinishedCell]  # by the name of the folder
Found: TypeAlias = list[Scored | UnfinishedCell]


def collect(outs: Iterable[Path]) -> Collected:
    """Read every cell of the newest plan of each folder.

    A cell is complete if any of the folders has it, and equal results under one key count once.
    Different results under one key, and results of older versions than others of the report, are
    listed and left out. What cannot be read is listed and skipped.

    Raises:
        DataError: a folder holds no run, or none of them has a plan that can be read.
    """
    folders, unreadable = open_folders(named_folders(outs))
    collected = Collected({f.name: f.plan for f in folders}, unfinished=unreadable)
    pretrain, evaluate = _planned(folders, "pretrain"), _planned(folders, "evaluate")
    trained = {key: _trained(cell, folders) for key, (_, cell) in pretrain.items()}
    arrays: KnownArrays = {}
    found = {
        key: _found(cell, folders, trained.get(cell.pretrain_key or "", {}), arrays)
        for key, (_, cell) in evaluate.items()
    }
    newest = newest_versions(_identities(trained.values(), found.values()))
    for key, (out, cell) in pretrain.items():
        if _complete(trained[key]):
            _add_curve(cell, trained[key], folders, newest, collected)
        else:
            problem = _most_telling(trained[key].values()) or _missing(cell, out, False)
            collected.unfinished.append(problem)
    for key, (out, cell) in evaluate.items():
        waiting = cell.pretrain_key in trained and not _complete(trained[cell.pretrain_key])
        settled = _settled(cell, found[key], newest) or _missing(cell, out, waiting)
        if isinstance(settled, Scored):
            collected.scored.append(settled)
        else:
            collected.unfinished.append(settled)
    for folder in folders:
        for title, reason in folder.plan.unavailable.items():
            collected.unfinished.append(
                UnfinishedCell(title=title, status="failed", reason=reason, out=folder.name)
            )
    collected.notes += [
        *_copy_notes(found.values()),
        *merge_notes(collected),
        *left_out_notes(folders, newest),
    ]
    return collected


def _planned(folders: Iterable[OutFolder], kind: Kind) -> dict[str, tuple[str, SavedCell]]:
    """The cells of a kind by their key, each with the name of the first folder that asks for it."""
    cells: dict[str, tuple[str, SavedCell]] = {}
    for folder in folders:
        for cell in folder.cells(kind):
            cells.setdefault(cell.key, (folder.name, cell))
    return cells


def _trained(cell: SavedCell, folders: Iterable[OutFolder]) -> Trained:
    found = {f.name: _result(cell, f, "pretrain", PretrainResult) for f in folders}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def _complete(trained: Trained) -> list[PretrainResult]:
    return [outcome for outcome in trained.values() if isinstance(outcome, PretrainResult)]


def _found(
    cell: SavedCell, folders: Iterable[OutFolder], trained: Trained, known: KnownArrays
) -> Found:
    """What the folders have of an evaluation, in their order."""
    found = (_evaluation(cell, folder, trained, known) for folder in folders)
    return [outcome for outcome in found if outcome is not None]


def _evaluation(
    cell: SavedCell, folder: OutFolder, trained: Trained, known: KnownArrays
) -> Scored | UnfinishedCell | None:
    result = _result(cell, folder, "evaluate", EvaluateResult)
    if not isinstance(result, EvaluateResult):
        return result
    pretraining = None
    if cell.pretrain_key:
        own = trained.get(folder.name)
        pretraining = (
            own if isinstance(own, PretrainResult) else next(iter(_complete(trained)), None)
        )
        if pretraining is None:
            return _unfinished(
                cell, folder.name, "missing", "the result of its pretraining is gone; run it again"
            )
    try:
        arrays = read_predictions(folder.path / "evaluate" / cell.key, result, known)
    except UnreadableError as error:
        return _unreadable(cell, folder.name, error)
    return Scored(folder.name, cell, result, pretraining, **arrays)


def _result(
    cell: SavedCell, folder: OutFolder, kind: Kind, model: type[R]
) -> R | UnfinishedCell | None:
    """The result of a cell in a folder, or why there is none; None where it has none of it."""
    if cell.key not in folder.on_disk[kind]:
        return None
    try:
        result = read_cell(folder.path / kind / cell.key, model)
    except UnreadableError as error:
        return _unreadable(cell, folder.name, error)
    if result is None or result.status == "complete":
        return result
    return _unfinished(cell, folder.name, "failed", result.error or "unknown")


def _unreadable(cell: SavedCell, out: str, error: UnreadableError) -> UnfinishedCell:
    if isinstance(error, OtherSchemaError) and error.found < SCHEMA:
        return _unfinished(cell, out, "stale", str(error))
    return _unfinished(cell, out, "unreadable", str(error))


def _unfinished(cell: SavedCell, out: str, status: Any, reason: str) -> UnfinishedCell:
    return UnfinishedCell(title=cell.title, status=status, reason=reason, out=out)


def _identities(trained: Iterable[Trained], found: Iterable[Found]) -> Iterator[dict[str, Any]]:
    """Of all results that could be in the report."""
    for own in trained:
        yield from (result.identity for result in _complete(own))
    for outcomes in found:
        yield from (o.result.identity for o in outcomes if isinstance(o, Scored))


def _add_curve(
    cell: SavedCell,
    trained: Trained,
    folders: Iterable[OutFolder],
    newest: Mapping[Subject, int],
    collected: Collected,
) -> None:
    """Add the history of a pretraining, as the first folder with its result has it."""
    complete = {n: t for n, t in trained.items() if isinstance(t, PretrainResult)}
    (name, result), *_ = complete.items()
    if not result.updates or behind(result.identity, newest):
        return
    folder = next(f for f in folders if f.name == name)
    try:
        columns = read_history(folder.path / "pretrain" / cell.key, result)
    except UnreadableError as error:
        collected.notes.append(f"No training curve of {cell.title} in {name}: {error}.")
        return
    collected.curves.append(
        Curve(
            method=cell.method,
            recipe=cell.recipe,
            encoder=cell.encoder,
            dataset=cell.dataset,
            seed=cell.seed,
            **columns,
        )
    )


def _settled(
    cell: SavedCell, found: Found, newest: Mapping[Subject, int]
) -> Scored | UnfinishedCell | None:
    """What the report has of an evaluation; None where no folder has anything of it."""
    scored = [outcome for outcome in found if isinstance(outcome, Scored)]
    if not scored:
        return _most_telling(found)
    first = scored[0]
    old = behind(first.result.identity, newest)
    if old:
        reason = f"of an older version than others of this report ({'; '.join(old)}); run it again"
        return _unfinished(cell, first.out, "stale", reason)
    other = next((o for o in scored[1:] if not are_equal(first, o)), None)
    if other is None:
        return first
    return _unfinished(cell, first.out, "conflict", conflict_reason(first, other))


def _most_telling(outcomes: Iterable[object]) -> UnfinishedCell | None:
    """Of several reasons why there is no result, that which tells most."""
    problems = [outcome for outcome in outcomes if isinstance(outcome, UnfinishedCell)]
    return min(problems, key=lambda problem: TELLING.index(problem.status), default=None)


def _missing(cell: SavedCell, out: str, waiting: bool) -> UnfinishedCell:
    reason = (
        "waits for its pretraining; if that failed, run again with --retry-failed"
        if waiting
        else "not computed yet; run the same command again"
    )
    return _unfinished(cell, out, "missing", reason)


def _copy_notes(found: Iterable[Found]) -> Iterator[str]:
    """Sentences on unreadable results that another folder has too."""
    spoilt = Counter(
        outcome.out
        for outcomes in found
        if any(isinstance(outcome, Scored) for outcome in outcomes)
        for outcome in outcomes
        if isinstance(outcome, UnfinishedCell) and outcome.status == "unreadable"
    )
    for out, number in spoilt.items():
        yield (
            f"Skipped in {out}: {counted(number, 'result')} that cannot be read, which another "
            f"folder has too."
        )
