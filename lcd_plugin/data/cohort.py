"""What a dataset is to the rest of the program: an index of records and a reader.

A cohort knows file layouts, labels, patients and official splits. It knows nothing of
rates, leads or normalisation that a benchmark asks for: that is the store's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LABEL_SEPARATOR = ";"


class CohortSettings(BaseModel):
    """Settings of a cohort; subclasses add their own, unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Recording:
    """One ECG as its files hold it.

    Attributes:
        signal: amplitudes in mV, shape (leads, time), float.
        rate: sampling rate in Hz.
        leads: one name per row of `signal`, in the files' own spelling.
    """

    signal: NDArray[np.float64]
    rate: float
    leads: tuple[str, ...]


@dataclass(frozen=True)
class RecordShape:
    """What a record's header says before any signal is read.

    Attributes:
        rate: sampling rate in Hz.
        samples: length of each lead.
        leads: names in the files' own spelling.
    """

    rate: float
    samples: int
    leads: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A set of classes that records of a cohort are labelled with.

    Attributes:
        name: column of the cohort's table that holds the labels.
        classes: class names in a fixed order.
        kind: `multi-label` (any number of classes a record) or `single-label` (exactly one).
    """

    name: str
    classes: tuple[str, ...]
    kind: Literal["multi-label", "single-label"]


@dataclass(frozen=True)
class CohortIndex:
    """All records of a cohort before any signal is read.

    Attributes:
        table: one row a record with the columns `record` (unique name), `patient`, `split`
            (train, validation or test) and one column a task: class names joined by `;`,
            or "" where the record has no label for the task. A cohort whose recordings others
            hold too has a column `origin`: a name that all of them give to the same recording,
            such as `ptb-xl/5`; without it a recording is known as `dataset/record`.
        tasks: the tasks, the cohort's main one first.
    """

    table: pd.DataFrame
    tasks: tuple[Task, ...]


class Cohort(ABC):
    """A dataset: where its records are, who they belong to and what they are labelled with.

    Args:
        path: folder of the records, or None for a cohort that needs none.
        settings: an instance of the class's own `settings_class`.
        rate: sampling rate in Hz that the benchmark will resample to; a cohort that is
            published at several rates picks the files that fit it.
    """

    settings_class: ClassVar[type[CohortSettings]] = CohortSettings

    def __init__(self, path: Path | None, settings: CohortSettings, rate: float) -> None:
        self.path = path
        self.settings = settings
        self.rate = rate

    @property
    def folder(self) -> Path:
        """The folder of the records, for a cohort that needs one."""
        assert self.path is not None, "the spec says that a path is needed"
        return self.path

    @abstractmethod
    def index(self) -> CohortIndex:
        """List the records.

        Raises:
            DataError: the folder, a table or a column is missing.
        """

    @abstractmethod
    def read(self, record: str) -> Recording:
        """Read one record of the index.

        Raises:
            RecordError: this record is missing, cut or unreadable.
        """

    @abstractmethod
    def files(self, record: str) -> tuple[Path, ...]:
        """Files that hold `record`, existing or not; empty for a generated record."""

    def shape(self, record: str) -> RecordShape:
        """Rate, length and leads of a record; from its header where a format has one.

        Raises:
            RecordError: this record is missing, cut or unreadable.
        """
        recording = self.read(record)
        return RecordShape(recording.rate, recording.signal.shape[1], recording.leads)

    def tables(self) -> tuple[Path, ...]:
        """Files that shape the index (labels, splits)."""
        return ()

    def sources(self, records: Iterable[str]) -> Iterator[Path]:
        """Files whose size and time tell whether anything has changed since it was prepared.

        A cohort of so many files that looking at each would take minutes names its tables only;
        `lcd-bench data verify` looks at all of them.
        """
        yield from self.tables()
        for record in records:
            try:
                yield from self.files(record)
            except RecordError:
                continue

    @property
    def shared_files(self) -> bool:
        """Whether a file holds many records, so that it is not hashed anew for each of them."""
        return False

    @property
    def physical(self) -> bool:
        """Whether amplitudes are to one scale in all leads, so that I + III = II can be checked."""
        return True
