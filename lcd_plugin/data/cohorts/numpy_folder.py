"""NumPy arrays of records with a CSV of labels: one array for all, or a file for each record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from lcd_plugin.data.cohort import CohortIndex, CohortSettings, Recording, RecordShape
from lcd_plugin.data.cohorts.label_table import LabelTable, LabelTableSettings
from lcd_plugin.data.leads import canonical_lead
from lcd_plugin.errors import DataError, RecordError
from lcd_plugin.files import open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}
_USUAL = "signals.npy"
_ENDINGS = (".npy", ".npz")
MOST_OF_RECORD = 2**32  # bytes of an array that is unpacked


class NumpySettings(LabelTableSettings):
    """Settings of a folder of NumPy arrays; `rate` and `leads` have to be given.

    Attributes:
        rate: sampling rate in Hz.
        leads: one name per lead, in the order of the arrays.
        signals: a `.npy` file with all records, relative to the folder; the CSV then names
            records by row number from 0. None takes `signals.npy` if there is one, and else a
            `.npy` or `.npz` file for each record, named by path with or without its ending.
        unit: unit of the numbers.
        order: the last two axes of `signals`, or the two of a record's file.
    """

    rate: float = Field(gt=0, allow_inf_nan=False)
    leads: tuple[str, ...] = Field(min_length=1)
    signals: str | None = None
    unit: Literal["mV", "uV", "V"] = "mV"
    order: Literal["leads-time", "time-leads"] = "leads-time"

    @field_validator("leads")
    @classmethod
    def _different_leads(cls, leads: tuple[str, ...]) -> tuple[str, ...]:
        if len({canonical_lead(lead) for lead in leads}) != len(leads):
            raise ValueError(f"leads must have different names, got {list(leads)}")
        return leads


class NumpyFolder(LabelTable):
    """A folder of NumPy arrays and a CSV of labels.

    Arrays are opened for each record and never kept: the cohort stays small enough to be sent to
    worker processes, and memory maps open in microseconds.
    """

    name: ClassVar[str] = "numpy"
    settings_class: ClassVar[type[CohortSettings]] = NumpySettings
    settings: NumpySettings

    def index(self) -> CohortIndex:
        """Records with patient, split and labels; see `Cohort.index`."""
        if self._array is not None:
            try:
                self._checked(_open(self._array), axes=3, place=self._array.name)
            except RecordError as error:
                raise DataError(f"{self._array} cannot be used: {error}.") from error
        return super().index()

    def read(self, record: str) -> Recording:
        """Read one record by row number or file; see `Cohort.read`."""
        values = self._leads_time(record).astype(np.float64)
        values *= _MILLIVOLTS[self.settings.unit]
        return Recording(signal=values, rate=self.settings.rate, leads=self.settings.leads)

    def files(self, record: str) -> tuple[Path, ...]:
        """The array of all records, or the record's own file."""
        return (self._array or self._file(record),)

    @property
    def shared_files(self) -> bool:
        """Whether one array holds all records."""
        return self._array is not None

    def sources(self, records: Iterable[str]) -> Iterator[Path]:
        """The label file and each array once; see `Cohort.sources`."""
        if self._array is None:
            yield from super().sources(records)
        else:
            yield from (*self.tables(), self._array)

    def shape(self, record: str) -> RecordShape:
        """Rate, length and leads; the samples stay where they are."""
        samples = self._leads_time(record).shape[1]
        return RecordShape(self.settings.rate, samples, self.settings.leads)

    @property
    def _array(self) -> Path | None:
        """The file with all records, existing or not; None if each has a file of its own."""
        if self.settings.signals is not None:
            return self.folder / self.settings.signals
        usual = self.folder / _USUAL
        return usual if usual.is_file() else None

    def _file(self, record: str) -> Path:
        path = self.inside(record)
        if path.suffix in _ENDINGS:
            return path
        both = [path.with_name(path.name + ending) for ending in _ENDINGS]
        return next((file for file in both if file.is_file()), both[0])

    def _leads_time(self, record: str) -> NDArray[Any]:
        """A record as its file has it, shape (leads, time)."""
        if self._array is None:
            file = self._file(record)
            values = self._checked(_open(file), axes=2, place=file.name)
        else:
            array = self._checked(_open(self._array), axes=3, place=self._array.name)
            values = array[_row(record, len(array))]
        return values if self.settings.order == "leads-time" else values.T

    def _checked(self, values: NDArray[Any], axes: int, place: str) -> NDArray[Any]:
        if values.dtype.kind not in "fiu":
            raise RecordError(f"{place} holds {values.dtype} values, not real numbers")
        names = ["leads", "time"] if self.settings.order == "leads-time" else ["time", "leads"]
        expected = ", ".join(["records", *names] if axes == 3 else names)
        if values.ndim != axes:
            raise RecordError(f"{place} has shape {values.shape}, not ({expected})")
        leads = values.shape[axes - 2 + names.index("leads")]
        if leads != len(self.settings.leads):
            raise RecordError(
                f"{place} has shape {values.shape}, which is {leads} leads as ({expected}), where "
                f"numpy.leads names {len(self.settings.leads)}"
            )
        if 0 in values.shape:
            raise RecordError(f"{place} holds no samples", kind="empty")
        return values


def _row(record: str, rows: int) -> int:
    # "01" and "1" would be one row under two names.
    if not (record.isascii() and record.isdigit()) or str(int(record)) != record:
        raise RecordError(f"'{record}' is not a row number; rows are counted from 0")
    if int(record) >= rows:
        raise RecordError(f"there is no row {record}: the array has {rows}")
    return int(record)


def _open(path: Path) -> NDArray[Any]:
    """The array of a file: memory-mapped if it is `.npy`, never unpickled."""
    try:
        open_file(path).close()
        if path.suffix != ".npz":
            return np.lib.format.open_memmap(path, mode="r")
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive)
            if len(names) != 1:
                raise RecordError(f"{path.name} holds {len(names)} arrays; it has to hold one")
            size = archive.zip.infolist()[0].file_size
            if size > MOST_OF_RECORD:
                raise RecordError(f"{path.name} unpacks to {size:,} bytes, which is too much")
            values: NDArray[Any] = archive[names[0]]
            return values
    except FileNotFoundError:
        raise RecordError(f"no file {path.name}") from None
    except RecordError:
        raise
    except Exception as error:  # numpy raises whatever its parser trips over
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise RecordError(f"{path.name} is not readable as a NumPy array ({text})") from error
