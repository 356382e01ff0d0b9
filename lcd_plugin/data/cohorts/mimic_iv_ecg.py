"""MIMIC-IV-ECG 1.0: 800,035 ten-second ECGs of 161,352 patients (Gow et al., PhysioNet 2023).

Labels are rhythms as the electrocardiograph stated them, in up to 18 lines of text a record: a
machine's reading, not a cardiologist's. The carts are of three makers, who write the same
statement in upper or lower case, with or without a full stop.

Everything here is made for 800,000 records: tables are read by column, distinct statements are
looked at once, and no file but the tables is looked at before it is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    CohortIndex,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.cohorts.wfdb_records import WFDBRecords
from lcd_plugin.data.splits import split_of_patient
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

# A class and what a statement says of it, in lower case. Several may hold for a record.
_RHYTHMS = {
    "sinus rhythm": r"(?<!coronary )sinus rhythm",
    "sinus bradycardia": r"sinus bradycardia",
    "sinus tachycardia": r"sinus tachycardia",
    "sinus arrhythmia": r"sinus arrhythmia",
    "atrial fibrillation": r"atrial fibrillation|\ba-?fib\b",
    "atrial flutter": r"atrial flutter|\ba-?flutter\b",
    "paced rhythm": r"\bpac(?:ed|ing)\b|(?<!wandering atrial )(?<!junctional )pacemaker",
}
# What follows one of these words is a guess and does not count: "Probable atrial fibrillation",
# "Sinus bradycardia - consider sinus rhythm with 2:1 S-A block".
_DOUBT = re.compile(r"\b(?:possibl|probabl|consider|suggest|cannot|questionable)")
# "Atrial flutter/fibrillation": the machine does not decide, so neither counts.
_EITHER = re.compile(
    r"(?:atrial |\ba-?)?fib\w*(?: or | ?/ ?)(?:atrial |a-?)?flut\w*"
    r"|(?:atrial |\ba-?)?flut\w*(?: or | ?/ ?)(?:atrial |a-?)?fib\w*"
)
_REPORTS = [f"report_{i}" for i in range(18)]


class MIMICIVECG(WFDBRecords):
    """MIMIC-IV-ECG, or some of its folders `files/p1000` to `files/p1999`, with its tables."""

    def index(self) -> CohortIndex:
        """Records with patient, rhythms and a split by a hash of the patient.

        Groups of patients (`files/p1000`) of which nothing is there are left out; without
        `machine_measurements.csv` no record has a label. Both are said in a warning.
        """
        path = self.folder / "record_list.csv"
        records = _columns(path, ["subject_id", "study_id", "path"])
        empty = (records == "").any(axis=1)
        if empty.any():
            raise DataError(
                f"{path} is cut or was changed: record {np.flatnonzero(empty)[0] + 1} lacks its "
                f"patient, study or path; download it again."
            )
        records = self._there(records)
        patients = records["subject_id"]
        parts = {patient: split_of_patient(patient) for patient in patients.unique()}
        table = pd.DataFrame(
            {
                "record": records["path"],
                "patient": patients,
                "split": patients.map(parts),
                "rhythm": self._rhythms(records["study_id"]),
            }
        )
        return CohortIndex(table, (Task("rhythm", tuple(_RHYTHMS), "multi-label"),))

    def tables(self) -> tuple[Path, ...]:
        """The record list, and the machine's reports where they are."""
        reports = self.folder / "machine_measurements.csv"
        return (self.folder / "record_list.csv", *([reports] if reports.is_file() else []))

    def sources(self, records: Iterable[str]) -> Iterator[Path]:
        """The tables only: 1.6 million files take minutes to look at."""
        yield from self.tables()

    def _there(self, records: pd.DataFrame) -> pd.DataFrame:
        """Records whose group of patients has a folder: one look for a thousand groups."""
        folder = self.folder / "files"
        groups = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        group = records["path"].str.split("/", n=2).str[1]
        there = group.isin(groups)
        if not there.any():
            raise DataError(
                f"{folder} has none of the groups of record_list.csv, such as "
                f"{group.iloc[0] if len(group) else 'p1000'}; is that the right folder?"
            )
        if not there.all():
            log.warning(
                "MIMIC-IV-ECG: %d of %d groups (files/p1000 and so on) are not in %s; their %d "
                "records are left out",
                group[~there].nunique(),
                group.nunique(),
                folder,
                int((~there).sum()),
            )
        return records[there].reset_index(drop=True)

    def _rhythms(self, studies: pd.Series[str]) -> NDArray[np.object_]:
        """Class names of each study, joined; "" where none is stated."""
        path = self.folder / "machine_measurements.csv"
        if not path.is_file():
            log.warning("%s is not there: no record of MIMIC-IV-ECG has a label", path)
            return np.full(len(studies), "", dtype=object)
        reports = _columns(path, ["study_id", *_REPORTS], categories=_REPORTS)
        measured = pd.Index(reports["study_id"])
        if measured.has_duplicates:
            twice = measured[measured.duplicated()][0]
            raise DataError(f"{path} names study {twice} more than once; download it again.")
        rows = measured.get_indexer(pd.Index(studies))
        if (rows < 0).any():
            log.warning("%s lacks %d studies: they have no label", path, int((rows < 0).sum()))
        # One row more for studies that are not there: -1 is the last.
        masks = np.append(_masks(reports[_REPORTS]), 0)[rows]
        present, which = np.unique(masks, return_inverse=True)
        return np.array([_joined(mask) for mask in present], dtype=object)[which]


def _columns(path: Path, columns: list[str], categories: Iterable[str] = ()) -> pd.DataFrame:
    """Some columns of a large CSV file as text; `categories` keep each distinct value once."""
    types = dict.fromkeys(columns, "str") | dict.fromkeys(categories, "category")
    try:
        table = pd.read_csv(path, usecols=columns, dtype=types, encoding_errors="replace")
    except (OSError, ValueError):
        # Reading it whole is slow, and says in a sentence what is wrong.
        table = read_table(path, columns)[columns].astype(types)
    plain = [column for column in columns if types[column] == "str"]
    return table.fillna(dict.fromkeys(plain, ""))


def _masks(reports: pd.DataFrame) -> NDArray[np.int64]:
    """Rhythms of each record as bits, in the order of `_RHYTHMS`."""
    masks = np.zeros(len(reports), dtype=np.int64)
    for name in reports:
        # The code of a line that is not there is -1: the last.
        of_statement = [_mask(text) for text in reports[name].cat.categories]
        masks |= np.array([*of_statement, 0], dtype=np.int64)[reports[name].cat.codes]
    return masks


def _mask(statement: str) -> int:
    return sum(1 << bit for bit, name in enumerate(_RHYTHMS) if name in stated_rhythms(statement))


def stated_rhythms(statement: str) -> list[str]:
    """The rhythms that a line of a machine's report states without doubt."""
    text = _EITHER.sub(" ", " ".join(statement.lower().split()))
    text = _DOUBT.split(text, maxsplit=1)[0]
    return [name for name, pattern in _RHYTHMS.items() if re.search(pattern, text)]


def _joined(mask: int) -> str:
    return LABEL_SEPARATOR.join(name for bit, name in enumerate(_RHYTHMS) if mask >> bit & 1)
