"""Output folders with their plans, and what lies in them beside the results of those."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import ValidationError

from lcd_plugin.bench.saved_plan import PLAN, SavedCell, SavedPlan, read_plan
from lcd_plugin.counted import counted
from lcd_plugin.errors import DataError
from lcd_plugin.files import open_file
from lcd_plugin.report.model import Row
from lcd_plugin.report.read_cells import OtherSchemaError, UnreadableError, read_identity
from lcd_plugin.report.run_record import DataSummary, UnfinishedCell
from lcd_plugin.report.versions import Subject, behind

Kind: TypeAlias = Literal["pretrain", "evaluate"]
KINDS: tuple[Kind, ...] = get_args(Kind)
METHOD_KINDS = get_args(Row.model_fields["kind"].annotation)
# Names that a note gives before it only counts.
NAMED = 3


@dataclass(frozen=True)
class OutFolder:
    """An output folder.

    Attributes:
        name: short, and its own in this report.
        path: where it is.
        plan: the newest of it.
        on_disk: names in the folders of its cells.
    """

    name: str
    path: Path
    plan: SavedPlan
    on_disk: dict[Kind, frozenset[str]]

    def cells(self, kind: Kind) -> tuple[SavedCell, ...]:
        """The planned cells of a kind."""
        return self.plan.pretrain if kind == "pretrain" else self.plan.evaluate


def open_folders(paths: Mapping[str, Path]) -> tuple[list[OutFolder], list[UnfinishedCell]]:
    """Output folders by name, and those that cannot be read, which the report leaves out.

    Raises:
        DataError: a folder holds no run, or none of them can be read.
    """
    opened, unreadable = [], []
    for name, path in paths.items():
        found = _open(name, path)
        if isinstance(found, OutFolder):
            opened.append(found)
        else:
            title = f"all of {name}"
            unreadable.append(
                UnfinishedCell(title=title, status="unreadable", reason=found, out=name)
            )
    if not opened:
        first = next(iter(paths.values()))
        raise DataError(f"{first} cannot be reported: {unreadable[0].reason}.")
    return opened, unreadable


def _open(name: str, path: Path) -> OutFolder | str:
    """An output folder, or why it cannot be read.

    Raises:
        DataError: it holds no run.
    """
    if path.exists() and not path.is_dir():
        raise _no_run(path)
    try:
        on_disk = {kind: _names(path / kind) for kind in KINDS}
        there = _can_be_read(path / PLAN)
    except OSError as error:
        what = Path(error.filename).name if error.filename else "it"
        return f"{what} cannot be read ({error.strerror})"
    plan = read_plan(path) if there else None
    if plan is not None and _is_sound(plan):
        return OutFolder(name, path, plan, on_disk)
    if not there and not any(on_disk.values()):
        raise _no_run(path)
    return _no_plan(there)


def _no_run(path: Path) -> DataError:
    if not path.exists():
        return DataError(f"There is no folder {path}.")
    if path.is_file():
        return DataError(f"{path} is a file; give the folder of `lcd-bench run` that it is from.")
    return DataError(f"{path} holds no results of `lcd-bench run`; is that the right folder?")


def _can_be_read(path: Path) -> bool:
    """Whether a file is there.

    Raises:
        OSError: it is, and cannot be read.
    """
    try:
        open_file(path).close()
    except FileNotFoundError:
        return False
    return True


def _no_plan(there: bool) -> str:
    again = "run the same `lcd-bench run` on it again: what is complete is not computed again"
    if not there:
        return f"{PLAN}, which says what its results are, is gone; {again}"
    return f"{PLAN} is damaged or of another version; update lcd-bench, or {again}"


def _is_sound(plan: SavedPlan) -> bool:
    """Whether a report can be made of all that a plan says."""
    try:
        for summary in plan.data:
            DataSummary.model_validate(summary)
    except ValidationError:
        return False
    return all(cell.kind in METHOD_KINDS for cell in (*plan.pretrain, *plan.evaluate))


def _names(folder: Path) -> frozenset[str]:
    """What is in a folder, without hidden files; nothing where there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return frozenset(entry.name for entry in os.scandir(folder) if entry.name[0] != ".")
    except FileNotFoundError:
        return frozenset()


def left_out_notes(folders: Collection[OutFolder], newest: Mapping[Subject, int]) -> Iterator[str]:
    """Sentences on what lies in the folders that no plan asks for.

    Args:
        folders: of the report.
        newest: versions of what is in it.
    """
    for folder in folders:
        others, old, foreign = 0, Counter[str](), []
        for kind in KINDS:
            planned = {cell.key for f in folders for cell in f.cells(kind)}
            for key in sorted(folder.on_disk[kind] - planned):
                try:
                    identity = read_identity(folder.path / kind / key)
                except OtherSchemaError as error:
                    old[f"schema {error.found}"] += 1
                except UnreadableError as error:
                    foreign.append(f"{kind}/{key} ({error})")
                else:
                    reasons = [] if identity is None else behind(identity, newest)
                    if identity is None:
                        foreign.append(f"{kind}/{key} (no result in it)")
                    elif reasons:
                        old["; ".join(reasons)] += 1
                    else:
                        others += 1
        yield from _sentences(folder.name, others, old, foreign)


def _sentences(name: str, others: int, old: Counter[str], foreign: list[str]) -> Iterator[str]:
    if others:
        yield (
            f"Left out of {name}: {counted(others, 'result')} of other settings than the newest "
            f"run there asks for."
        )
    if old:
        yield (
            f"Left out of {name}: {counted(old.total(), 'result')} of older versions "
            f"({_some(old)})."
        )
    if foreign:
        yield f"Skipped in {name}, since it is no result that can be read: {_some(foreign)}."


def _some(texts: Iterable[str]) -> str:
    """The first few of some texts, and how many more there are."""
    every = list(texts)
    more = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f", and {more:,} more" if more > 0 else "")
