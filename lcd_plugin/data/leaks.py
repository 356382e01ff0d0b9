"""That no recording is seen before it is scored: within a dataset, and from one to another.

A recording is known by three things: the patient, the `origin` (a name that all datasets give to
the same recording) and the `content` (a hash of its samples). Patients have names of their own in
each dataset, so they are compared within one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lcd_plugin.data.cohort import SPLITS
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAME = {"patient": "patient", "origin": "recording", "content": "samples"}
PART = {"train": "training", "validation": "validation", "test": "test"}
NAMED = 3  # records of each side that a message names


def check_parts(table: pd.DataFrame, dataset: str, columns: Sequence[str] = tuple(SAME)) -> None:
    """Raise DataError if two parts share a patient, a recording or samples.

    Args:
        table: columns record and split, and those that are compared.
        dataset: its name, for the message.
        columns: of patient, origin and content, those that are compared.
    """
    parts = pd.Categorical(table["split"], categories=SPLITS).codes
    for column in columns:
        same = SAME[column]
        codes, values = pd.factorize(table[column])
        seen = np.zeros((len(SPLITS), len(values)), dtype=bool)
        seen[parts, codes] = True
        shared = np.flatnonzero(seen.sum(axis=0) > 1)
        if len(shared):
            told = [
                _told(table[(parts == part) & np.isin(codes, shared)], dataset)
                for part in np.flatnonzero(seen[:, shared].any(axis=1))
            ]
            raise DataError(
                f"Dataset '{dataset}' has the same {same} in more than one part "
                f"({len(shared)} times): {'; '.join(told)}. Put all records of a patient into one "
                f"part, and records that are there twice into one part or out."
            )


def check_transfer(
    pretraining: pd.DataFrame,
    rows: NDArray[np.int64] | NDArray[np.bool_],
    dataset: str,
    target: pd.DataFrame,
    target_name: str,
) -> None:
    """Raise DataError if a record used for pretraining is held out for scoring.

    Args:
        pretraining: table of the dataset that is pretrained on; columns as in `check_parts`.
        rows: its rows that pretraining uses, as numbers or as a mask.
        dataset: its name.
        target: table of another dataset, which is scored; its training part may be seen.
        target_name: its name.
    """
    used = pretraining[rows] if np.asarray(rows).dtype == bool else pretraining.iloc[rows]
    held = target[(target["split"] == "validation") | (target["split"] == "test")]
    for column in ("origin", "content"):
        same = SAME[column]
        leaked = held[held[column].isin(used[column])]
        if len(leaked):
            seen = used[used[column].isin(leaked[column])]
            raise DataError(
                f"Pretraining on '{dataset}' would see what '{target_name}' holds out: "
                f"{leaked['record'].nunique()} of its records have the same {same} as one used "
                f"for pretraining: {_told(seen, dataset)}; "
                f"{_told(leaked, target_name)}. Pretrain on another dataset, or take these "
                f"records out of one of the two."
            )


def _told(records: pd.DataFrame, dataset: str) -> str:
    """The first few records by name and part: `ludb record 7 is in the test part`."""
    # A record that was cut into windows is in several rows.
    records = records.drop_duplicates("record")
    first = records.head(NAMED)
    told = [
        f"{dataset} record {record} is in the {PART.get(split, split)} part"
        for record, split in zip(first["record"], first["split"], strict=True)
    ]
    more = len(records) - len(first)
    return ", ".join(told) + (f" and {more} more" if more else "")
