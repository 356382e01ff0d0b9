"""What cohorts of WFDB records have in common: a record is its path without extension."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar

from lcd_plugin.data.cohort import Cohort, Recording, RecordShape
from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_files, wfdb_shape
from lcd_plugin.errors import RecordError


class WFDBRecords(Cohort):
    """A cohort whose records are WFDB files, named by their path in the cohort's folder."""

    gain: ClassVar[float | None] = None
    """ADC units a mV for all leads, where the headers are wrong about it."""

    def read(self, record: str) -> Recording:
        """Read one record; see `Cohort.read`."""
        return read_wfdb(self._stem(record), self.gain)

    def files(self, record: str) -> tuple[Path, ...]:
        """Header and signal files."""
        return wfdb_files(self._stem(record))

    def shape(self, record: str) -> RecordShape:
        """Rate, length and leads from the header."""
        return wfdb_shape(self._stem(record))

    def _stem(self, record: str) -> Path:
        # Names come from tables, and a table is somebody's input.
        path = PurePosixPath(record)
        if path.is_absolute() or ".." in path.parts or "\0" in record:
            raise RecordError("lies outside the dataset's folder")
        return self.folder / path
