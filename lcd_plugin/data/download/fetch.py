"""One file: taken up where it was left, in place only when its hash fits."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import BinaryIO

import requests

from lcd_plugin.data.download.check import size_of
from lcd_plugin.data.download.manifest import UNFINISHED
from lcd_plugin.data.download.transfer import (
    FetchError,
    PassingError,
    Patience,
    UnreachableError,
    body,
    get,
    length,
    starts_at,
)

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

READ = 1 << 20


class StoppedError(Exception):
    """The download as a whole was stopped."""


@dataclass(frozen=True)
class Line:
    """A thread's way to the server.

    Attributes:
        session: of this thread alone.
        patience: when to give up, and what is too large.
        stop: set when all threads must end.
        arrived: called with the number of bytes of each piece.
    """

    session: requests.Session
    patience: Patience = field(default_factory=Patience)
    stop: Event = field(default_factory=Event)
    arrived: Callable[[int], None] = lambda n: None


def fetch(line: Line, url: str, target: Path, digest: bytes | None, largest: int) -> None:
    """Fetch a file; what an interruption leaves in `<name>.part` is taken up by the next call.

    Args:
        line: the connection.
        url: address of the file.
        target: where it belongs; its folder must be there.
        digest: its SHA-256, or None to take what comes.
        largest: limit of its size in bytes.

    Raises:
        FetchError: it cannot be had, or is not what it should be.
        StoppedError: `line.stop` was set.
        OSError: it cannot be written.
    """
    unfinished = target.with_name(target.name + UNFINISHED)
    with _Unfinished(unfinished) as part:
        if part.digest != digest:
            _complete(line, url, part, digest, largest)
        part.sync()
    unfinished.replace(target)


def _complete(line: Line, url: str, part: _Unfinished, digest: bytes | None, largest: int) -> None:
    tries, anew = 0, False
    while True:
        try:
            _try(line, url, part, largest)
        except PassingError as error:
            tries += 1
            if tries > line.patience.retries:
                raise UnreachableError(f"{error} ({tries} tries)") from error
            log.debug("%s: %s, trying again", url, error)
            if line.stop.wait(line.patience.wait(tries, error.asked)):
                raise StoppedError from error
            continue
        if digest is None or part.digest == digest:
            return
        if anew or not part.pieced:
            part.restart()
            raise FetchError("what the server sends does not have the listed SHA-256")
        # The beginning may have been of another version, or spoilt: once more, from its first byte.
        part.restart()
        anew = True


def _try(line: Line, url: str, part: _Unfinished, largest: int) -> None:
    """One request, for what is missing yet."""
    with get(line.session, url, line.patience, part.size) as response:
        if part.size and starts_at(response, part.size):
            part.pieced = True
        else:
            part.restart()
        if response.status_code == 200 or part.size:
            _receive(line, response, part, largest)
            return
    # The server could not do with the range, which the next request does not have.
    _try(line, url, part, largest)


def _receive(line: Line, response: requests.Response, part: _Unfinished, largest: int) -> None:
    announced = length(response)
    end = part.size + announced if announced is not None else None
    if end is not None and end > largest:
        _refuse_size(part, largest)
    for chunk in body(response):
        if line.stop.is_set():
            raise StoppedError
        if part.size + len(chunk) > largest:
            _refuse_size(part, largest)
        part.add(chunk)
        line.arrived(len(chunk))
    if end is not None and part.size < end:
        raise PassingError("the connection broke off")


def _refuse_size(part: _Unfinished, largest: int) -> None:
    part.restart()
    raise FetchError(f"it is larger than {largest} bytes, the limit for a file")


class _Unfinished:
    """A file on its way: what is on disk of it, the hash of that, and if it is `pieced` together.

    Nothing is held back in memory: what arrived outlives a killed process. A file without any
    content is not left behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieced = False

    def __enter__(self) -> _Unfinished:
        self.file = _open_alone(self.path)
        try:
            self.hash = hashlib.sha256()
            self.size = 0
            while content := self.file.read(READ):
                self.hash.update(content)
                self.size += len(content)
        except BaseException:
            self.file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()
        if kind is not None and self.size == 0:
            with contextlib.suppress(OSError):
                self.path.unlink()

    @property
    def digest(self) -> bytes:
        return self.hash.digest()

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.hash = hashlib.sha256()
        self.size = 0
        self.pieced = False

    def add(self, content: bytes) -> None:
        self.file.write(content)
        self.file.flush()
        self.hash.update(content)
        self.size += len(content)

    def sync(self) -> None:
        os.fsync(self.file.fileno())


def _open_alone(path: Path) -> BinaryIO:
    """Open for reading and writing, never through a link, and lock against other processes."""
    no_link = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        if path.is_symlink() or size_of(path) == -1:
            raise FetchError(f"{path.name} beside it is no file; remove it")
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | no_link, 0o666), "r+b")
        try:
            _lock(file)
            # Whoever had it until now may have put it in its place, or thrown it away.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: BinaryIO) -> None:
    if sys.platform != "win32":  # there nobody else can rename or remove it while it is open
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError("another process is fetching it") from error
        except OSError:  # a file system without locks
            log.debug("%s cannot be locked", file.name)
