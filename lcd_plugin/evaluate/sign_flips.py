"""How often a sum gets as large as it is when each of its terms may have either sign.

That is the p-value of a paired permutation test whose statistic is a sum over patients: swapping
what two methods predicted for a patient changes the sign of that patient's term, and all patterns
of signs are equally likely. It is computed, not drawn: with random swaps a p-value of 0.0003, which
a correction for 153 pairs asks for, would rest on six swaps of 20,000, and another seed would give
another verdict.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats: TypeAlias = NDArray[np.float64]

# Different sums that are still gone through one by one: those of sixteen terms of different sizes,
# or of thousands of equal ones.
MOST_SUMS = 2**16
# Terms of which so many of one size would have as heavy tails, at most: a few are then much larger
# than the others, or there are few. The largest of these are gone through.
FEW, LARGEST = 30, 14
# Terms that differ by less than this share of the largest are equal; they were computed in another
# order.
ROUNDING = 1e-9
# Iterations after which the saddlepoint is as near as it matters; it takes about six.
MOST_STEPS = 60
# A sum this near to zero, in standard deviations, is in the middle of its distribution, where both
# corrections of the normal distribution vanish.
MIDDLE = 1e-2


def p_values(terms: Floats) -> Floats:
    """Two-sided p-values of sums under random signs of their terms.

    Args:
        terms: shape (sums, terms).

    Returns:
        For each sum the chance that random signs make it at least as large, either way, shape
        (sums,); 1 for a sum of nothing.
    """
    sizes = np.abs(terms)
    largest = sizes.max(axis=1, initial=0.0, keepdims=True)
    # Comparable terms of order one, whatever the metric and the number of records.
    sizes = np.round(sizes / np.where(largest > 0, largest, 1) / ROUNDING) * ROUNDING
    seen = np.abs((np.sign(terms) * sizes).sum(axis=1))
    found = np.ones(len(terms))
    many = []
    for row, (own, value) in enumerate(zip(sizes, seen, strict=True)):
        different, times = np.unique(own[own > 0], return_counts=True)
        if np.log(times + 1.0).sum() <= np.log(MOST_SUMS):
            found[row] = _counted(different, times, float(value))
        elif (own**2).sum() ** 2 < FEW * (own**4).sum():
            found[row] = _with_few_large(own, float(value))
        else:
            many.append(row)
    found[many] = _saddlepoint(sizes[many], seen[many])
    return found


def _counted(sizes: Floats, times: NDArray[np.intp], seen: float) -> float:
    """The p-value from all sums there are.

    Args:
        sizes: different sizes of terms, shape (sizes,).
        times: how many terms have each.
        seen: the size of the sum.
    """
    sums, chances = np.zeros(1), np.ones(1)
    for size, n in zip(sizes, times, strict=True):
        minus = np.arange(n + 1)
        own = np.exp(special.gammaln(n + 1) - special.gammaln(minus + 1)
                     - special.gammaln(n - minus + 1) - n * np.log(2))  # fmt: skip
        sums = np.add.outer(sums, size * (n - 2.0 * minus)).ravel()
        chances = np.multiply.outer(chances, own).ravel()
    far = np.abs(sums) >= seen - ROUNDING * (sizes * times).sum()
    return float(min(chances[far].sum(), 1.0))


def _with_few_large(sizes: Floats, seen: float) -> float:
    """The p-value from all signs of the largest terms, the sum of the others taken as normal."""
    ordered = np.sort(sizes)
    sums = np.zeros(1)
    for size in ordered[-LARGEST:]:
        sums = np.add.outer(sums, [size, -size]).ravel()
    deviation = np.sqrt((ordered[:-LARGEST] ** 2).sum())
    return float(min(2 * special.ndtr((sums - seen) / deviation).mean(), 1.0))


def _saddlepoint(sizes: Floats, seen: Floats) -> Floats:
    """The p-values of sums of many different terms.

    The tail of the sum by Lugannani and Rice (Adv Appl Prob 1980), for sums under random signs by
    Robinson (J R Stat Soc B 1982): with the cumulant generating function
    K(t) = sum of log cosh(t size), K'(t) = seen, w = sqrt(2 (t seen - K)) and
    u = t sqrt(K''), P(sum >= seen) = 1 - Phi(w) + phi(w) (1 / u - 1 / w).

    Args:
        sizes: of the terms, shape (sums, terms).
        seen: sizes of the sums, shape (sums,).
    """
    # K' is concave, so that Newton's steps from the left stay on the left of where it is `seen`;
    # the first point is on the left since tanh(x) <= x.
    t = seen / (sizes**2).sum(axis=1)
    for _ in range(MOST_STEPS):
        bent = np.tanh(t[:, None] * sizes)
        missing = seen - (sizes * bent).sum(axis=1)
        if (missing <= 1e-9 * seen).all():
            break
        slope = (sizes**2 * (1 - bent**2)).sum(axis=1)
        t = t + np.maximum(missing, 0) / np.maximum(slope, 1e-12)
    x = t[:, None] * sizes
    k = (x + np.log1p(np.exp(-2 * x)) - np.log(2)).sum(axis=1)
    curvature = (sizes**2 * (1 - np.tanh(x) ** 2)).sum(axis=1)
    w = np.sqrt(np.maximum(2 * (t * seen - k), 0))
    u = t * np.sqrt(curvature)
    tail = special.ndtr(-w)
    off = w > MIDDLE
    w, u = w[off], u[off]
    tail[off] += np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi) * (1 / u - 1 / w)
    clipped: Floats = np.clip(2 * tail, 0.0, 1.0)
    return clipped
