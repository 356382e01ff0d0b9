"""What has no result in a report: which of it is a gap, and in which words it is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from lcd_plugin.bench.saved_plan import SavedCell
from lcd_plugin.counted import counted
from lcd_plugin.report.run_record import UnfinishedCell

if TYPE_CHECKING:
    from lcd_plugin.report.collect import Scored
    from lcd_plugin.report.read_folders import OutFolder

Gap: TypeAlias = tuple[SavedCell, UnfinishedCell]

# Of several reasons why a cell has no result, the first of these is told.
TELLING = ("failed", "unreadable", "stale", "missing")


def most_telling(outcomes: Iterable[object]) -> UnfinishedCell | None:
    """Of several reasons why there is no result, that which tells most."""
    problems = [outcome for outcome in outcomes if isinstance(outcome, UnfinishedCell)]
    return min(problems, key=lambda problem: TELLING.index(problem.status), default=None)


def missing(cell: SavedCell, out: str, waiting: bool) -> UnfinishedCell:
    """A cell that no folder has anything of.

    Args:
        cell: as it is planned.
        out: name of the folder that asks for it.
        waiting: whether the pretraining behind it has no result either.
    """
    reason = (
        "waits for its pretraining; if that failed, run again with --retry-failed"
        if waiting
        else "not computed yet; run the same command again"
    )
    return UnfinishedCell(title=cell.title, status="missing", reason=reason, out=out)


def without_newer(
    gaps: Sequence[Gap], present: Iterable[SavedCell]
) -> tuple[list[UnfinishedCell], int]:
    """The gaps but for old results whose newer version is in the report, and how many those are.

    Args:
        gaps: cells without a result, each with the reason.
        present: cells with one.
    """
    there = {_whatever_its_version(cell) for cell in present}
    kept = [
        problem
        for cell, problem in gaps
        if problem.status != "stale" or _whatever_its_version(cell) not in there
    ]
    return kept, len(gaps) - len(kept)


def _whatever_its_version(cell: SavedCell) -> tuple[Any, ...]:
    return (
        cell.method, cell.recipe, cell.encoder, cell.pretrain_dataset or cell.dataset,
        cell.dataset, cell.task, cell.protocol, cell.leads, cell.label_fraction, cell.seed,
        cell.seed if cell.label_seed is None else cell.label_seed, cell.snapshot,
    )  # fmt: skip


def unavailable(folders: Iterable[OutFolder], scored: Iterable[Scored]) -> list[UnfinishedCell]:
    """What runs could not use and no folder has results of, each with its reason once."""
    there = {title for run in scored for title in _titles(run.cell)}
    outs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder in folders:
        for title, reason in folder.plan.unavailable.items():
            if title not in there:
                outs[title, reason].append(folder.name)
    return [
        UnfinishedCell(title=title, status="unavailable", reason=reason, out=", ".join(names))
        for (title, reason), names in outs.items()
    ]


def _titles(cell: SavedCell) -> Iterator[str]:
    """What a plan would have called the parts of a cell, had they not been usable."""
    under = f" ({cell.recipe})" if cell.recipe else ""
    yield f"method {cell.method}{under}"
    yield f"encoder {cell.encoder}{under}"
    yield f"dataset {cell.dataset}{under}"
    yield f"pretraining on {cell.pretrain_dataset}{under}"


def gap_notes(found: Iterable[Iterable[object]], superseded: int) -> Iterator[str]:
    """Sentences on what is no gap, since the report has it from elsewhere.

    Args:
        found: of every evaluation, what the folders have of it.
        superseded: results of older versions whose newer ones are in the report.
    """
    if superseded:
        yield (
            f"Left out: {counted(superseded, 'result')} of older versions, of which this report "
            f"has the newer ones."
        )
    spoilt: Counter[str] = Counter()
    for outcomes in map(list, found):
        problems = [o for o in outcomes if isinstance(o, UnfinishedCell)]
        if len(problems) < len(outcomes):
            spoilt.update(p.out for p in problems if p.status == "unreadable")
    for out, number in spoilt.items():
        yield (
            f"Skipped in {out}: {counted(number, 'result')} that cannot be read, which another "
            f"folder has too."
        )
