"""Any folder of WFDB records with a CSV of labels, and patients and splits where there are any."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lcd_plugin.data.cohort import CohortSettings, Recording, RecordShape
from lcd_plugin.data.cohorts.label_table import LabelTable, LabelTableSettings
from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_files, wfdb_shape


class WFDBSettings(LabelTableSettings):
    """Settings of a WFDB folder; records are named by path without extension.

    Attributes:
        gain: ADC units a mV for all leads, for headers that are wrong about it; None believes
            the headers.
        physical: whether amplitudes are to one scale in all leads. Without it nobody checks that
            I + III = II.
    """

    gain: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    physical: bool = True


class WFDBFolder(LabelTable):
    """A folder of WFDB records and a CSV of labels."""

    name: ClassVar[str] = "wfdb"
    settings_class: ClassVar[type[CohortSettings]] = WFDBSettings
    settings: WFDBSettings

    def read(self, record: str) -> Recording:
        """Read one record by its path in the folder; see `Cohort.read`."""
        return read_wfdb(self.inside(record), self.settings.gain)

    def files(self, record: str) -> tuple[Path, ...]:
        """Header and signal files."""
        return wfdb_files(self.inside(record))

    def shape(self, record: str) -> RecordShape:
        """Rate, length and leads from the header."""
        return wfdb_shape(self.inside(record))

    @property
    def physical(self) -> bool:
        """As the settings say."""
        return self.settings.physical
