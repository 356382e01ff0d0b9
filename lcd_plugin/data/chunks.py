"""A chunk of records, read and shaped: the work that a preparing process does."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.counted import counted
from lcd_plugin.data.cohort import Cohort, CohortSettings, Recording
from lcd_plugin.data.content import content_hash
from lcd_plugin.data.quality import Finding
from lcd_plugin.data.signals import Shaped, shape_recording
from lcd_plugin.errors import RecordError
from lcd_plugin.files import read_limited

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.data.settings import DataSettings

# Enough for a worker to be busy for a tenth of a second, few enough to be kept in memory.
CHUNK_RECORDS = 64
# Bytes of a file of a record that are read; those of a week have fewer.
MOST_OF_SOURCE = 2**33

Listed = tuple[Finding, str]

# What somebody's reader, or a number in a damaged file, may raise: that record's affair only.
TRIPS = (OSError, ValueError, ArithmeticError, LookupError, MemoryError)


@dataclass(frozen=True)
class CohortRecipe:
    """How another process makes a cohort again; cheap to send, unlike what a cohort has read.

    Two recipes are equal if they are copies of one: files may change from one to the next.
    """

    cohort_class: type[Cohort] = field(compare=False)
    path: Path | None = field(compare=False)
    settings: CohortSettings = field(compare=False)
    rate: float = field(compare=False)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, cohort: Cohort) -> CohortRecipe:
        """The recipe of a cohort."""
        return cls(type(cohort), cohort.path, cohort.settings, cohort.rate)


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record.

    Attributes:
        record: its name.
        windows: rows that it has in the chunk's signals, by number of the window.
        content: hash of its samples, or "" if they could not be read.
        digest: hash of its files' bytes, or of its samples where many records share a file.
        findings: what is wrong with it, and what was done.
    """

    record: str
    windows: tuple[int, ...]
    content: str
    digest: str
    findings: tuple[Listed, ...]


@dataclass(frozen=True)
class Chunk:
    """Consecutive records, shaped: `signals` has shape (rows, leads, samples)."""

    signals: NDArray[np.float16]
    results: tuple[RecordResult, ...]


def shape_chunk(
    recipe: CohortRecipe,
    records: tuple[str, ...],
    settings: DataSettings,
    sums: dict[str, bytes] | None,
) -> Chunk:
    """Read and shape records; what cannot be used is said, nothing is raised.

    Args:
        recipe: of the cohort.
        records: names of the index.
        settings: what to bring them to.
        sums: SHA-256 of the release by path of the file; None if it has none.
    """
    cohort = make_cohort(recipe)
    signals, results = [], []
    for record in records:
        shaped, result = _shape_record(cohort, record, settings, sums)
        results.append(result)
        if shaped is not None:
            signals.append(shaped.windows)
    empty = np.empty((0, len(settings.leads), settings.samples), dtype=np.float16)
    return Chunk(np.concatenate([empty, *signals]), tuple(results))


@lru_cache(maxsize=1)
def make_cohort(recipe: CohortRecipe) -> Cohort:
    """The cohort of a recipe, made once for all chunks that a process gets."""
    return recipe.cohort_class(recipe.path, recipe.settings, recipe.rate)


def _shape_record(
    cohort: Cohort, record: str, settings: DataSettings, sums: dict[str, bytes] | None
) -> tuple[Shaped | None, RecordResult]:
    digest, content = "", ""
    try:
        digest = source_digest(cohort, record, sums)
        recording = read_record(cohort, record)
        content = content_hash(recording)
        digest = digest or content
        shaped = shape_recording(recording, settings, physical=cohort.physical)
    except RecordError as error:
        return None, _unusable(record, digest, content, Finding(error.kind, error.lead, str(error)))
    except TRIPS as error:
        reason = f"cannot be brought to its shape ({type(error).__name__}: {str(error)[:200]})"
        return None, _unusable(record, digest, content, Finding("unreadable", "", reason))
    findings = shaped.findings
    if shaped.numbers:
        findings = tuple((f, "window left out" if d == "left out" else d) for f, d in findings)
    return shaped, RecordResult(record, shaped.numbers, content, digest, findings)


def _unusable(record: str, digest: str, content: str, finding: Finding) -> RecordResult:
    return RecordResult(record, (), content, digest, ((finding, "left out"),))


def read_record(cohort: Cohort, record: str) -> Recording:
    """Read a record; a reader that trips over a file concerns this record only.

    Raises:
        RecordError: whatever the reader raised, or the signal is not of shape (leads, time).
    """
    try:
        recording = cohort.read(record)
        shape = np.shape(recording.signal)
    except TRIPS as error:
        raise RecordError(f"not readable ({type(error).__name__}: {str(error)[:200]})") from error
    if len(shape) != 2:
        raise RecordError(f"its signal has the shape {shape}; make it (leads, time)")
    if shape[0] != len(recording.leads):
        raise RecordError(
            f"its signal has {counted(shape[0], 'row')} for "
            f"{counted(len(recording.leads), 'lead')}; make it (leads, time)"
        )
    return recording


def source_digest(cohort: Cohort, record: str, sums: dict[str, bytes] | None) -> str:
    """Hash of a record's files, compared with the release's own; "" where it shares them.

    Raises:
        RecordError: a file cannot be read or is not the release's.
    """
    if cohort.shared_files:
        return ""
    whole = hashlib.sha256()
    for path in cohort.files(record):
        try:
            content = hashlib.sha256(read_limited(path, MOST_OF_SOURCE))
        except OSError:
            # Reading the record says what is missing.
            continue
        expected = sums.get(str(path)) if sums else None
        if expected is not None and expected != content.digest():
            raise RecordError(
                f"{path.name} is not the release's: its SHA-256 differs from SHA256SUMS.txt",
                kind="checksum",
            )
        whole.update(content.digest())
    return whole.hexdigest()
