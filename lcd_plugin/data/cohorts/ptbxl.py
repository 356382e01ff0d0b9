"""PTB-XL as PhysioNet publishes it (Wagner et al., Scientific Data 7 (2020) 154).

Labels are the five diagnostic superclasses: every code of `scp_codes` that
`scp_statements.csv` calls diagnostic counts, whatever its likelihood, as in the benchmark of
Strodthoff et al. (2021). Folds 1-8 are for training, 9 for validation, 10 for the test.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    Cohort,
    CohortIndex,
    Recording,
    Split,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_files
from lcd_plugin.errors import DataError

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
VALIDATION_FOLD, TEST_FOLD = 9, 10


class PTBXL(Cohort):
    """PTB-XL, or a part of it in the same layout."""

    def index(self) -> CohortIndex:
        """Records with patient, fold and superclasses; see `Cohort.index`."""
        database = read_table(
            self._folder / "ptbxl_database.csv",
            ["ecg_id", "patient_id", "scp_codes", "strat_fold", self._file_column],
        )
        superclass = self._superclass_of_code()
        labels = [
            _superclasses(ecg, codes, superclass)
            for ecg, codes in zip(database["ecg_id"], database["scp_codes"], strict=True)
        ]
        table = pd.DataFrame(
            {
                "record": database[self._file_column],
                "patient": database["patient_id"].str.replace(r"\.0$", "", regex=True),
                "split": [_split(fold) for fold in database["strat_fold"]],
                "superclass": [LABEL_SEPARATOR.join(names) for names in labels],
                # The paper's way: only records that have exactly one superclass.
                "superclass-single": [names[0] if len(names) == 1 else "" for names in labels],
            }
        )
        return CohortIndex(
            table=table,
            tasks=(
                Task("superclass", SUPERCLASSES, "multi-label"),
                Task("superclass-single", SUPERCLASSES, "single-label"),
            ),
        )

    def read(self, record: str) -> Recording:
        """Read one record by its file name in the database; see `Cohort.read`."""
        return read_wfdb(self._folder / record)

    def files(self, record: str) -> tuple[Path, ...]:
        """Header and signal file."""
        return wfdb_files(self._folder / record)

    def tables(self) -> tuple[Path, ...]:
        """The two tables that the labels come from."""
        return (self._folder / "ptbxl_database.csv", self._folder / "scp_statements.csv")

    @property
    def _folder(self) -> Path:
        assert self.path is not None, "the spec says that a path is needed"
        return self.path

    @property
    def _file_column(self) -> str:
        """Published at 100 and at 500 Hz: the slower one serves every rate that it can."""
        return "filename_lr" if self.rate <= 100 else "filename_hr"

    def _superclass_of_code(self) -> dict[str, str]:
        path = self._folder / "scp_statements.csv"
        statements = read_table(path, ["diagnostic", "diagnostic_class"])
        diagnostic = statements[statements["diagnostic"].isin(["1", "1.0"])]
        codes = diagnostic.iloc[:, 0]
        return dict(zip(codes, diagnostic["diagnostic_class"], strict=True))


def _superclasses(ecg: str, codes: str, superclass: dict[str, str]) -> list[str]:
    try:
        names = {superclass[code] for code in ast.literal_eval(codes) if code in superclass}
    except (ValueError, SyntaxError, TypeError) as error:
        raise DataError(
            f"ptbxl_database.csv: scp_codes of ecg_id {ecg} is not a dictionary."
        ) from error
    return [name for name in SUPERCLASSES if name in names]


def _split(fold: str) -> Split:
    try:
        number = int(float(fold))
    except ValueError as error:
        raise DataError(f"ptbxl_database.csv: strat_fold '{fold}' is not a number.") from error
    if number == TEST_FOLD:
        return "test"
    return "validation" if number == VALIDATION_FOLD else "train"
