"""A whole release: its `SHA256SUMS.txt`, then whatever of it is not there yet."""

from __future__ import annotations

import errno
import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lcd_plugin.data.download.check import Progress, sha256_of, silent, size_of
from lcd_plugin.data.download.fetch import Line, StoppedError, fetch
from lcd_plugin.data.download.manifest import MANIFEST, leads_inside, read_manifest
from lcd_plugin.data.download.target import check_source
from lcd_plugin.data.download.transfer import FetchError, Patience, new_session
from lcd_plugin.errors import ConfigError, DataError

log = logging.getLogger(__name__)

# The disk will not take the next file either.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# So many files in a row without an answer: the server or the line is down for all of them.
GIVE_UP = 20
# Threads end within a piece of a file; one that waits for a silent server is left behind.
FAREWELL = 1.0


@dataclass(frozen=True)
class Failure:
    """A file that could not be fetched, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class TreeResult:
    """What a download did.

    Attributes:
        fetched: number of files fetched.
        present: number of files that were there with the right hash.
        failed: the files that could not be fetched, by name.
        not_tried: number of files left when the server could not be reached any more.
        bytes: bytes received, the `SHA256SUMS.txt` not counted.
    """

    fetched: int
    present: int
    failed: tuple[Failure, ...]
    not_tried: int
    bytes: int

    @property
    def total(self) -> int:
        """Number of files listed."""
        return self.fetched + self.present + len(self.failed) + self.not_tried

    @property
    def complete(self) -> bool:
        """Whether every listed file is there now."""
        return not self.failed and not self.not_tried


def download_tree(
    source: str,
    root: Path,
    part: str = "",
    *,
    jobs: int = 8,
    patience: Patience | None = None,
    progress: Progress = silent,
) -> TreeResult:
    """Fetch the files of a release that are missing, cut or different; failures stop no others.

    Args:
        source: http(s) address of the release's folder, which has a `SHA256SUMS.txt`.
        root: where the release belongs; made if it is not there.
        part: fetch only this folder of the release; "" is all of it.
        jobs: files on their way at the same time.
        patience: retries, time limits and size limits.
        progress: called with files done, files in all and bytes received, never by two threads at
            once.

    Returns:
        Counts, and the files that failed.

    Raises:
        ConfigError: the source or the number of jobs is none.
        DataError: the `SHA256SUMS.txt` cannot be had or is not safe, or nothing can be written.
    """
    source = check_source(source)
    if jobs < 1:
        raise ConfigError(f"A download needs at least one connection (got {jobs} jobs).")
    patience = patience or Patience()
    listed = _fetch_manifest(source, root, part, patience)
    work = _Work(listed, progress)
    threads = [
        # Python waits for threads when it ends, but not for daemons: Ctrl-C must not hang on a
        # server that has gone silent.
        threading.Thread(target=_fetch_files, args=(work, source, root, patience), daemon=True)
        for _ in range(min(jobs, len(listed)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not work.stop.is_set():
                thread.join(0.1)
    finally:
        work.stop.set()
        for thread in threads:
            if thread.is_alive():
                thread.join(FAREWELL / len(threads))
    return work.result()


def _fetch_manifest(source: str, root: Path, part: str, patience: Patience) -> dict[str, bytes]:
    """Put the release's list into its place and read it; nothing stays if it is not safe."""
    log.debug("reading %s%s", source, MANIFEST)
    with _made(root), tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
        fresh = Path(folder) / MANIFEST
        with new_session() as session:
            try:
                line = Line(session, patience)
                fetch(line, source + MANIFEST, fresh, None, patience.largest_manifest)
            except FetchError as error:
                raise DataError(
                    f"The list of the release's files, {source}{MANIFEST}, cannot be had: {error}; "
                    f"check the address and the connection."
                ) from error
        listed = read_manifest(fresh, part, inside=root)
        fresh.replace(root / MANIFEST)
    return listed


@contextmanager
def _made(root: Path) -> Iterator[None]:
    """A folder, made if need be and removed again if nothing came of it."""
    there = root.is_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            yield
        except BaseException:
            if not there:
                with suppress(OSError):
                    root.rmdir()
            raise
    except OSError as error:
        raise DataError(
            f"{root} cannot be written ({error.strerror or error}); choose another folder."
        ) from error


def _fetch_files(work: _Work, source: str, root: Path, patience: Patience) -> None:
    """What each thread does."""
    root = root.resolve()
    try:
        with new_session() as session:
            line = Line(session, patience, work.stop, work.arrived)
            while (entry := work.next()) is not None:
                name, digest = entry
                try:
                    work.done(_ensure(line, source, root, name, digest))
                except FetchError as error:
                    work.failed(name, str(error), unreachable=error.unreachable)
                except OSError as error:
                    if error.errno in DISK:
                        raise DataError(
                            f"{root} takes no more files ({error.strerror}): make room and run the "
                            f"same command again, it goes on from there."
                        ) from error
                    work.failed(name, error.strerror or str(error))
    except StoppedError:
        pass
    except BaseException as error:
        work.abort(error)


def _ensure(line: Line, source: str, root: Path, name: str, digest: bytes) -> bool:
    """Have a file in its place; whether it had to be fetched."""
    target = root / name
    size = size_of(target)
    if size == -1:
        raise FetchError("something that is no file lies in its place; remove it")
    if size is not None and sha256_of(target) == digest:
        return False
    # Looked at before, for all files; but a link may have been made since.
    if not leads_inside(root, target.parent):
        raise FetchError("a link leads out of the folder; remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    fetch(line, source + quote(name), target, digest, line.patience.largest)
    return True


class _Work:
    """The files to do and what became of them, for all threads."""

    def __init__(self, listed: dict[str, bytes], progress: Progress) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._progress = progress
        self._left = iter(listed.items())
        self._total = len(listed)
        self._fetched = self._present = self._bytes = 0
        self._failed: list[Failure] = []
        self._unreachable = 0
        self._tell()

    def next(self) -> tuple[str, bytes] | None:
        with self._lock:
            return None if self.stop.is_set() else next(self._left, None)

    def arrived(self, n_bytes: int) -> None:
        with self._lock:
            self._bytes += n_bytes
            self._tell()

    def done(self, fetched: bool) -> None:
        with self._lock:
            self._fetched += fetched
            self._present += not fetched
            if fetched:
                self._unreachable = 0
            self._tell()

    def failed(self, name: str, reason: str, unreachable: bool = False) -> None:
        with self._lock:
            self._failed.append(Failure(name, reason))
            self._unreachable = self._unreachable + 1 if unreachable else 0
            if self._unreachable >= GIVE_UP:
                self.stop.set()
            self._tell()

    def abort(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self.stop.set()

    def result(self) -> TreeResult:
        with self._lock:
            if self._error is not None:
                raise self._error
            done = self._fetched + self._present + len(self._failed)
            failed = tuple(sorted(self._failed, key=lambda failure: failure.path))
            return TreeResult(self._fetched, self._present, failed, self._total - done, self._bytes)

    def _tell(self) -> None:
        done = self._fetched + self._present + len(self._failed)
        self._progress(done, self._total, self._bytes)
