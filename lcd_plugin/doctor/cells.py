"""One cell's folder: what lies in it, and whether its result may be believed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lcd_plugin.bench.own_files import CHECKPOINT, OF_CELL, SNAPSHOT
from lcd_plugin.bench.results import RESULT, CellResult, EvaluateResult, PretrainResult
from lcd_plugin.doctor.contents import NO_WEIGHTS, damaged_files, unreadable_weights
from lcd_plugin.doctor.findings import CellFacts, Finding
from lcd_plugin.doctor.result_file import Damage, examine_result
from lcd_plugin.files import temporary_of
from lcd_plugin.report.plain_text import first_few
from lcd_plugin.report.read_cells import KnownArrays
from lcd_plugin.report.read_folders import Kind
from lcd_plugin.report.versions import versions_of

MODELS: dict[Kind, type[CellResult]] = {"pretrain": PretrainResult, "evaluate": EvaluateResult}
RECOMPUTE = "removes the result and its files, so that the next `lcd-bench run` computes it"


@dataclass(frozen=True)
class Entries:
    """What lies in a folder, by what it is; links are not followed.

    Attributes:
        files: regular files but for those of `temporary` names.
        temporary: left by a kill in the middle of writing what is written there.
        links: symbolic ones.
        others: folders, pipes and the like.
    """

    files: frozenset[str]
    temporary: tuple[str, ...]
    links: tuple[str, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, written: re.Pattern[str] | None = None) -> Entries:
        """Look into a folder.

        Args:
            folder: where.
            written: names of files that are written there under a temporary name first.

        Raises:
            OSError: it cannot be read.
        """
        found: dict[str, list[str]] = {"files": [], "temporary": [], "links": [], "others": []}
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            found[_sort(entry, written)].append(entry.name)
        return cls(frozenset(found.pop("files")), **{n: tuple(v) for n, v in found.items()})

    def strays(self, at: str) -> Iterator[Finding]:
        """What no folder of a run has.

        Args:
            at: path of the folder, relative to that of the run.
        """
        yield from self.half_written(f"{at}/")
        for name in self.links:
            yield link(f"{at}/{name}")
        for name in self.others:
            message = "is no file of a run; it is left alone"
            yield Finding("unknown", "note", f"{at}/{name}", message)

    def half_written(self, at: str) -> Iterator[Finding]:
        """The temporary files.

        Args:
            at: what comes before their names in a path relative to the folder of the run.
        """
        for name in self.temporary:
            message = "a temporary file that was left when its writer was killed"
            yield Finding("temporary", "problem", at + name, message, "removes it", (at + name,))


def _sort(entry: os.DirEntry[str], written: re.Pattern[str] | None) -> str:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return "links"
    if not stat.S_ISREG(mode):
        return "others"
    of = temporary_of(entry.name)
    return "temporary" if of and written and written.fullmatch(of) else "files"


def examine_cell(
    out: Path, kind: Kind, key: str, known: KnownArrays
) -> tuple[list[Finding], CellFacts]:
    """All that is wrong with the folder of a cell, and what is asked of its result.

    Where nothing but files of weights is missing, the facts are those of its result, since results
    are passed on without them; of any other damaged cell nothing is known.

    Args:
        out: the output folder.
        kind: of the cell.
        key: its name.
        known: see `read_predictions`.
    """
    folder, at = out / kind / key, f"{kind}/{key}"
    try:
        entries = Entries.of(folder, OF_CELL)
    except OSError as error:
        message = f"cannot be read ({error.strerror})"
        return [Finding("unreadable", "problem", at, message)], CellFacts()
    found = list(entries.strays(at))
    if RESULT in entries.links:
        return found, CellFacts()
    if RESULT not in entries.files:
        return [*found, *_without_result(folder, at, entries)], CellFacts()
    result, damages = examine_result(folder, MODELS[kind])
    if result is not None:
        damages += damaged_files(folder, result, entries.links, known)
    if any(damage.spoils for damage in damages):
        spoilt = tuple(f"{at}/{name}" for name in sorted(_spoilt(folder, entries)))
        found += [_finding(at, damage, spoilt) for damage in damages]
        stripped = result is not None and all(d.kind == NO_WEIGHTS for d in damages)
        return found, _facts(result) if stripped and result is not None else CellFacts()
    found += [_finding(at, damage) for damage in damages]
    if result is None:
        return found, CellFacts()
    return [*found, *_beside(at, entries, result)], _facts(result)


def _finding(at: str, damage: Damage, spoilt: tuple[str, ...] = ()) -> Finding:
    path = f"{at}/{damage.file}" if damage.file else at
    return Finding(
        damage.kind, damage.severity, path, damage.message, RECOMPUTE if spoilt else "", spoilt
    )


def link(path: str) -> Finding:
    """A symbolic link, which may lead anywhere."""
    message = (
        "a symbolic link: what it leads to is neither checked nor touched; put the file or "
        "folder itself there"
    )
    return Finding("link", "problem", path, message)


def _without_result(folder: Path, at: str, entries: Entries) -> Iterator[Finding]:
    """A cell that is under way, was interrupted, or of which only a part was written."""
    files = entries.files
    if CHECKPOINT in files:
        going_on = {name for name in files if SNAPSHOT.fullmatch(name)} | {CHECKPOINT}
        reasons = [(name, unreadable_weights(folder / name)) for name in sorted(going_on)]
        damaged = [(name, reason) for name, reason in reasons if reason]
        for name, reason in damaged:
            remove = tuple(f"{at}/{name}" for name in sorted(going_on))
            message = f"{reason}; the pretraining cannot go on from it"
            fix = "removes it and what belongs to it, so that the pretraining starts anew"
            yield Finding("unreadable", "problem", f"{at}/{name}", message, fix, remove)
        if not damaged:
            message = "a pretraining under way or interrupted: the next `lcd-bench run` goes on"
            yield Finding("interrupted", "note", at, message)
        files -= going_on
    if files:
        message = f"half-written: {first_few(sorted(files), 3)}, and no {RESULT}"
        remove = tuple(f"{at}/{name}" for name in sorted(files))
        fix = f"removes {'it' if len(files) == 1 else 'them'}; the next `lcd-bench run` computes it"
        yield Finding("half-written", "problem", at, message, fix, remove)
    elif not (entries.files or entries.links or entries.others or entries.temporary):
        yield Finding("empty", "note", at, "an empty folder", "removes it", (at,))


def _spoilt(folder: Path, entries: Entries) -> frozenset[str]:
    """The files of a damaged cell that go with its result; what it can go on from stays."""
    kept: set[str] = set()
    if CHECKPOINT in entries.files:
        going_on = {n for n in entries.files if SNAPSHOT.fullmatch(n)} | {CHECKPOINT}
        if not any(unreadable_weights(folder / name) for name in going_on):
            kept |= going_on
    return entries.files - kept


def _beside(at: str, entries: Entries, result: CellResult) -> Iterator[Finding]:
    """What lies beside a sound result and is not its own."""
    own = {RESULT, *result.files}
    if CHECKPOINT in entries.files and result.status == "complete":
        path = f"{at}/{CHECKPOINT}"
        message = "a checkpoint that the complete result beside it has made useless"
        yield Finding("checkpoint", "problem", path, message, "removes it", (path,))
    elif CHECKPOINT in entries.files:  # with which the next try goes on
        own |= {name for name in entries.files if SNAPSHOT.fullmatch(name)}
    for name in sorted(entries.files - own - {CHECKPOINT}):
        path = f"{at}/{name}"
        message = "an orphan: the result beside it does not name it"
        yield Finding("orphan", "problem", path, message, "removes it", (path,))


def _facts(result: CellResult) -> CellFacts:
    behind_it = result.identity.get("pretrain_key")
    times = (result.provenance.get(name) for name in ("started", "finished"))
    started, finished = (time if isinstance(time, str) else "" for time in times)
    return CellFacts(
        status=result.status,
        transient=result.transient,
        sealed=result.seal is not None,
        versions=frozenset(versions_of(result.identity).items()),
        pretrain_key=behind_it if isinstance(behind_it, str) else None,
        started=started,
        finished=finished,
        identity=result.identity,
    )
