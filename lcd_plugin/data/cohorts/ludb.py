"""LUDB 1.0.1, 200 records of Nizhny Novgorod City Hospital No. 5 (Kalyakulina et al., 2020).

Amplitudes. The release states no scale, and the headers' gains are none: they differ from lead to
lead so that every lead spans exactly 1 "mV". Raw ADC units are to one scale: II = I + III holds in
them to the unit in all 200 records, and in the headers' millivolts in none. One unit is taken for
1 uV: the median peak-to-peak of V1-V6 is then 2.0 mV, where that of PTB-XL is 1.8 mV.

Labels are columns of `ludb.csv`, whose cells hold one statement a line. Statements are merged so
that every class has records in each part; what is left over (extrasystoles 14, pacing 10, early
repolarisation 9, the electric axis) is not a class.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    CohortIndex,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.cohorts.wfdb_records import WFDBRecords
from lcd_plugin.data.splits import split_of_patient

ADC_UNITS_A_MILLIVOLT = 1000.0

NORMAL = "normal"
# Task `diagnosis`: class, column, and the word that a statement in it has; "" is any statement.
_DIAGNOSES = (
    ("ventricular hypertrophy", "Hypertrophies", "ventricular"),  # or overload
    ("atrial enlargement", "Hypertrophies", "atrial"),  # hypertrophy or overload
    ("conduction disturbance", "Conduction abnormalities", ""),  # bundle, fascicle, AV and SA
    ("ischaemia or scar", "Ischemia", ""),  # STEMI, ischaemia, scar, undefined of these
    ("repolarisation abnormality", "Non-specific repolarization abnormalities", ""),
)
# `normal` is a sinus rhythm, at whatever rate, with no statement in any of these columns.
_FINDINGS = (
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
)
# Task `rhythm`: statements that are no rhythm ("Aberrant conduction") are passed over; a record
# with rhythms of two classes has no label.
_RHYTHMS = {
    "Sinus rhythm": "sinus rhythm",
    "Sinus bradycardia": "sinus bradycardia",
    "Atrial fibrillation": "atrial fibrillation or flutter",
    "Atrial flutter, typical": "atrial fibrillation or flutter",
    "Sinus arrhythmia": "other rhythm",
    "Irregular sinus rhythm": "other rhythm",
    "Sinus tachycardia": "other rhythm",
    "Wandering atrial pacemaker": "other rhythm",
}


class LUDB(WFDBRecords):
    """LUDB in its own layout; records are `data/1` to `data/200`, one a patient."""

    gain = ADC_UNITS_A_MILLIVOLT

    def index(self) -> CohortIndex:
        """Records with labels, split by a hash of their name; see `Cohort.index`."""
        columns = ["ID", "Rhythms", *_FINDINGS]
        source = read_table(self.folder / "ludb.csv", columns)
        cells = {column: source[column].map(_statements) for column in columns[1:]}
        records = "data/" + source["ID"].str.strip()
        diagnoses = tuple(name for name, _, _ in _DIAGNOSES)
        table = pd.DataFrame(
            {
                "record": records,
                "patient": records,
                "split": records.map(split_of_patient),
                "diagnosis": [
                    LABEL_SEPARATOR.join(_diagnoses({c: cells[c][row] for c in cells}))
                    for row in source.index
                ],
                "rhythm": cells["Rhythms"].map(_rhythm),
            }
        )
        return CohortIndex(
            table=table,
            tasks=(
                Task("diagnosis", (NORMAL, *diagnoses), "multi-label"),
                Task("rhythm", tuple(dict.fromkeys(_RHYTHMS.values())), "single-label"),
            ),
        )

    def tables(self) -> tuple[Path, ...]:
        """The table that the labels come from."""
        return (self.folder / "ludb.csv",)


def _statements(cell: str) -> list[str]:
    return [line.strip() for line in cell.splitlines() if line.strip()]


def _diagnoses(cells: dict[str, list[str]]) -> list[str]:
    found = [
        name
        for name, column, word in _DIAGNOSES
        if any(word in statement for statement in cells[column])
    ]
    rhythms = cells["Rhythms"]
    sinus = bool(rhythms) and all("sinus" in statement.lower() for statement in rhythms)
    if sinus and not any(cells[column] for column in _FINDINGS):
        return [NORMAL]
    return found


def _rhythm(statements: list[str]) -> str:
    classes = {_RHYTHMS[statement] for statement in statements if statement in _RHYTHMS}
    return classes.pop() if len(classes) == 1 else ""
