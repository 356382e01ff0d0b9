"""The checksums that a release comes with, for files that lie in a copy of it."""

from __future__ import annotations

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

    def absent(self, folder: Path) -> list[str]:
        """Files that the release has in `folder` or below it, and that are not there."""
        part = folder.resolve().relative_to(self.root).as_posix()
        prefix = "" if part == "." else part + "/"
        listed = (name for name in self.by_name if name.startswith(prefix))
        return [name for name in listed if not (self.root / name).is_file()]


def release_sums(folder: Path | None) -> ReleaseSums | None:
    """The checksums of the release that a folder belongs to, or None if it came without."""
    if folder is None:
        return None
    resolved = folder.resolve()
    for root in [resolved, *resolved.parents][: LEVELS_UP + 1]:
        if (root / MANIFEST).is_file():
            try:
                return ReleaseSums(root, read_manifest(root / MANIFEST))
            except DataError as error:
                log.warning("%s is not used: %s", root / MANIFEST, error)
                return None
    return None
