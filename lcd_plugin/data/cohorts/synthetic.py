"""An embedded cohort of synthetic 12-lead ECGs: it needs no files and no network."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    SPLITS,
    Cohort,
    CohortIndex,
    CohortSettings,
    Recording,
    Task,
)
from lcd_plugin.data.synthesis import CONDITIONS, LEADS, synthesize
from lcd_plugin.data.synthesis.conditions import draw_conditions
from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Each use of chance has a stream of its own, so that none shifts another.
PATIENT, RECORD, SIZES, SPLIT, CONDITIONS_OF_PATIENT, CONDITIONS_OF_RECORD = range(6)

RECORDS_PER_PATIENT = (0.75, 0.17, 0.08)  # probability of one, two and three
DEAL = np.repeat([0, 1, 2], [14, 3, 3])  # of every 20 patients: train, validation, test


class SyntheticSettings(CohortSettings):
    """Settings of the synthetic cohort.

    Attributes:
        records: how many; a smaller cohort is the beginning of a larger one.
        seed: another seed is another cohort.
        seconds: length of each record.
        noise: factor on noise and on misplacement of electrodes; 0 is a perfect recording.
    """

    records: int = Field(default=800, ge=50, le=1_000_000)
    seed: int = Field(default=0, ge=0)
    seconds: float = Field(default=10.0, ge=5.0, le=600.0)
    noise: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)


class _Roster(NamedTuple):
    """Who the records belong to and what they show."""

    patients: NDArray[np.int64]  # (records,)
    splits: NDArray[np.int64]  # (records,), indices into SPLITS
    conditions: NDArray[np.bool_]  # (records, conditions)


class Synthetic(Cohort):
    """Synthetic patients with one to three records each.

    A record depends on the seed, its own number and its patient's: not on how many others
    there are or in which order they are read.
    """

    settings_class: ClassVar[type[CohortSettings]] = SyntheticSettings
    settings: SyntheticSettings

    def __init__(
        self, path: Path | None = None, settings: CohortSettings | None = None, rate: float = 100.0
    ) -> None:
        super().__init__(path, settings or SyntheticSettings(), rate)

    def index(self) -> CohortIndex:
        """List the records; see `Cohort.index`."""
        roster = self._roster
        table = pd.DataFrame(
            {
                "record": [f"syn{number:05d}" for number in range(self.settings.records)],
                "patient": [f"patient{number:05d}" for number in roster.patients],
                "split": np.array(SPLITS, dtype=object)[roster.splits],
                "diagnosis": _joined(roster.conditions),
            }
        )
        alone = roster.conditions.sum(axis=1) == 1
        table["diagnosis-single"] = table["diagnosis"].where(alone, "")
        tasks = (
            Task("diagnosis", CONDITIONS, "multi-label"),
            Task("diagnosis-single", CONDITIONS, "single-label"),
        )
        return CohortIndex(table, tasks)

    def read(self, record: str) -> Recording:
        """Synthesise one record.

        Raises:
            RecordError: the cohort has no record of this name.
        """
        number = self._number(record)
        roster = self._roster
        names = [CONDITIONS[i] for i in np.flatnonzero(roster.conditions[number])]
        tracing = synthesize(
            names,
            self._stream(PATIENT, int(roster.patients[number])),
            self._stream(RECORD, number),
            rate=self.rate,
            seconds=self.settings.seconds,
            noise=self.settings.noise,
        )
        return Recording(tracing.signal, self.rate, LEADS)

    def files(self, record: str) -> tuple[Path, ...]:
        """None: records are made, not read."""
        return ()

    def _number(self, record: str) -> int:
        """The number in a record's name, if it is one of `index`."""
        match = re.fullmatch(r"syn(\d{5,7})", record, re.ASCII)
        number = int(match[1]) if match else -1
        last = self.settings.records - 1
        if not 0 <= number <= last or record != f"syn{number:05d}":
            raise RecordError(
                f"the synthetic cohort has no record '{record}'; ask for one of "
                f"syn00000 to syn{last:05d}, or for more with the setting `records`"
            )
        return number

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, *key))

    @cached_property
    def _roster(self) -> _Roster:
        """Draw patients, splits and conditions; the first n do not depend on what follows."""
        count = self.settings.records
        edges = np.cumsum(RECORDS_PER_PATIENT)[:-1]
        sizes = 1 + np.searchsorted(edges, self._stream(SIZES).random(count))
        patients = np.repeat(np.arange(count), sizes)[:count]
        # Dealt in hands of 20, so that a small cohort too has all three splits.
        hands = self._stream(SPLIT).random((count // DEAL.size + 1, DEAL.size))
        splits = DEAL[np.argsort(hands, axis=1)].ravel()[patients]
        scopes = {
            "patient": self._stream(CONDITIONS_OF_PATIENT),
            "record": self._stream(CONDITIONS_OF_RECORD),
        }
        return _Roster(patients, splits, draw_conditions(patients, scopes))


def _joined(conditions: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Names joined by the label separator, shape (records,); few combinations, many records."""
    combinations, which = np.unique(conditions, axis=0, return_inverse=True)
    names = [LABEL_SEPARATOR.join(np.array(CONDITIONS, dtype=object)[row]) for row in combinations]
    return np.array(names, dtype=object)[which.ravel()]
