"""PTB-XL as PhysioNet publishes it (Wagner et al., Scientific Data 7 (2020) 154).

The tasks are those of the benchmark of Strodthoff et al. (2021). Which of the 71 SCP statements
belong to which is `scp_statements.csv`'s to say:

| task | statements | classes |
|---|---|---|
| superclass | `diagnostic` is 1 | `diagnostic_class` (5) |
| superclass-single | the same, records with exactly one superclass | `diagnostic_class` (5) |
| subclass | `diagnostic` is 1 | `diagnostic_subclass` (23) |
| form | `form` is 1 | the statements (19) |
| rhythm | `rhythm` is 1 | the statements (12) |
| all | all | the statements (71) |

A statement counts whatever its likelihood, as in the benchmark, unless the settings ask for more.
Folds 1-8 are for training, 9 for validation, 10 for the test.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import ClassVar

import pandas as pd
from pydantic import Field

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    CohortIndex,
    CohortSettings,
    Split,
    Task,
)
from lcd_plugin.data.cohorts.tables import read_table
from lcd_plugin.data.cohorts.wfdb_records import WFDBRecords
from lcd_plugin.errors import DataError

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
VALIDATION_FOLD, TEST_FOLD = 9, 10

# Name of a task to the class of each statement that belongs to it.
_Groups = dict[str, dict[str, str]]


class PTBXLSettings(CohortSettings):
    """Settings of PTB-XL.

    Attributes:
        likelihood: least likelihood in % of a diagnostic statement that counts. 0 counts all,
            also those of unknown likelihood, which PTB-XL writes as 0. Statements of form and
            rhythm, of which few have a likelihood, always count.
    """

    likelihood: float = Field(default=0.0, ge=0, le=100)


class PTBXL(WFDBRecords):
    """PTB-XL, or a part of it in the same layout."""

    settings_class: ClassVar[type[CohortSettings]] = PTBXLSettings
    settings: PTBXLSettings

    def index(self) -> CohortIndex:
        """Records with patient, fold and labels; see `Cohort.index`."""
        database = read_table(
            self.folder / "ptbxl_database.csv",
            ["ecg_id", "patient_id", "scp_codes", "strat_fold", self._file_column],
        )
        groups = _groups(
            read_table(
                self.folder / "scp_statements.csv",
                ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"],
            )
        )
        codes = [
            self._counted(ecg, text, groups["superclass"])
            for ecg, text in zip(database["ecg_id"], database["scp_codes"], strict=True)
        ]
        table = pd.DataFrame(
            {
                "record": database[self._file_column],
                "patient": database["patient_id"].str.replace(r"\.0$", "", regex=True),
                "split": [_split(fold) for fold in database["strat_fold"]],
                # The challenge of 2021 holds the same recordings.
                "origin": "ptb-xl/" + database["ecg_id"],
            }
        )
        tasks = []
        for name, group in groups.items():
            classes = SUPERCLASSES if name == "superclass" else tuple(sorted({*group.values()}))
            labels = [_classes(present, group, classes) for present in codes]
            table[name] = [LABEL_SEPARATOR.join(names) for names in labels]
            tasks.append(Task(name, classes, "multi-label"))
            if name == "superclass":
                # The paper's way: only records that have exactly one superclass.
                single = f"{name}-single"
                table[single] = [names[0] if len(names) == 1 else "" for names in labels]
                tasks.append(Task(single, classes, "single-label"))
        return CohortIndex(table=table, tasks=tuple(tasks))

    def tables(self) -> tuple[Path, ...]:
        """The two tables that the labels come from."""
        return (self.folder / "ptbxl_database.csv", self.folder / "scp_statements.csv")

    @property
    def _file_column(self) -> str:
        """Published at 100 and at 500 Hz: the slower one serves every rate that it can."""
        return "filename_lr" if self.rate <= 100 else "filename_hr"

    def _counted(self, ecg: str, text: str, diagnostic: dict[str, str]) -> set[str]:
        """Statements of a record that count, under the least likelihood of the settings."""
        try:
            likelihoods = {str(c): float(p) for c, p in dict(ast.literal_eval(text)).items()}
        except (ValueError, SyntaxError, TypeError) as error:
            raise DataError(
                f"ptbxl_database.csv: scp_codes of ecg_id {ecg} is not a dictionary."
            ) from error
        least = self.settings.likelihood
        return {c for c, p in likelihoods.items() if p >= least or c not in diagnostic}


def _groups(statements: pd.DataFrame) -> _Groups:
    codes = statements.iloc[:, 0]

    def group(flag: str, classes: pd.Series[str]) -> dict[str, str]:
        chosen = statements[flag].isin(["1", "1.0"])
        return dict(zip(codes[chosen], classes[chosen], strict=True))

    return {
        "superclass": group("diagnostic", statements["diagnostic_class"]),
        "subclass": group("diagnostic", statements["diagnostic_subclass"]),
        "form": group("form", codes),
        "rhythm": group("rhythm", codes),
        "all": dict(zip(codes, codes, strict=True)),
    }


def _classes(codes: set[str], group: dict[str, str], classes: tuple[str, ...]) -> list[str]:
    present = {group[code] for code in codes if code in group}
    return [name for name in classes if name in present]


def _split(fold: str) -> Split:
    try:
        number = int(float(fold))
    except ValueError as error:
        raise DataError(f"ptbxl_database.csv: strat_fold '{fold}' is not a number.") from error
    if number == TEST_FOLD:
        return "test"
    return "validation" if number == VALIDATION_FOLD else "train"
