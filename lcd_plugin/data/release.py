"""The checksums that a release comes with, for files that lie in a copy of it."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lcd_plugin.data.download.manifest import MANIFEST, read_manifest
from lcd_plugin.errors import DataError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lcd_plugin.data.cohort import Cohort

log = logging.getLogger(__name__)

LEVELS_UP = 3  # a cohort may be a part of a release, such as training/georgia


@dataclass(frozen=True)
class ReleaseSums:
    """SHA-256 of a release's files.

    Attributes:
        root: folder of the release.
        by_name: digests by path relative to `root`.
    """

    root: Path
    by_name: dict[str, bytes]

    def of(self, cohort: Cohort, records: Iterable[str]) -> dict[str, bytes]:
        """The digests of some records' files, by path as the cohort gives it."""
        assert cohort.path is not None, "a release is found by the cohort's folder"
        part = cohort.path.resolve().relative_to(self.root).as_posix()
        inside = "" if part == "." else f"{part}/"
        base = f"{cohort.path}{os.sep}"
        found = {}
        for record in records:
            try:
                files = map(str, cohort.files(record))
            except RecordError:
                continue
            for path in files:
                name = inside + path.removeprefix(base).replace(os.sep, "/")
                if path.startswith(base) and name in self.by_name:
                    found[path] = self.by_name[name]
        return found

    def digest(self, path: Path) -> bytes | None:
        """The digest of one file, if the release has it."""
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root):
            return None
        return self.by_name.get(resolved.relative_to(self.root).as_posix())

    def absent(self, folder: Path) -> list[str]:
        """Files that the release has in `folder` or below it, and that are not there."""
        part = folder.resolve().relative_to(self.root).as_posix()
        prefix = "" if part == "." else part + "/"
        listed = (name for name in self.by_name if name.startswith(prefix))
        return [name for name in listed if not (self.root / name).is_file()]


def find_sums(folder: Path | None) -> Path | None:
    """The list of checksums of the release that a folder belongs to, if it came with one."""
    if folder is None:
        return None
    resolved = folder.resolve()
    places = [resolved, *resolved.parents][: LEVELS_UP + 1]
    return next((place / MANIFEST for place in places if (place / MANIFEST).is_file()), None)


def release_sums(folder: Path | None) -> ReleaseSums | None:
    """The checksums of the release that a folder belongs to; a list that is none is passed over."""
    path = find_sums(folder)
    if path is None:
        return None
    try:
        return ReleaseSums(path.parent, read_manifest(path))
    except DataError as error:
        log.warning("%s is not used: %s", path, error)
    except OSError as error:
        log.warning("%s is not used: it cannot be read (%s)", path, error.strerror)
    return None


def changed_tables(cohort: Cohort, sums: ReleaseSums | None) -> list[str]:
    """What to say of tables (labels, splits) that are not the release's."""
    if sums is None:
        return []
    said = []
    for path in cohort.tables():
        expected = sums.digest(path)
        if expected is not None and hashlib.sha256(path.read_bytes()).digest() != expected:
            said.append(
                f"{path.name} is not the release's: its SHA-256 differs from {MANIFEST}, so labels "
                f"or splits may be others"
            )
    return said
