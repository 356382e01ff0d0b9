"""A folder against its own `SHA256SUMS.txt`, without any network."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lcd_plugin.data.download.manifest import MANIFEST, read_manifest
from lcd_plugin.errors import DataError

# Files done, files in all, bytes so far.
Progress = Callable[[int, int, int], None]


def silent(done: int, total: int, n_bytes: int) -> None:
    """No progress."""


@dataclass(frozen=True)
class TreeCheck:
    """What a folder has of its release.

    Attributes:
        ok: number of files that are as listed.
        missing: names of listed files that are not there.
        different: names of listed files that are cut or otherwise not as listed.
    """

    ok: int
    missing: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def total(self) -> int:
        """Number of files listed."""
        return self.ok + len(self.missing) + len(self.different)

    @property
    def complete(self) -> bool:
        """Whether every listed file is there as listed."""
        return not self.missing and not self.different


def check_tree(root: Path, part: str = "", progress: Progress = silent) -> TreeCheck:
    """Compare the files of a release with its `SHA256SUMS.txt`.

    Args:
        root: the release's root folder, which has the `SHA256SUMS.txt`.
        part: folder in the release; "" is all of it.
        progress: called after each file with files done, files in all and bytes read.

    Raises:
        DataError: there is no usable `SHA256SUMS.txt`, it lists nothing under `part`, or a file
            cannot be read.
    """
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise DataError(
            f"{root} has no {MANIFEST} to compare its files with; download it from the release "
            f"into that folder."
        )
    ok, n_bytes = 0, 0
    missing: list[str] = []
    different: list[str] = []
    try:
        listed = read_manifest(manifest, part)
        for done, (name, digest) in enumerate(listed.items(), start=1):
            path = root / name
            size = size_of(path)
            if size is None:
                missing.append(name)
            elif size >= 0 and sha256_of(path) == digest:
                ok += 1
            else:
                different.append(name)
            n_bytes += max(size or 0, 0)
            progress(done, len(listed), n_bytes)
    except OSError as error:
        raise DataError(
            f"{error.filename or root} cannot be read: {error.strerror or error}."
        ) from error
    return TreeCheck(ok, tuple(missing), tuple(different))


def size_of(path: Path) -> int | None:
    """Size of a file; None if nothing is there, -1 if that is no file (a folder, a pipe).

    Raises:
        OSError: it cannot be known.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def sha256_of(path: Path) -> bytes:
    """SHA-256 of a file, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
