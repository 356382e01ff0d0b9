"""Test records of two runs in one order, however each run wrote them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.evaluate.bootstrap import DRAWS, patient_weights
from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import label_seed_of

_Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Ordered:
    """Test records in the order of their patients and targets.

    Attributes:
        patients: shape (records,).
        targets: shape (records, classes), with the classes in the order that was asked for.
        order: places of the records in the run's own order, shape (records,).
        columns: places of the classes in the run's own order, shape (classes,).
    """

    patients: NDArray[np.str_]
    targets: NDArray[np.int8]
    order: NDArray[np.int64]
    columns: list[int]

    def has_records_of(self, other: Ordered) -> bool:
        """Whether the patients and what their records show are the same."""
        same = np.array_equal(self.patients, other.patients)
        return same and np.array_equal(self.targets, other.targets)

    def predicted(self, run: Scored) -> Predicted:
        """The predictions of a run, in this order."""
        scores = run.scores[self.order][:, self.columns]
        return Predicted(scores, run.thresholds[self.columns], (run.cell.seed, label_seed_of(run)))


@dataclass
class KnownRecords:
    """Orders and bootstrap draws of test records, each computed once."""

    _orders: dict[_Key, Ordered] = field(default_factory=dict)
    _weights: dict[_Key, NDArray[np.float32]] = field(default_factory=dict)

    def ordered(self, run: Scored, classes: tuple[str, ...]) -> Ordered:
        """The test records of a run, with its classes in a given order, which are all of them."""
        own = run.result.classes
        key = (id(run.patients), id(run.targets), id(run.rows), own, classes)
        if key not in self._orders:
            columns = [own.index(name) for name in classes]
            targets = run.targets[:, columns]
            # Records of one patient with the same targets may swap places: no weight or swap, which
            # are those of patients, and no metric tells them apart.
            order = np.lexsort((run.rows, *targets.T, run.patients))
            self._orders[key] = Ordered(run.patients[order], targets[order], order, columns)
        return self._orders[key]

    def weights(self, records: Ordered) -> NDArray[np.float32]:
        """Bootstrap draws, shape (records, draws): those of a report of the same records."""
        key = (records.targets.shape, records.patients.tobytes(), records.targets.tobytes())
        if key not in self._weights:
            self._weights[key] = patient_weights(records.patients, records.targets, DRAWS)
        return self._weights[key]
