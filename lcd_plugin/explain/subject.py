"""The record that is explained: its signal, what the model is shown of it, what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.chunks import read_record
from lcd_plugin.data.cohort import LABEL_SEPARATOR
from lcd_plugin.data.content import content_hash
from lcd_plugin.data.signals import shape_recording
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.errors import ConfigError, DataError, RecordError, suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Cohort, Recording, Task
    from lcd_plugin.data.settings import DataSettings
    from lcd_plugin.data.store import Store
    from lcd_plugin.explain.model_file import FineTuned


@dataclass(frozen=True)
class Subject:
    """A record to be explained.

    Attributes:
        name: as the user or the dataset calls it.
        recording: in mV at its own rate.
        physical: whether all leads are to one scale.
        labels: classes of the task that it has; None where nobody knows.
    """

    name: str
    recording: Recording
    physical: bool = True
    labels: tuple[str, ...] | None = None

    def shown(self, data: DataSettings) -> NDArray[np.float32]:
        """The record as a model under these settings is shown it, shape (leads, samples).

        Raises:
            DataError: it cannot be brought to them.
        """
        try:
            shaped = shape_recording(self.recording, middle_of(data), physical=self.physical)
        except RecordError as error:
            raise DataError(f"{self.name}: {error}.") from error
        if not len(shaped.windows):
            reasons = "; ".join(f.reason for f, done in shaped.findings if done == "left out")
            raise DataError(f"{self.name} cannot be used: {reasons}.")
        found: NDArray[np.float32] = shaped.windows[0].astype(np.float32)
        return found

    def part(self, fine_tuned: FineTuned) -> str:
        """`train` or `validation` if the model was trained or chosen on it, else ""."""
        known = content_hash(self.recording)
        return next((part for part, seen in fine_tuned.seen.items() if known in seen), "")


def middle_of(data: DataSettings) -> DataSettings:
    """The same settings for a single window: a longer record is explained in its middle."""
    return data.model_copy(update={"longer": "middle"})


def subject_of_file(path: str, store: Store | None = None, task: Task | None = None) -> Subject:
    """A WFDB record by its path, with its labels where a dataset holds the same recording.

    Raises:
        DataError: it cannot be read.
    """
    try:
        recording = read_wfdb(Path(path.removesuffix(".hea")))
    except RecordError as error:
        raise DataError(f"{path}: {error}.") from error
    labels = None
    if store is not None and task is not None:
        rows = np.flatnonzero((store.table["content"] == content_hash(recording)).to_numpy())
        labels = _labels(store, task, rows)
    return Subject(path, recording, labels=labels)


def is_file(record: str) -> bool:
    """Whether a name is that of a WFDB record on disk."""
    return Path(f"{record.removesuffix('.hea')}.hea").is_file()


def subject_of_dataset(
    record: str | None, cohort: Cohort, store: Store, task: Task, wanted: str | None
) -> Subject:
    """A record of a dataset, with its labels.

    Args:
        record: its name; None is the first test record that has the class.
        cohort: reads the dataset.
        store: the dataset, prepared.
        task: whose labels are told.
        wanted: the class; None is any.

    Raises:
        ConfigError: no record has that name.
        DataError: no test record has the class, or the record cannot be read.
    """
    if record is None:
        [record] = test_records(store, task, wanted, 1)
    rows = np.flatnonzero((store.table["record"] == record).to_numpy())
    if not len(rows):
        near = suggest(record, store.table["record"].tolist()).replace("; known are", ";")
        raise ConfigError(
            f"'{record}' is neither a WFDB record nor a record of {store.manifest.dataset}"
            f"{near if 'did you mean' in near else '.'}"
        )
    try:
        recording = read_record(cohort, record)
    except RecordError as error:
        raise DataError(f"{record}: {error}.") from error
    return Subject(record, recording, cohort.physical, _labels(store, task, rows))


def _labels(store: Store, task: Task, rows: NDArray[np.int64]) -> tuple[str, ...] | None:
    """Classes of a record by its rows; None if it has no labels for the task."""
    text = str(store.table[task.name].iloc[rows[0]]) if len(rows) else ""
    names = tuple(name for name in text.split(LABEL_SEPARATOR) if name in task.classes)
    return names if text else None


def test_records(store: Store, task: Task, wanted: str | None, count: int) -> list[str]:
    """The first test records that are labelled, or that have a class, in the dataset's order.

    Raises:
        DataError: there is none.
    """
    labels = store.labels(task, "test")
    column = None if wanted is None else task.classes.index(wanted)
    has = np.ones(len(labels.rows), dtype=bool)
    if column is not None:
        has = labels.targets[:, column] == 1
    names = store.table["record"].iloc[labels.rows[has]].drop_duplicates().tolist()
    if not names:
        what = "labelled record" if wanted is None else f"record with class '{wanted}'"
        raise DataError(f"The test part has no {what}; name a RECORD.")
    return names[:count]
