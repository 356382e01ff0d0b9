"""Who is in which part: made by patient where a dataset has no official split, checked always."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.cohort import SPLITS, Split
from lcd_plugin.data.leaks import check_parts
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Shares of patients that fall to training and validation; the rest is for the test.
TRAIN_SHARE, VALIDATION_SHARE = 0.7, 0.15


def split_of_patient(patient: str) -> Split:
    """The part of a patient by a hash of the id.

    Neither order nor number of records matters, so adding records moves nobody.
    """
    digest = hashlib.sha256(patient.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TRAIN_SHARE:
        return "train"
    return "validation" if place < TRAIN_SHARE + VALIDATION_SHARE else "test"


def check_splits(table: pd.DataFrame, dataset: str) -> None:
    """Raise DataError if a record appears twice or a patient is in two parts."""
    twice = table.loc[table["record"].duplicated(), "record"]
    if len(twice):
        raise DataError(f"Dataset '{dataset}' names the record {twice.iloc[0]} more than once.")
    check_parts(table, dataset, ("patient",))


def limit_records(table: pd.DataFrame, limit: int) -> pd.DataFrame:
    """A seeded sample of `limit` records in which all parts keep their share."""
    if limit >= len(table):
        return table
    rng = np.random.default_rng(0)
    keep: list[int] = []
    for split in reversed(SPLITS):
        rows = rng.permutation(np.flatnonzero((table["split"] == split).to_numpy()))
        share = max(1, round(limit * len(rows) / len(table)))
        # Training comes last and takes what rounding left.
        keep.extend(rows[: share if split != "train" else max(1, limit - len(keep))])
    return table.iloc[sorted(keep)].reset_index(drop=True)
