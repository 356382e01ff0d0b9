"""A store in the making: rows appended chunk by chunk, and a journal to go on from.

The folder's name is hidden and it has no manifest, so nothing takes it for a store. Each line of
the journal has the checksum of its chunk's rows: after a power cut, what the disk did not get is
made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lcd_plugin.data.chunks import Chunk, RecordResult
from lcd_plugin.data.quality import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, JOURNAL = "rows.f16", "journal.jsonl"


class PartialStore:
    """Rows and results of the records done so far.

    Args:
        folder: where; made if it is not there.
        row_bytes: size of a row.

    Attributes:
        results: of all records done, in order.
    """

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self.folder = folder
        self.results: list[RecordResult] = []
        self._row_bytes = row_bytes
        folder.mkdir(parents=True, exist_ok=True)
        kept = self._resume()
        for name, size in kept.items():
            with (folder / name).open("ab") as file:
                file.truncate(size)

    def append(self, chunk: Chunk) -> None:
        """Add the next records: rows first, then the line that vouches for them."""
        content = np.ascontiguousarray(chunk.signals).tobytes()
        with (self.folder / ROWS).open("ab") as file:
            file.write(content)
        line = {
            "blake2b": hashlib.blake2b(content).hexdigest(),
            "size": len(content),
            "results": [_to_json(result) for result in chunk.results],
        }
        with (self.folder / JOURNAL).open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
        self.results += chunk.results

    def write_signals(self, path: Path, keep: NDArray[np.bool_]) -> None:
        """Write the rows that are kept to `path`; what is here stays until it is `cleared`."""
        rows = self.folder / ROWS
        path.unlink(missing_ok=True)
        if not keep.all():
            with rows.open("rb") as source, path.open("wb") as target:
                for kept in keep:
                    row = source.read(self._row_bytes)
                    if kept:
                        target.write(row)
        else:
            try:
                path.hardlink_to(rows)
            except OSError:  # a file system without links
                shutil.copyfile(rows, path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove rows and journal from a folder that is a store now."""
        for path in (folder / ROWS, folder / JOURNAL):
            # Stores may lie where nothing can be written.
            if path.exists():
                with contextlib.suppress(OSError):
                    path.unlink()

    def _resume(self) -> dict[str, int]:
        """Take up what the journal vouches for; the sizes to which both files are cut."""
        sizes = {ROWS: 0, JOURNAL: 0}
        try:
            with (
                (self.folder / JOURNAL).open("rb") as journal,
                (self.folder / ROWS).open("rb") as rows,
            ):
                for text in journal:
                    size, results = _read_line(text, rows)
                    if not results:
                        break
                    self.results += results
                    sizes[ROWS] += size
                    sizes[JOURNAL] += len(text)
        except FileNotFoundError:
            pass
        return sizes


def _read_line(text: bytes, rows: BinaryIO) -> tuple[int, list[RecordResult]]:
    """Bytes of a chunk's rows and its results; none if the line is not whole or they are not."""
    try:
        line = json.loads(text)
        size = int(line["size"])
        # Not more than there is: a number that was damaged may be any.
        content = rows.read(size) if 0 <= size <= os.fstat(rows.fileno()).st_size else b""
        if text.endswith(b"\n") and hashlib.blake2b(content).hexdigest() == line["blake2b"]:
            return len(content), [_from_json(result) for result in line["results"]]
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        pass
    return 0, []


def _to_json(result: RecordResult) -> list[Any]:
    findings = [[*asdict(finding).values(), done] for finding, done in result.findings]
    return [result.record, list(result.windows), result.content, result.digest, findings]


def _from_json(values: list[Any]) -> RecordResult:
    record, windows, content, digest, findings = values
    listed = tuple((Finding(*finding[:3]), finding[3]) for finding in findings)
    return RecordResult(record, tuple(windows), content, digest, listed)
