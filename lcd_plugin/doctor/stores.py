"""The cache of prepared stores: what cannot be opened, and what killed preparations left behind."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from lcd_plugin.data.journal import JOURNAL, ROWS
from lcd_plugin.data.store import Store
from lcd_plugin.doctor.findings import Finding, Progress
from lcd_plugin.doctor.mend import Mended, remove
from lcd_plugin.errors import DataError

STORE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*-[0-9a-f]{16}")
PARTIAL = re.compile(rf"\.(?P<store>{STORE.pattern})\.partial")
LOCK = re.compile(rf"\.(?P<store>{STORE.pattern})\.lock")


@dataclass
class StoresExamination:
    """What was found in the cache.

    Attributes:
        out: the folder of the stores.
        findings: all of them.
        sizes: bytes of each folder of a store, by its name.
    """

    out: Path
    findings: list[Finding] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)


def examine_stores(
    folder: Path, progress: Progress = lambda done, total: None
) -> StoresExamination:
    """Read every prepared store; nothing is changed.

    Args:
        folder: of the stores.
        progress: called with the number of entries done and their total.

    Raises:
        OSError: the folder cannot be read.
    """
    examination = StoresExamination(folder)
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for done, path in enumerate(entries):
        progress(done, len(entries))
        examination.findings += _examine(path, examination)
    progress(len(entries), len(entries))
    return examination


def _examine(path: Path, examination: StoresExamination) -> Iterator[Finding]:
    name = path.name
    if path.is_symlink():
        yield Finding("link", "note", name, "a symbolic link; it is neither read nor touched")
    elif STORE.fullmatch(name) and path.is_dir():
        examination.sizes[name] = _size(path)
        yield from _store(path, examination)
    elif (match := PARTIAL.fullmatch(name)) and path.is_dir():
        examination.sizes[name] = _size(path)
        yield _partial(path, match["store"], examination.sizes[name])
    elif (match := LOCK.fullmatch(name)) and path.is_file():
        if _is_free(path):
            message = "a lock that nobody holds, left when its owner was killed"
            yield Finding("lock", "problem", name, message, "removes it", (name,))
    else:
        yield Finding("unknown", "note", name, "is nothing that lcd-bench put there; left alone")


def _store(path: Path, examination: StoresExamination) -> Iterator[Finding]:
    name, size = path.name, _megabytes(examination.sizes[path.name])
    if not _is_free(_lock_of(path)):
        yield Finding("at-work", "note", name, "is being prepared now, and not looked at")
        return
    if reason := _broken(path):
        fix = "removes it; the next run prepares it anew from the records"
        yield Finding("broken-store", "problem", name, f"{reason} ({size})", fix, (name,))
        return
    for left in (ROWS, JOURNAL):
        if (path / left).is_file():
            at = f"{name}/{left}"
            message = "left from making the store, which does not need it any more"
            yield Finding("leftover", "problem", at, message, "removes it", (at,))


def _broken(path: Path) -> str:
    """What is wrong with a store; "" for nothing."""
    try:
        store = Store.open(path)
    except DataError:
        return "cannot be opened: of another version, or damaged"
    try:
        store.check()
    except DataError:
        return "its signals were changed since it was made"
    return ""


def _partial(path: Path, store: str, size: int) -> Finding:
    if not _is_free(_lock_of(path.with_name(store))):
        return Finding("at-work", "note", path.name, f"is being made now ({_megabytes(size)})")
    message = (
        f"a store half made ({_megabytes(size)}), and nobody works on it; preparing the same data "
        f"again would go on with it"
    )
    return Finding("partial-store", "problem", path.name, message, "removes it", (path.name,))


def mend_stores(examination: StoresExamination) -> Mended:
    """Remove what the findings name, but nothing that somebody works on now."""
    mended = Mended()
    root = examination.out.resolve()
    for finding in examination.findings:
        if not finding.fix:
            mended.left.append(finding)
            continue
        try:
            for name in finding.remove:
                if _remove(root, name):
                    mended.fixed.append(f"removed {name}")
        except (OSError, Timeout) as error:
            why = "somebody works on it" if isinstance(error, Timeout) else error.strerror
            message = f"{finding.message}; it could not be removed ({why})"
            mended.left.append(Finding(finding.kind, finding.severity, finding.path, message))
    return mended


def _remove(root: Path, name: str) -> bool:
    """Remove a file, or the folder of a store with all that is in it; False if it is gone.

    Raises:
        OSError: it cannot be removed.
        Timeout: somebody works on it.
    """
    path = root / name
    if "/" in name or LOCK.fullmatch(name):
        return remove(root, name)
    partial = PARTIAL.fullmatch(name)
    lock = _lock_of(root / (partial["store"] if partial else name))
    with FileLock(lock, timeout=0):
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise OSError(0, "it is no folder")
        except FileNotFoundError:
            return False
        shutil.rmtree(path)  # which follows no link
        lock.unlink(missing_ok=True)
    return True


def _lock_of(store: Path) -> Path:
    return store.with_name(f".{store.name}.lock")


def _is_free(lock: Path) -> bool:
    """Whether nobody holds a lock; the file itself is not changed by asking."""
    try:
        with lock.open("rb") as file, _held(file.fileno(), lock):
            return True
    except FileNotFoundError:
        return True
    except (OSError, Timeout):
        return False


def _held(descriptor: int, lock: Path) -> AbstractContextManager[object]:
    try:
        import fcntl
    except ImportError:  # a system where asking cannot be told from taking
        return FileLock(lock, timeout=0)
    # Given back when the descriptor is closed.
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return nullcontext()


def _size(folder: Path) -> int:
    """Bytes of all files in a folder; one that is there under two names counts once."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        if stat.S_ISREG(state.st_mode):
            found[state.st_dev, state.st_ino] = state.st_size
    return sum(found.values())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
