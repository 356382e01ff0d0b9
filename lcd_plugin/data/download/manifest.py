"""`SHA256SUMS.txt`: the files of a release and their hashes, as a stranger wrote them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NoReturn

from lcd_plugin.errors import DataError

MANIFEST = "SHA256SUMS.txt"
# A file that is not whole yet lies beside its place under its name and this.
UNFINISHED = ".part"

# Two spaces or space and star are sha256sum's, a single space is PhysioNet's.
LISTED = re.compile(r"([0-9a-fA-F]{64}) [ *]?(.+)")
DRIVE = re.compile(r"[A-Za-z]:")
LONGEST_LINE = 8192


def read_manifest(path: Path, part: str = "", inside: Path | None = None) -> dict[str, bytes]:
    """The listed files under `part`, as names with `/` and their SHA-256.

    Every line is checked, also those of other parts.

    Args:
        path: the `SHA256SUMS.txt`.
        part: folder in the release; "" is all of it.
        inside: folder that no listed file may lead out of, links that are there included.

    Raises:
        DataError: a line that is none, a name that is not safe, a file listed with two hashes, or
            nothing listed under `part`.
    """
    listed: dict[str, bytes] = {}
    guard = _Guard(inside, path) if inside is not None else None
    for line, name, digest in _lines(path):
        if listed.setdefault(name, digest) != digest:
            raise DataError(
                f"{path.name}, line {line}: {name!r} was listed before with another hash; "
                f"the release contradicts itself."
            )
        if guard and _under(name, part):
            guard.check(line, name)
    chosen = {name: digest for name, digest in listed.items() if _under(name, part)}
    # A list that was made with itself in the folder has a hash of itself that cannot be right.
    chosen.pop(MANIFEST, None)
    if not chosen:
        raise DataError(f"{path.name} lists no file{f' under {part}' if part else ''}.")
    for name in chosen:
        if name + UNFINISHED in listed:
            raise DataError(
                f"{path.name} lists {name!r}, which lies as {name + UNFINISHED!r} while it is "
                f"fetched, and a file of that name too; fetch this release by hand."
            )
    return chosen


def safe_name(name: str) -> str:
    """A listed name without `.` parts, if it stays below any folder that it is joined to.

    Raises:
        ValueError: it may lead elsewhere, on this or another system; the message says why.
    """
    if not name.isprintable():
        raise ValueError("has characters that cannot be printed")
    if "\\" in name:
        raise ValueError("has a backslash")
    if name.startswith("/"):
        raise ValueError("is absolute")
    parts = [part for part in name.split("/") if part != "."]
    # Windows drops dots and spaces at the end of a name: `.. ` is `..` there.
    if not parts or any(not part.strip(" .") for part in parts):
        raise ValueError("has an empty part or leads upwards")
    if any(DRIVE.match(part) for part in parts):
        raise ValueError("has a drive letter")
    return "/".join(parts)


def leads_inside(root: Path, path: Path) -> bool:
    """Whether `path` lies below `root` (a resolved folder) when all links are followed."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links in a circle are a RuntimeError up to Python 3.12
        return False


class _Guard:
    """Refuses names that a link in the folder would lead out of it.

    Asks once a subfolder, and not at all below one that is not there: releases have a million.
    """

    def __init__(self, root: Path, manifest: Path) -> None:
        self.root = root.resolve()
        self.manifest = manifest
        self.folders: dict[str, bool | None] = {"": True}

    def check(self, line: int, name: str) -> None:
        folder = name.rpartition("/")[0]
        for beginning in accumulate(folder.split("/"), "{}/{}".format):
            inside = self._inside(beginning)
            if inside is None:
                return
            if not inside:
                self._refuse(line, name)
        if self._leaf_leads_out(self.root / name):
            self._refuse(line, name)

    def _inside(self, folder: str) -> bool | None:
        """Whether a folder is in the root; None if it is not there."""
        if folder not in self.folders:
            path = self.root / folder
            there = os.path.lexists(path)
            self.folders[folder] = leads_inside(self.root, path) if there else None
        return self.folders[folder]

    def _leaf_leads_out(self, path: Path) -> bool:
        try:
            return path.is_symlink() and not leads_inside(self.root, path)
        except OSError:  # a name that this file system cannot have: fails when it is written
            return False

    def _refuse(self, line: int, name: str) -> NoReturn:
        raise DataError(
            f"{self.manifest.name}, line {line}: a link in {self.root} leads {name!r} out of that "
            f"folder; remove the link or choose another folder."
        )


def _lines(path: Path) -> Iterator[tuple[int, str, bytes]]:
    """Number, name and hash of each line that is not empty."""
    with path.open("rb") as file:
        for line, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                text = "not UTF-8"
            if not text:
                continue
            match = LISTED.fullmatch(text) if len(raw) < LONGEST_LINE else None
            if match is None:
                raise DataError(
                    f"{path.name}, line {line} is not '<SHA-256>  <file>' but {text[:60]!r}; "
                    f"is the address that of the release's folder?"
                )
            try:
                yield line, safe_name(match[2]), bytes.fromhex(match[1])
            except ValueError as error:
                raise DataError(
                    f"{path.name}, line {line}: the name {match[2]!r} {error}; "
                    f"nothing is fetched from a release with such names."
                ) from error


def _under(name: str, part: str) -> bool:
    part = part.strip("/")
    return not part or name.startswith(part + "/")
