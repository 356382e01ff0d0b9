"""The quality gate: what is wrong with the leads of a recording, one finding each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.leads import LIMB_LEADS, canonical_lead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Recording

FLAT_SHARE = 0.5  # of a record, constant
RAIL_SECONDS = 0.1  # a QRS complex is about as long, and does not stand still at its peak
RAIL_MILLIVOLTS = 1.0  # from the median: a quiet baseline is no rail
LARGEST_MILLIVOLTS = 20.0
BEYOND_MILLIVOLTS = 1e6  # no sample at all, but what a format or a program left in its place
SMALLEST_MILLIVOLTS = 0.1
# The median lead's 99th percentile, from its median. Of 2,300 records of eight cohorts three are
# above it, one of them HR00599, whose header has a fifth of the gain; the next is at 2.55.
USUAL_MILLIVOLTS = 3.0
FEWEST_LEADS = 6  # of fewer leads, half may well be large
# Share of the limb leads' amplitude by which they may contradict each other. Rounding and the
# recorders' own arithmetic leave up to 0.015 in all cohorts of the PhysioNet Challenge 2021 and in
# PTB-XL; gains that are wrong for each lead, as in LUDB, 0.5 in the median.
LIMB_TOLERANCE = 0.05


@dataclass(frozen=True)
class Finding:
    """Something wrong with a record.

    Attributes:
        kind: `missing`, `nan`, `flat`, `railed`, `amplitude`, `gain`, `duplicate` (settings say
            what happens), or `unreadable`, `checksum`, `short`, `empty` (always left out).
        lead: canonical name, or "" where it concerns the whole record.
        reason: what is wrong, as a phrase that follows the record's name.
    """

    kind: str
    lead: str
    reason: str


def inspect_leads(signal: NDArray[np.float64], leads: Sequence[str], rate: float) -> list[Finding]:
    """Check each lead by itself.

    Args:
        signal: in mV, shape (leads, time); NaN where samples are missing.
        leads: names of the rows.
        rate: in Hz.
    """
    there = np.abs(signal) < BEYOND_MILLIVOLTS  # False for NaN
    missing = (~there).sum(axis=1)
    filled = np.where(there, signal, 0.0) if missing.any() else signal
    flat = _has_run(filled[:, 1:] == filled[:, :-1], round(FLAT_SHARE * signal.shape[1]) - 1)
    top, bottom = filled.max(axis=1), filled.min(axis=1)
    railed = ~flat & _railed(filled, top, bottom, rate)
    far = _farthest(filled, top, bottom)
    findings = []
    for i in np.flatnonzero(missing | flat | railed | (far > LARGEST_MILLIVOLTS)).tolist():
        lead = leads[i]
        if missing[i]:
            reason = f"lead {lead} has {missing[i]} missing samples (NaN)"
            findings.append(Finding("nan", lead, reason))
        elif flat[i]:
            findings.append(Finding("flat", lead, f"lead {lead} is flat"))
        elif railed[i]:
            findings.append(Finding("railed", lead, f"lead {lead} stays at its limit"))
        if far[i] > LARGEST_MILLIVOLTS:
            reason = f"lead {lead} leaves its median by {far[i]:.3g} mV"
            findings.append(Finding("amplitude", lead, reason))
    largest = (top - bottom).max()
    if 0 < largest < SMALLEST_MILLIVOLTS:
        reason = f"no lead spans more than {largest:.2g} mV"
        findings.append(Finding("amplitude", "", reason))
    usual = _usual(filled, top - bottom)
    if usual > USUAL_MILLIVOLTS:
        reason = f"half of the leads are beyond {usual:.2g} mV for 1 % of the time (gain?)"
        findings.append(Finding("amplitude", "", reason))
    return findings


def inspect_limb_leads(recording: Recording) -> list[Finding]:
    """Check I + III = II and the augmented leads, where they are there and complete.

    A lead that all the others contradict is named; if they contradict each other, none is.
    """
    rows: dict[str, int] = {}
    for row, name in enumerate(recording.leads):
        rows.setdefault(canonical_lead(name), row)
    names = [lead for lead in LIMB_LEADS if lead in rows]
    if len(names) < 3:
        return []
    signal = recording.signal[[rows[lead] for lead in names]]
    if not np.isfinite(signal).all():
        return []
    # Offsets are the amplifiers' own and contradict nothing.
    centred = signal - signal.mean(axis=1, keepdims=True)
    if _contradiction(centred, names) <= LIMB_TOLERANCE:
        return []
    if len(names) > 3:
        left = [
            _contradiction(np.delete(centred, i, axis=0), names[:i] + names[i + 1 :])
            for i in range(len(names))
        ]
        # Without the culprit the others agree best; without another they may agree well enough.
        lead = names[int(np.argmin(left))]
        if min(left) <= LIMB_TOLERANCE:
            return [Finding("gain", lead, f"lead {lead} contradicts the other limb leads")]
    return [Finding("gain", "", f"the leads {', '.join(names)} contradict each other")]


def _contradiction(signal: NDArray[np.float64], names: list[str]) -> float:
    """What the best fitting I and II leave over, as a share of the largest lead's amplitude."""
    over = _left_over(tuple(names))
    power = signal @ signal.T / signal.shape[1]
    # Of each lead's residual: the variance of a combination of leads is a quadratic form.
    left = ((over @ power) * over).sum(axis=1)
    largest = power.diagonal().max()
    return float(np.sqrt(max(left.max(), 0) / largest)) if largest > 0 else 0.0


@lru_cache(maxsize=128)
def _left_over(names: tuple[str, ...]) -> NDArray[np.float64]:
    """Projection onto what no I and II explain, shape (leads, leads)."""
    weights = np.array([LIMB_LEADS[lead] for lead in names])
    over: NDArray[np.float64] = np.eye(len(names)) - weights @ np.linalg.pinv(weights)
    return over


def _usual(signal: NDArray[np.float64], spans: NDArray[np.float64]) -> float:
    """Amplitude that the median lead exceeds for 1 % of the time, in mV; 0 if it cannot be much."""
    if len(signal) < FEWEST_LEADS or np.median(spans) <= USUAL_MILLIVOLTS:
        return 0.0
    centred = np.abs(signal - np.median(signal, axis=1, keepdims=True))
    return float(np.median(np.quantile(centred, 0.99, axis=1)))


def _farthest(
    signal: NDArray[np.float64], top: NDArray[np.float64], bottom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest distance from the median, in mV; 0 where it cannot be too large."""
    far = np.zeros(len(signal))
    for i in np.flatnonzero(top - bottom > LARGEST_MILLIVOLTS):
        median = np.median(signal[i])
        far[i] = max(top[i] - median, median - bottom[i])
    return far


def _railed(
    signal: NDArray[np.float64],
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
    rate: float,
) -> NDArray[np.bool_]:
    length = max(2, round(RAIL_SECONDS * rate))
    found = np.zeros(len(signal), dtype=bool)
    for limit in (top, bottom):
        still = _has_run(signal == limit[:, None], length)
        for i in np.flatnonzero(still & (top - bottom > RAIL_MILLIVOLTS)):
            found[i] |= abs(limit[i] - np.median(signal[i])) > RAIL_MILLIVOLTS
    return found


def _has_run(mask: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Whether a row holds `length` true values one after another, shape (rows,)."""
    if length <= 0:
        return np.ones(len(mask), dtype=bool)
    if mask.sum(axis=1).max() < length:
        return np.zeros(len(mask), dtype=bool)
    count = np.zeros((len(mask), mask.shape[1] + 1), dtype=np.int32)
    np.cumsum(mask, axis=1, out=count[:, 1:])
    return np.asarray((count[:, length:] - count[:, :-length]).max(axis=1) == length)
