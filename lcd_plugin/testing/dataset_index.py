"""What the host relies on in the index of a dataset: records, patients, parts and labels."""

from __future__ import annotations

from collections.abc import Iterable

from lcd_plugin.data.cohort import LABEL_SEPARATOR, SPLITS, Task
from lcd_plugin.testing.check import caution, fail
from lcd_plugin.testing.dataset_trial import DatasetTrial

COLUMNS = ("record", "patient", "split")
KINDS = ("multi-label", "single-label")
# A split by a hash of so few may leave a part empty.
FEW_PATIENTS = 20


def table(trial: DatasetTrial) -> None:
    """The index lists every record once, with a patient and a part."""
    found = trial.index.table
    tasks = [task.name for task in trial.index.tasks]
    if missing := [c for c in (*COLUMNS, *tasks) if c not in found.columns]:
        fail(
            f"columns {', '.join((*COLUMNS, *tasks))} in the index",
            f"no column {', '.join(missing)}",
            "A CohortIndex has a table with these and one column for each task.",
        )
    for column in COLUMNS:
        bad = [v for v in found[column] if not (isinstance(v, str) and v)]
        if bad:
            fail(
                f"text in the column {column} of every record",
                f"{bad[0]!r} in {len(bad)} of {len(found)}",
                "Turn numbers into text, and give records without a patient a name of their own.",
            )
    twice = found.loc[found["record"].duplicated(), "record"]
    if len(twice):
        fail("every record once", f"{twice.iloc[0]!r} more than once", "Drop or rename it.")
    unknown = sorted(set(found["split"]) - set(SPLITS))
    if unknown:
        fail(f"splits of {', '.join(SPLITS)}", f"{unknown[0]!r}", "Translate its name.")
    advice = "Use the official split, or lcd_plugin.data.splits.split_of_patient."
    _check_splits(trial, found["split"], "records", advice)


def patients_apart(trial: DatasetTrial) -> None:
    """No patient is in two parts."""
    parts = trial.index.table.groupby("patient")["split"].nunique()
    if torn := list(parts.index[parts > 1]):
        fail(
            "each patient in one split",
            f"{len(torn)} in several, such as {torn[0]!r}",
            "Split by patient, as lcd_plugin.data.splits.split_of_patient does.",
        )


def labels(trial: DatasetTrial) -> str:
    """Labels are the classes of their task, and every part has some."""
    if not trial.index.tasks:
        return "no tasks: the dataset can only be pretrained on"
    for task in trial.index.tasks:
        _check_task(trial, task)
    return ""


def _check_task(trial: DatasetTrial, task: Task) -> None:
    where = f"task '{task.name}'"
    if task.kind not in KINDS:
        fail(f"{where} to be {' or '.join(KINDS)}", f"{task.kind!r}", "Set the task's kind.")
    if len(task.classes) < 2 or len(set(task.classes)) < len(task.classes):
        fail(
            f"two or more different classes of {where}",
            f"{', '.join(task.classes) or 'none'}",
            "Leave the task out if there is nothing to tell apart.",
        )
    texts = trial.index.table[task.name]
    if odd := [text for text in texts if not isinstance(text, str)]:
        fail(
            f"text as labels of {where}",
            f"{odd[0]!r}",
            f"Join class names by '{LABEL_SEPARATOR}'; \"\" is a record without a label.",
        )
    named = [text.split(LABEL_SEPARATOR) for text in texts if text]
    if strange := sorted({name for names in named for name in names} - set(task.classes)):
        fail(
            f"labels that are classes of {where}",
            f"'{strange[0]}', and {len(strange) - 1} others that are not",
            f"Join class names by '{LABEL_SEPARATOR}', and drop labels that the task leaves out.",
        )
    if task.kind == "single-label" and (several := [n for n in named if len(n) > 1]):
        fail(
            f"one class a record in {where}, which is single-label",
            f"{LABEL_SEPARATOR.join(several[0])!r}",
            "Make the task multi-label, or leave such records without a label.",
        )
    splits = trial.index.table.loc[texts != "", "split"]
    advice = "Label some, or leave the task out."
    _check_splits(trial, splits, f"labelled records of {where}", advice)


def _check_splits(trial: DatasetTrial, splits: Iterable[str], what: str, advice: str) -> None:
    """Every split has some; of very few patients that is not asked."""
    empty = " and ".join(split for split in SPLITS if split not in set(splits))
    if not empty:
        return
    patients = trial.index.table["patient"].nunique()
    if patients >= FEW_PATIENTS:
        fail(f"{what} in every split", f"none in {empty}", advice)
    caution(trial, f"there are no {what} in {empty}, of {patients} patients in all.")


CHECKS = (table, patients_apart, labels)
