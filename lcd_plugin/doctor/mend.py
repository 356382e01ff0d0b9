"""Mending an output folder: nothing goes but what a finding names, and nothing outside it."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lcd_plugin.bench.leases import LEASES
from lcd_plugin.bench.runners import RUNNERS
from lcd_plugin.doctor.at_work import who_is_at_work
from lcd_plugin.doctor.board import PATH, has_board, rewrite_report
from lcd_plugin.doctor.cells import examine_cell
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.doctor.out import Examination
from lcd_plugin.errors import ConfigError, LcdBenchError
from lcd_plugin.report.read_folders import KINDS


@dataclass
class Mended:
    """What mending came to.

    Attributes:
        fixed: a sentence for everything that was done.
        left: the findings that still hold.
    """

    fixed: list[str] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)


def mend(examination: Examination) -> Mended:
    """Remove what the findings name, and write a stale report anew.

    Raises:
        ConfigError: somebody works on the folder.
    """
    out = examination.out.resolve()
    refuse_if_at_work(examination.out)
    mended = Mended()
    gone: set[str] = set()
    for finding in examination.findings:
        if finding.rewrite:
            continue
        if not finding.fix:
            mended.left.append(finding)
            continue
        try:
            for path in _still(out, [path for path in finding.remove if path not in gone]):
                gone.add(path)
                if remove(out, path):
                    mended.fixed.append(f"removed {path}")
        except OSError as error:
            message = f"{finding.message}; it could not be removed ({error.strerror})"
            mended.left.append(Finding(finding.kind, finding.severity, finding.path, message))
    _remove_empty(out, gone)
    _report(examination, mended, any(path.startswith(tuple(KINDS)) for path in gone))
    return mended


def refuse_if_at_work(out: Path) -> None:
    """Raise ConfigError if a runner is, or may be, at work on a folder."""
    work = who_is_at_work(out)
    if work.alive:
        raise ConfigError(
            f"{out} is being worked on by {', '.join(work.alive)}; nothing is mended before it has "
            f"ended."
        )
    if work.elsewhere:
        raise ConfigError(
            f"{out} may be worked on by {', '.join(work.elsewhere)} on another host; nothing is "
            f"mended before it has ended. If it is dead, remove its file from {out / RUNNERS}."
        )


def remove(root: Path, path: str) -> bool:
    """Remove a file or an empty folder below a folder, through no link; False if it is gone.

    Args:
        root: the folder, resolved.
        path: relative to it.

    Raises:
        OSError: it lies elsewhere, is something else, or cannot be removed.
    """
    target = root / path
    if (
        ".." in target.parts
        or root not in target.parents
        or target.parent.resolve() != target.parent
    ):
        raise OSError(0, "it is not in the folder")
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        target.rmdir()
    elif stat.S_ISREG(mode):
        target.unlink()
    else:
        raise OSError(0, "it is no file")
    return True


def _still(out: Path, paths: list[str]) -> list[str]:
    """Those of the files of a cell that would be removed if it were looked at now.

    Looking at a large folder takes minutes, in which a run may have come and gone.
    """
    kind, _, rest = paths[0].partition("/") if paths else ("", "", "")
    if kind not in KINDS:
        return paths
    found, _ = examine_cell(out, kind, rest.partition("/")[0], {})
    now = {path for finding in found for path in finding.remove}
    return [path for path in paths if path in now]


def _remove_empty(out: Path, gone: Iterable[str]) -> None:
    """Remove the folders of cells, runners and claims that have nothing left in them."""
    for path in {path.rpartition("/")[0] for path in gone}:
        top = path.partition("/")[0]
        if top in (RUNNERS, LEASES) or (top in KINDS and path != top):
            with contextlib.suppress(OSError):
                remove(out, path)


def _report(examination: Examination, mended: Mended, results_went: bool) -> None:
    """Write the report anew, if it is stale or was made with results that went."""
    stale = [finding for finding in examination.findings if finding.rewrite]
    if not stale and not (results_went and has_board(examination.out)):
        return
    try:
        written = rewrite_report(examination.out)
    except LcdBenchError as error:
        said = stale[0].message if stale else "is of results that were removed"
        message = f"{said}; it could not be written anew: {error}"
        mended.left.append(Finding("report", "problem", PATH, message))
    else:
        mended.fixed += [f"wrote {path} anew" for path in written]
