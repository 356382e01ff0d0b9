"""A prepared store: signals in one memory-mapped file, a table, and a manifest with checksums."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lcd_plugin.data.cohort import LABEL_SEPARATOR, Split, Task
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.errors import DataError
from lcd_plugin.files import open_file, read_limited

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANIFEST, SIGNALS, TABLE, QUALITY = "manifest.json", "signals.f16", "records.csv", "quality.csv"
COLUMNS = ("record", "window", "patient", "split", "origin", "content")
QUALITY_COLUMNS = ("record", "lead", "kind", "reason", "done")
# Bytes of a manifest that are read; real ones have some thousands.
MOST_OF_MANIFEST = 2**24


class TaskEntry(BaseModel):
    """A task as the manifest keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    classes: tuple[str, ...]
    kind: str


class Manifest(BaseModel):
    """What a store holds and what shaped it.

    Attributes:
        n_records: rows of the signals; a record cut into windows has several.
        n_left_out: records that could not be used.
        fingerprint: hash of everything that shaped the signals and labels: source bytes,
            settings, versions. Stores with one fingerprint give the same numbers.
        checksums: SHA-256 of the store's own files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    dataset: str
    dataset_version: int | str
    cohort_settings: dict[str, Any]
    data: DataSettings
    limit: int | None
    n_records: int = Field(ge=1)
    n_left_out: int = Field(ge=0)
    tasks: tuple[TaskEntry, ...]
    source_sha256: str
    fingerprint: str
    checksums: dict[str, str]

    @field_validator("checksums")
    @classmethod
    def _own_files(cls, sums: dict[str, str]) -> dict[str, str]:
        if not set(sums) <= {SIGNALS, TABLE, QUALITY}:
            raise ValueError("a manifest vouches for the files of its store only")
        return sums

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the signals: (rows, leads, samples)."""
        return self.n_records, len(self.data.leads), self.data.samples


@dataclass(frozen=True)
class Labels:
    """Labelled rows of a task.

    Attributes:
        rows: rows of the store, shape (rows,).
        targets: 1 where a row's record has a class, shape (rows, classes).
        patients: patient of each row, shape (rows,).
        records: which record a row is a window of, counted from 0 in order, shape (rows,).
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.int8]
    patients: NDArray[np.str_]
    records: NDArray[np.int64]

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first row of each record, as places in `rows`, shape (records,)."""
        return np.unique(self.records, return_index=True)[1]

    def windows_of(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places in `rows` of all windows of some records, in the order of the records."""
        if len(self.first) == len(self.rows):
            return records
        # Windows of a record lie one after another, as they were prepared.
        stop = np.append(self.first[1:], len(self.rows))
        return np.concatenate([np.arange(self.first[r], stop[r]) for r in records])

    def mean_of_windows(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Scores of records, shape (records, classes), from scores of rows."""
        if len(self.first) == len(self.rows):
            return scores
        return np.add.reduceat(scores, self.first) / np.bincount(self.records)[:, None]


@dataclass(frozen=True)
class Store:
    """An opened store.

    Attributes:
        path: its folder.
        manifest: what it holds.
        table: one line a row of the signals: record, window (0 unless a record was cut into
            several), patient, split, a column a task, origin (the recording's name in all cohorts
            that hold it) and content (hash of its samples).
    """

    path: Path
    manifest: Manifest
    table: pd.DataFrame

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open a store and check that its parts fit together.

        Raises:
            DataError: a file is missing, changed or of the wrong size.
        """
        try:
            manifest = Manifest.model_validate_json(read_limited(path / MANIFEST, MOST_OF_MANIFEST))
            # Sizes and sums before anything else is read or mapped.
            size = (path / SIGNALS).stat().st_size
            sums = {name: sha256_of(path / name) for name in (TABLE, QUALITY)}
            if any(manifest.checksums.get(name) != digest for name, digest in sums.items()):
                raise _changed(path)
            table = _read_table(path / TABLE, (*COLUMNS, *(task.name for task in manifest.tasks)))
        except (OSError, ValidationError, ValueError) as error:
            raise DataError(f"The prepared store {path} cannot be read; delete it.") from error
        if len(table) != manifest.n_records or size != 2 * math.prod(manifest.shape):
            raise _changed(path)
        return cls(path=path, manifest=manifest, table=table)

    @cached_property
    def signals(self) -> NDArray[np.float16]:
        """All records, memory-mapped, shape (records, leads, time)."""
        shape = self.manifest.shape
        try:
            return np.memmap(self.path / SIGNALS, dtype=np.float16, mode="r", shape=shape)
        except (OSError, ValueError) as error:  # since it was opened
            raise _changed(self.path) from error

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Findings of the quality gate: columns record, lead, kind, reason, done."""
        try:
            return _read_table(self.path / QUALITY, QUALITY_COLUMNS)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / QUALITY} cannot be read; delete the folder.") from error

    @property
    def left_out(self) -> pd.DataFrame:
        """Records that could not be used: columns record and reason."""
        rows = self.quality[self.quality["done"] == "left out"].drop_duplicates("record")
        return rows[["record", "reason"]].reset_index(drop=True)

    def check(self) -> None:
        """Compare every byte with the manifest's checksums.

        Raises:
            DataError: a file was changed since the store was made.
        """
        for name, checksum in self.manifest.checksums.items():
            try:
                same = sha256_of(self.path / name) == checksum
            except OSError:
                same = False
            if not same:
                raise DataError(f"{self.path / name} was changed; delete the folder.")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The dataset's tasks, the main one first."""
        return tuple(Task(t.name, t.classes, t.kind) for t in self.manifest.tasks)  # type: ignore[arg-type]

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Rows of a part, labelled or not."""
        return np.flatnonzero((self.table["split"] == split).to_numpy())

    def labels(self, task: Task, split: Split) -> Labels:
        """The labelled records of a part.

        Names that are no class of `task` count for nothing: a record of a single-label task with
        such a name only is not labelled, one of a multi-label task has none of the classes.
        """
        texts = self.table[task.name].to_numpy()
        rows = np.flatnonzero((self.table["split"] == split).to_numpy() & (texts != ""))
        # Few combinations, many records: each text is read once.
        codes, combinations = pd.factorize(texts[rows])
        column = {name: i for i, name in enumerate(task.classes)}
        known = np.zeros((len(combinations), len(task.classes)), dtype=np.int8)
        for i, text in enumerate(combinations):
            known[i, [column[name] for name in text.split(LABEL_SEPARATOR) if name in column]] = 1
        targets = known[codes]
        if task.kind == "single-label":
            labelled = targets.any(axis=1)
            rows, targets = rows[labelled], targets[labelled]
        patients = self.table["patient"].to_numpy(dtype=str)[rows]
        records = pd.factorize(self.table["record"].to_numpy()[rows])[0]
        return Labels(rows=rows, targets=targets, patients=patients, records=records)


def _changed(path: Path) -> DataError:
    return DataError(f"The prepared store {path} was changed or cut; delete it.")


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table of texts.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no CSV file, or lacks one of the columns.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if not set(columns) <= set(table.columns):
        raise ValueError(f"{path.name} lacks a column")
    return table


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(content: dict[str, Any]) -> str:
    """Hash of a JSON document, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
