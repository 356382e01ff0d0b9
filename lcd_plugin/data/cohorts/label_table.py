"""What a folder of records with a CSV of labels has in common, whatever the records are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    Cohort,
    CohortIndex,
    CohortSettings,
    Split,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.splits import split_of_patient
from lcd_plugin.errors import DataError, RecordError

log = logging.getLogger(__name__)

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


class LabelTableSettings(CohortSettings):
    """Settings of a CSV of labels.

    Attributes:
        labels: the CSV file, relative to the folder.
        record_column: names of the records; what they are is the cohort's to say.
        label_column: class names, several joined by `;`; empty for a record without labels.
        patient_column: patient ids; None takes a column `patient` if there is one, and else
            every record for a patient of its own.
        split_column: `train`, `validation` or `test`; None takes a column `split` if there is
            one, and else 70 / 15 / 15 % of the patients by a hash of their id.
        kind: `auto` is single-label if no record has several classes.
    """

    labels: str = "labels.csv"
    record_column: str = "record"
    label_column: str = "label"
    patient_column: str | None = None
    split_column: str | None = None
    kind: Literal["auto", "multi-label", "single-label"] = "auto"


class LabelTable(Cohort):
    """A folder with a CSV of labels; subclasses read the records."""

    name: ClassVar[str]
    """What users call the dataset, for messages."""

    settings_class: ClassVar[type[CohortSettings]] = LabelTableSettings
    settings: LabelTableSettings

    def index(self) -> CohortIndex:
        """Records with patient, split and labels; see `Cohort.index`."""
        s = self.settings
        asked = [s.record_column, s.label_column, s.patient_column, s.split_column]
        source = read_table(self._labels, [column for column in asked if column is not None])
        records = source[s.record_column].str.strip()
        patients = _column(source, s.patient_column, "patient")
        if patients is None:
            log.warning("%s has no patient column: every record counts as a patient", self._labels)
            patients = records
        unknown = patients == ""
        if unknown.any():
            log.warning(
                "%s: %d records without a patient count as patients of their own",
                self._labels,
                unknown.sum(),
            )
            patients = patients.where(~unknown, "record " + records)
        splits = _column(source, s.split_column, "split")
        labels = [_split_labels(text) for text in source[s.label_column]]
        table = pd.DataFrame(
            {
                "record": records,
                "patient": patients,
                "split": [split_of_patient(p) for p in patients]
                if splits is None
                else [self._split(row, name) for row, name in enumerate(splits)],
                "label": [LABEL_SEPARATOR.join(names) for names in labels],
            }
        )
        # Records without any label can be pretrained on.
        return CohortIndex(table=table, tasks=(self._task(labels),) if any(labels) else ())

    def tables(self) -> tuple[Path, ...]:
        """The label file."""
        return (self._labels,)

    def inside(self, name: str) -> Path:
        """The path of a record in the folder.

        Raises:
            RecordError: it leads out of the folder: a label file is somebody's input.
        """
        path = self.folder / name
        try:
            inside = path.resolve().is_relative_to(self.folder.resolve())
        except (ValueError, OSError) as error:
            raise RecordError(f"its name is no file's ({error})") from error
        if not inside:
            raise RecordError("lies outside the dataset's folder")
        return path

    @property
    def _labels(self) -> Path:
        return self.folder / self.settings.labels

    def _split(self, row: int, name: str) -> Split:
        if name.lower() not in _SPLIT_NAMES:
            raise DataError(
                f"{self._labels}, line {row + 2}: split '{name}' is none of train, validation, "
                f"test."
            )
        return _SPLIT_NAMES[name.lower()]

    def _task(self, labels: list[list[str]]) -> Task:
        classes = tuple(sorted({name for names in labels for name in names}))
        if len(classes) < 2:
            raise DataError(
                f"{self._labels}: column '{self.settings.label_column}' has "
                f"{len(classes)} classes; a comparison needs at least two."
            )
        several = any(len(names) > 1 for names in labels)
        kind = self.settings.kind
        if kind == "auto":
            kind = "multi-label" if several else "single-label"
        if kind == "single-label" and several:
            raise DataError(
                f"{self._labels}: some records have several labels; set {self.name}.kind to "
                f"multi-label."
            )
        return Task("label", classes, kind)


def _column(source: pd.DataFrame, asked: str | None, usual: str) -> pd.Series[str] | None:
    name = asked or usual
    return source[name].str.strip() if name in source.columns else None


def _split_labels(text: str) -> list[str]:
    return sorted({name.strip() for name in text.split(LABEL_SEPARATOR) if name.strip()})
