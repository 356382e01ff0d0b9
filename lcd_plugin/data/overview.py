"""What a dataset has, told from its tables and headers before anything is prepared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.cohort import LABEL_SEPARATOR, SPLITS, Cohort, CohortIndex, Task
from lcd_plugin.data.leads import canonical_lead
from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

# Headers are read one by one; so many tell which rates and lengths there are.
HEADERS_READ = 2000


@dataclass(frozen=True)
class TaskOverview:
    """A task: labelled records by part, and positives by class and part."""

    name: str
    kind: str
    labelled: dict[str, int]
    classes: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Overview:
    """What a dataset has.

    Attributes:
        records: records by part.
        patients: patients by part.
        tasks: class balance of each task.
        headers: how many headers the following were told from.
        rates: records by sampling rate in Hz.
        lengths: records by length in s, to a tenth.
        leads: records by leads, canonical names joined by blanks.
        unreadable: headers that could not be read.
    """

    records: dict[str, int]
    patients: dict[str, int]
    tasks: tuple[TaskOverview, ...]
    headers: int
    rates: dict[str, int]
    lengths: dict[str, int]
    leads: dict[str, int]
    unreadable: int


def look_over(cohort: Cohort) -> Overview:
    """Count records, patients, classes, rates and lengths.

    Raises:
        DataError: the cohort has no index.
    """
    index = cohort.index()
    table = index.table
    by_part = table.groupby("split")
    records: dict[str, int] = {split: int((table["split"] == split).sum()) for split in SPLITS}
    patients = by_part["patient"].nunique()
    rates: Counter[str] = Counter()
    lengths: Counter[str] = Counter()
    leads: Counter[str] = Counter()
    unreadable = 0
    chosen = _spread(len(table))
    for record in table["record"].to_numpy()[chosen]:
        try:
            shape = cohort.shape(record)
        except RecordError:
            unreadable += 1
            continue
        rates[f"{shape.rate:g}"] += 1
        lengths[f"{round(shape.samples / shape.rate, 1):g}"] += 1
        leads[" ".join(canonical_lead(lead) for lead in shape.leads)] += 1
    return Overview(
        records=records,
        patients={split: int(patients.get(split, 0)) for split in SPLITS},
        tasks=_tasks(index),
        headers=len(chosen),
        rates=_sorted(rates),
        lengths=_sorted(lengths),
        leads=dict(leads.most_common()),
        unreadable=unreadable,
    )


def _spread(count: int) -> list[int]:
    """At most `HEADERS_READ` rows, from the first to the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, HEADERS_READ))})


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: float(item[0])))


def _tasks(index: CohortIndex) -> tuple[TaskOverview, ...]:
    parts: dict[str, pd.DataFrame] = {
        split: index.table[index.table["split"] == split] for split in SPLITS
    }
    return tuple(_task(task, parts) for task in index.tasks)


def _task(task: Task, parts: dict[str, pd.DataFrame]) -> TaskOverview:
    counts = {}
    for split, part in parts.items():
        labels = part.loc[part[task.name] != "", task.name]
        named = labels.str.split(LABEL_SEPARATOR).explode().value_counts()
        counts[split] = (len(labels), named)
    return TaskOverview(
        name=task.name,
        kind=task.kind,
        labelled={split: n for split, (n, _) in counts.items()},
        classes={
            name: {split: int(named.get(name, 0)) for split, (_, named) in counts.items()}
            for name in task.classes
        },
    )
