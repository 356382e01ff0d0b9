"""Reading the results of one or more output folders, which together are one report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.bench.results import SCHEMA, EvaluateResult, PretrainResult, key_of
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan
from lcd_plugin.report.comparisons import recipe_settings_of, training_of
from lcd_plugin.report.folders import named_folders
from lcd_plugin.report.gaps import (
    Gap,
    gap_notes,
    missing,
    most_telling,
    unavailable,
    without_newer,
)
from lcd_plugin.report.merging import are_equal, conflict_reason, merge_notes
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
from lcd_plugin.report.recipe_names import RecipeNames
from lcd_plugin.report.run_record import Curve, UnfinishedCell
from lcd_plugin.report.same_cell import contradictions, pretraining_contradiction
from lcd_plugin.report.versions import Subject, behind, newest_versions


@dataclass(frozen=True)
class Scored:
    """An evaluation with its predictions and the pretraining behind it.

    Attributes:
        out: name of the output folder.
        cell: where it stands in the plan, under the recipe that its settings go by in the report.
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


# A cell by the names of the folders that plan it, in their order.
Planned: TypeAlias = dict[str, SavedCell]
# What the folders have of a cell.
Trained: TypeAlias = dict[str, PretrainResult | UnfinishedCell]  # by the name of the folder
Found: TypeAlias = list[Scored | UnfinishedCell]


def collect(outs: Iterable[Path]) -> Collected:
    """Read every cell of the newest plan of each folder.

    A cell is complete if any of the folders has it, and equal results under one key count once.
    Different results under one key, and results of older versions than others of the report, are
    listed and left out. What cannot be read is listed and skipped. Equal settings have one recipe,
    whatever the plans of the folders call it.

    Raises:
        DataError: a folder holds no run, or none of them has a plan that can be read.
    """
    folders, unreadable = open_folders(named_folders(outs))
    collected = Collected({f.name: f.plan for f in folders}, unfinished=unreadable)
    pretrain, evaluate = _planned(folders, "pretrain"), _planned(folders, "evaluate")
    trained = {key: _trained(planned, folders) for key, planned in pretrain.items()}
    arrays: KnownArrays = {}
    found = {key: _found(planned, folders, trained, arrays) for key, planned in evaluate.items()}
    newest = newest_versions(_identities(trained.values(), found.values()))
    gaps: list[Gap] = []
    present: list[SavedCell] = []
    names = RecipeNames()
    complete: list[tuple[str, Scored]] = []  # each with its settings, which name its recipe
    for key, planned in pretrain.items():
        out, cell = next(iter(planned.items()))
        if results := _complete(trained[key]):
            names.add(training_of(results[0]), planned)
            present.append(cell)
        else:
            gaps.append((cell, most_telling(trained[key].values()) or missing(cell, out, False)))
    for key, planned in evaluate.items():
        out, cell = next(iter(planned.items()))
        waiting = cell.pretrain_key in trained and not _complete(trained[cell.pretrain_key])
        settled = _settled(found[key], newest) or missing(cell, out, waiting)
        if isinstance(settled, Scored):
            settings = recipe_settings_of(settled)
            names.add(settings, planned)
            complete.append((settings, settled))
        else:
            gaps.append((cell, settled))
    collected.scored = [
        replace(run, cell=names.named(settings, run.cell)) for settings, run in complete
    ]
    collected.curves = list(_curves(trained, pretrain, folders, names, newest, collected.notes))
    kept, superseded = without_newer(gaps, [*present, *(run.cell for run in collected.scored)])
    collected.unfinished += [*kept, *unavailable(folders, collected.scored)]
    collected.notes += [
        *names.notes(),
        *gap_notes(found.values(), superseded),
        *merge_notes(collected),
        *left_out_notes(folders, newest),
    ]
    return collected


def _planned(folders: Iterable[OutFolder], kind: Kind) -> dict[str, Planned]:
    """The cells of a kind by their key."""
    cells: dict[str, Planned] = {}
    for folder in folders:
        for cell in folder.cells(kind):
            cells.setdefault(cell.key, {})[folder.name] = cell
    return cells


def _as_planned(planned: Planned, folder: OutFolder) -> SavedCell:
    """A cell as a folder plans it; where it does not, as the first does."""
    return planned.get(folder.name) or next(iter(planned.values()))


def _trained(planned: Planned, folders: Iterable[OutFolder]) -> Trained:
    found = {
        f.name: _result(_as_planned(planned, f), f, "pretrain", PretrainResult) for f in folders
    }
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def _complete(trained: Trained) -> list[PretrainResult]:
    return [outcome for outcome in trained.values() if isinstance(outcome, PretrainResult)]


def _found(
    planned: Planned,
    folders: Iterable[OutFolder],
    trained: Mapping[str, Trained],
    known: KnownArrays,
) -> Found:
    """What the folders have of an evaluation, in their order."""
    found = (_evaluation(_as_planned(planned, f), f, trained, known) for f in folders)
    return [outcome for outcome in found if outcome is not None]


def _evaluation(
    cell: SavedCell, folder: OutFolder, trained: Mapping[str, Trained], known: KnownArrays
) -> Scored | UnfinishedCell | None:
    result = _result(cell, folder, "evaluate", EvaluateResult)
    if not isinstance(result, EvaluateResult):
        return result
    pretraining = None
    if cell.pretrain_key:
        behind_it = trained.get(cell.pretrain_key, {})
        own = behind_it.get(folder.name)
        pretraining = (
            own if isinstance(own, PretrainResult) else next(iter(_complete(behind_it)), None)
        )
        if pretraining is None:
            reason = "the result of its pretraining is gone; run it again"
            return _unfinished(cell, folder.name, "missing", reason)
        if reason := pretraining_contradiction(cell, pretraining.identity):
            return _unfinished(cell, folder.name, "unreadable", reason)
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
    if result is None:
        return None
    if reason := contradictions(cell, result.identity):
        return _unfinished(cell, folder.name, "unreadable", reason)
    if result.status == "complete":
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


def _curves(
    trained: Mapping[str, Trained],
    pretrain: Mapping[str, Planned],
    folders: Iterable[OutFolder],
    names: RecipeNames,
    newest: Mapping[Subject, int],
    notes: list[str],
) -> Iterator[Curve]:
    """The history of every pretraining, as the first folder with its result has it.

    Args:
        trained: what the folders have, by key.
        pretrain: what they plan, by key.
        folders: of the report.
        names: of the recipes.
        newest: versions; what is older has no curve.
        notes: takes a sentence on each history that cannot be read.
    """
    paths = {folder.name: folder.path for folder in folders}
    for key, own in trained.items():
        complete = [(out, r) for out, r in own.items() if isinstance(r, PretrainResult)]
        for out, result in complete[:1]:
            if not result.updates or behind(result.identity, newest):
                continue
            cell = names.named(training_of(result), next(iter(pretrain[key].values())))
            try:
                columns = read_history(paths[out] / "pretrain" / key, result)
            except UnreadableError as error:
                notes.append(f"No training curve of {cell.title} in {out}: {error}.")
                continue
            yield Curve(
                method=cell.method,
                recipe=cell.recipe,
                out=out,
                settings=key_of({**result.identity, "seed": None})[:8],
                encoder=cell.encoder,
                dataset=cell.dataset,
                seed=cell.seed,
                **columns,
            )


def _settled(found: Found, newest: Mapping[Subject, int]) -> Scored | UnfinishedCell | None:
    """What the report has of an evaluation; None where no folder has anything of it."""
    scored = [outcome for outcome in found if isinstance(outcome, Scored)]
    if not scored:
        return most_telling(found)
    first = scored[0]
    old = behind(first.result.identity, newest)
    if old:
        reason = f"of an older version than others of this report ({'; '.join(old)}); run it again"
        return _unfinished(first.cell, first.out, "stale", reason)
    other = next((o for o in scored[1:] if not are_equal(first, o)), None)
    if other is None:
        return first
    return _unfinished(first.cell, first.out, "conflict", conflict_reason(first, other))
