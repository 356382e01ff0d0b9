"""CODE-15%, 345,779 exams of 233,770 patients of primary care in Minas Gerais (Zenodo 4916206).

Amplitudes. The release states no unit. The authors' README of the models says "at the scale
1e-4V", then "if the signal is in V it should be multiplied by 1000", which is mV; asked, they say
millivolts, and the PhysioNet Challenge of 2025 converts the exams as mV. So they are read, with
some doubt: two comparisons with other cohorts found them 1.6 to 2 times as large as theirs. The
setting `scale` is for whoever knows better; normalising records or leads makes it irrelevant.

Length. Every tracing is 4,096 samples at 400 Hz, filled up with zeros on both sides. Without them
about 132,000 exams have 10 s or more and most of the others 7.3 s: ask for `seconds = 7` to use
nearly all, or for `shorter = "pad"`.

Labels. The six abnormalities are those of the release, and `normal` is its `normal_ecg`. Half of
the exams have neither: they show something that these classes do not name, so they count as
unlabelled rather than as negative.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    Cohort,
    CohortIndex,
    CohortSettings,
    Recording,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.leads import STANDARD_LEADS
from lcd_plugin.data.splits import split_of_patient
from lcd_plugin.errors import DataError, RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

RATE = 400.0
# Exams of a part, and numbers of an exam; real parts have some 20,000 of 49,152.
MOST_EXAMS, MOST_VALUES = 10**7, 10**8
# Class to column of exams.csv.
_CLASSES = {
    "1dAVb": "1dAVb",
    "RBBB": "RBBB",
    "LBBB": "LBBB",
    "SB": "SB",
    "ST": "ST",
    "AF": "AF",
    "normal": "normal_ecg",
}
_TRUE = ("true", "1", "1.0")


class CODE15Settings(CohortSettings):
    """Settings of CODE-15%.

    Attributes:
        scale: mV a stored unit; the sources disagree, see the head of this file.
    """

    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class CODE15(Cohort):
    """CODE-15%: exams.csv, and those of exams_part0.hdf5 to exams_part17.hdf5 that are there.

    Records are `exams_part0/<exam_id>`. Parts are opened for each exam, which takes a fraction of
    a millisecond: an open HDF5 file can neither be sent to a worker process nor survive its fork.
    """

    settings_class: ClassVar[type[CohortSettings]] = CODE15Settings
    settings: CODE15Settings

    def __init__(self, path: Path | None, settings: CohortSettings, rate: float) -> None:
        super().__init__(path, settings, rate)
        # Part to row of each exam: the table is in another order than the parts.
        self._rows: dict[str, dict[int, int]] = {}

    def index(self) -> CohortIndex:
        """Exams of the parts that are there, split by a hash of the patient; see `Cohort.index`."""
        _h5py()  # before anything else: nothing can be read without it
        columns = ["exam_id", "patient_id", "trace_file", *_CLASSES.values()]
        exams = self._there(read_table(self.folder / "exams.csv", columns))
        flags = {
            name: exams[column].str.strip().str.lower().isin(_TRUE)
            for name, column in _CLASSES.items()
        }
        patients = exams["patient_id"]
        parts = {patient: split_of_patient(patient) for patient in patients.unique()}
        table = pd.DataFrame(
            {
                "record": exams["trace_file"].str.removesuffix(".hdf5") + "/" + exams["exam_id"],
                "patient": patients,
                "split": patients.map(parts),
                "diagnosis": _joined(pd.DataFrame(flags)),
            }
        )
        return CohortIndex(table, (Task("diagnosis", tuple(_CLASSES), "multi-label"),))

    def read(self, record: str) -> Recording:
        """Read one exam without the zeros around it; see `Cohort.read`."""
        (path,) = self.files(record)
        tracing = self._tracing(path, record.rpartition("/")[2])
        if tracing.ndim != 2 or tracing.shape[1] != len(STANDARD_LEADS):
            raise RecordError(f"{path.name} has tracings of shape {tracing.shape}, not (time, 12)")
        filled = np.flatnonzero((tracing != 0).any(axis=1))
        if not len(filled):
            raise RecordError("holds only zeros", kind="empty")
        signal = tracing[filled[0] : filled[-1] + 1].T.astype(np.float64) * self.settings.scale
        return Recording(signal=signal, rate=RATE, leads=STANDARD_LEADS)

    def files(self, record: str) -> tuple[Path, ...]:
        """The part that holds an exam."""
        part = record.rpartition("/")[0]
        return (self.folder / f"{Path(part).name}.hdf5",)

    @property
    def shared_files(self) -> bool:
        """A part holds 20,000 exams and more."""
        return True

    def tables(self) -> tuple[Path, ...]:
        """The table that labels, patients and parts come from."""
        return (self.folder / "exams.csv",)

    def sources(self, records: Iterable[str]) -> Iterator[Path]:
        """The table and each part once; see `Cohort.sources`."""
        yield from self.tables()
        yield from dict.fromkeys(path for record in records for path in self.files(record))

    def _there(self, exams: pd.DataFrame) -> pd.DataFrame:
        names = exams["trace_file"].unique()
        missing = [name for name in names if not (self.folder / Path(name).name).is_file()]
        if len(missing) == len(names):
            raise DataError(
                f"{self.folder} has none of the parts that exams.csv names, such as "
                f"exams_part0.hdf5; unpack the archives of the release there."
            )
        kept = exams[~exams["trace_file"].isin(missing)].reset_index(drop=True)
        if missing:
            log.warning(
                "CODE-15%%: %d exams are left out, as their parts are not in %s: %s",
                len(exams) - len(kept),
                self.folder,
                ", ".join(sorted(missing)),
            )
        return kept

    def _tracing(self, path: Path, exam: str) -> NDArray[np.float32]:
        """An exam as stored, shape (time, leads)."""
        if not path.is_file():
            raise RecordError(f"no file {path.name}")
        h5py = _h5py()
        try:
            with h5py.File(path, "r") as part:
                # An HDF5 file may claim any shape without having a single number of it.
                if part["exam_id"].size > MOST_EXAMS or part["tracings"].ndim != 3:
                    raise ValueError("its arrays have other shapes than those of a part")
                if math.prod(part["tracings"].shape[1:]) > MOST_VALUES:
                    raise ValueError(f"its tracings are of shape {part['tracings'].shape}")
                if path.name not in self._rows:
                    ids = part["exam_id"][:].tolist()
                    self._rows[path.name] = {number: row for row, number in enumerate(ids)}
                row = self._rows[path.name].get(int(exam))
                tracing = None if row is None else np.asarray(part["tracings"][row])
        except Exception as error:  # h5py raises whatever the library under it trips over
            text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise RecordError(f"{path.name} is not readable as CODE-15% HDF5 ({text})") from error
        if tracing is None:
            raise RecordError(f"{path.name} has no exam {exam}")
        return tracing


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            'CODE-15% is in HDF5, which needs h5py: pip install "lcd-plugin[code15]".'
        ) from error
    return h5py


def _joined(flags: pd.DataFrame) -> NDArray[np.object_]:
    """Class names joined by the label separator, shape (records,); few combinations, many rows."""
    combinations, which = np.unique(flags.to_numpy(dtype=bool), axis=0, return_inverse=True)
    names = np.array(flags.columns, dtype=object)
    joined = [LABEL_SEPARATOR.join(names[row]) for row in combinations]
    return np.array(joined, dtype=object)[which.ravel()]
