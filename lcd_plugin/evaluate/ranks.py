"""Average ranks over several comparisons, and which of them differ (Demsar, JMLR 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from lcd_plugin.evaluate.paired_runs import mean_ranks

Floats: TypeAlias = NDArray[np.float64]

# With fewer comparisons Friedman's statistic is not distributed as chi-square, and Nemenyi's
# critical difference is about as large as the whole range of ranks.
FEWEST_COMPARISONS = 5


@dataclass(frozen=True)
class AverageRank:
    """Ranks of lines over comparisons.

    Attributes:
        average_rank: shape (lines,); 1 is best.
        friedman_p: of the Friedman test that all lines are equal; None with fewer than three lines
            or `FEWEST_COMPARISONS`.
        critical_difference: two average ranks further apart than this differ at the 5 % level
            (Nemenyi).
    """

    average_rank: Floats
    friedman_p: float | None
    critical_difference: float


def average_ranks(scores: ArrayLike) -> AverageRank:
    """Average ranks, Friedman's test and Nemenyi's critical difference.

    Args:
        scores: shape (comparisons, lines), higher is better; ties share their mean rank.

    Raises:
        ValueError: not two lines and one comparison at least, or a score that is NaN.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(f"Ranks need (comparisons, two or more lines), got {table.shape}.")
    if np.isnan(table).any():
        raise ValueError("Ranks need a score of every line in every comparison.")
    comparisons, lines = table.shape
    average = np.stack([mean_ranks(-scores) for scores in table]).mean(axis=0)
    return AverageRank(average, _friedman(table), critical_difference(lines, comparisons))


def critical_difference(lines: int, comparisons: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks (Demsar, JMLR 2006, section 3.2.2)."""
    q = _studentized_range(lines, level) / np.sqrt(2)
    return float(q * np.sqrt(lines * (lines + 1) / (6 * comparisons)))


@cache
def _studentized_range(lines: int, level: float) -> float:
    """What the range of so many standard normal numbers is above with a chance of `level`.

    The range is below q with a chance of `lines` times the integral of
    phi(z) (Phi(z) - Phi(z - q))^(lines - 1) over z, the largest number. `scipy.stats` has it too,
    and takes longer to load than the rest of a report takes to make.
    """
    z = np.linspace(-8.0, 12.0, 4001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    low, high = 0.0, 20.0
    for _ in range(60):
        q = (low + high) / 2
        above = 1 - lines * density @ (special.ndtr(z) - special.ndtr(z - q)) ** (lines - 1)
        low, high = (q, high) if above > level else (low, q)
    return high


def cliques(average_rank: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """The largest groups of lines that cannot be told apart, for the diagram's bars.

    Args:
        average_rank: shape (lines,).
        difference: the critical difference.

    Returns:
        For each group of two or more the places of its lines in `average_rank`, best first; no
        group is part of another.
    """
    ranks = np.asarray(average_rank, dtype=np.float64)
    order = np.argsort(ranks, kind="stable")
    groups: list[tuple[int, ...]] = []
    last = 0
    for first in range(len(order)):
        end = int((ranks[order] <= ranks[order[first]] + difference).sum())
        # A group that ends where the one before it does is part of it.
        if end > last and end - first > 1:
            groups.append(tuple(int(place) for place in order[first:end]))
        last = max(last, end)
    return groups


def _friedman(table: Floats) -> float | None:
    comparisons, lines = table.shape
    if lines < 3 or comparisons < FEWEST_COMPARISONS:
        return None
    # All lines equal everywhere: the statistic is 0 / 0, and nothing speaks against equality.
    if (table == table[:, :1]).all():
        return 1.0
    ranks = np.stack([mean_ranks(scores) for scores in table])
    expected = comparisons * lines * (lines + 1) ** 2 / 4
    # With ties the ranks spread less than 1 to `lines` do.
    spread = ((ranks**2).sum() - expected) / (comparisons * (lines - 1))
    statistic = ((ranks.sum(axis=0) ** 2).sum() / comparisons - expected) / spread
    return float(special.chdtrc(lines - 1, statistic))
