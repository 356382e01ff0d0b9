"""Files that are written whole or not at all, and read only if they are files of a sane size."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from io import BufferedReader
from pathlib import Path

# What `tempfile` makes of the prefix below.
_TEMPORARY = re.compile(r"\.(?P<name>.+)-[a-z0-9_]{8}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all (temporary name, fsync, rename).

    Raises:
        OSError: it cannot be written; `filename` is always set.
    """
    try:
        _write_whole(path, content)
    except FileNotFoundError:
        # Another process has cleared away the folder while it was empty, or what it took for the
        # temporary file of a dead one.
        _write_whole(path, content)


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say where it is full
        raise


def temporary_of(name: str) -> str | None:
    """The file that a name of `write_whole` was to become; None for any other name.

    Only a kill in the middle leaves such a file behind.
    """
    match = _TEMPORARY.fullmatch(name)
    return match["name"] if match else None


def remove_temporary(folder: Path, known: re.Pattern[str]) -> None:
    """Remove what killed processes left of files in a folder.

    Of one that writes at this moment, too, which then does so again.

    Args:
        folder: where to look; it need not be there.
        known: names of the files that are written there. What is called otherwise is somebody
            else's and stays, as does what is no file.

    Raises:
        OSError: one cannot be removed.
    """
    for path in folder.glob(".*-*"):
        of = temporary_of(path.name)
        if of and known.fullmatch(of) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def read_limited(path: Path, most: int) -> bytes:
    """The bytes of a file that anybody may have written.

    Args:
        path: where it is.
        most: bytes that it may have; real ones are far below.

    Raises:
        OSError: it cannot be read, is no file (a folder, a pipe, a device) or has more bytes;
            `strerror` says which.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            reason = f"it has {size:,} bytes, and at most {most:,} are read"
            raise OSError(errno.EFBIG, reason, str(path))
        # No more than was looked at: it may grow meanwhile.
        return file.read(size)


def open_file(path: Path) -> BufferedReader:
    """Open what anybody may have put there for reading, if it is a file.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe or a device, which has no end.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe that nobody writes to would last for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
