"""Uncertainty from patients: the same draws for every method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
INTERVAL = (2.5, 97.5)


def patient_weights(patients: NDArray[np.str_], draws: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each record is drawn when patients are drawn with replacement.

    Records of one patient are not independent, so they are drawn together.

    Args:
        patients: patient of each record, shape (records,).
        draws: number of draws.
        seed: one seed for all methods makes their draws the same.

    Returns:
        Shape (draws, records).
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, patient_of].astype(np.float64)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference with this interval is real at the 5 % level."""
        return self.low > 0 or self.high < 0


def interval(values: NDArray[np.float64]) -> Interval:
    """Percentile interval of bootstrap values, shape (draws,); draws that are NaN are left out."""
    low, high = np.nanpercentile(values, INTERVAL)
    return Interval(float(low), float(high))
