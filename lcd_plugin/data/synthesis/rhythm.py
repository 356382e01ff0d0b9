"""When the atria and the ventricles beat.

Sinus rhythm follows the bimodal spectrum of RR intervals of McSharry et al. (2003): a band at
0.1 Hz (blood pressure) and one at the breathing rate (respiratory sinus arrhythmia). Beats
are where the integral of the heart rate passes whole numbers, so no loop over time is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MARGIN = 3.0  # s simulated before and after a record, so that its edges hold whole waves
GRID = 8.0  # Hz of the slowly changing heart rate


@dataclass(frozen=True)
class Rhythm:
    """What a record's timing is drawn from.

    Attributes:
        rate: mean heart rate in beats per minute.
        variability: standard deviation of the RR interval over its mean, in sinus rhythm.
        vagal: share of the variability that comes with the breath.
        breath: breathing rate in Hz.
        conduction: s from the P peak to the middle of QRS.
        fibrillating: atrial fibrillation instead of sinus rhythm.
        ectopic: some beats are premature ventricular ones.
    """

    rate: float
    variability: float
    vagal: float
    breath: float
    conduction: float
    fibrillating: bool = False
    ectopic: bool = False


@dataclass(frozen=True)
class Beats:
    """The beats of a record and of `MARGIN` s around it.

    Attributes:
        qrs: middle of each QRS in s, ascending, shape (beats,).
        rr: interval before each beat in s, shape (beats,).
        ectopic: which beats start in a ventricle, shape (beats,).
        swell: factor on each beat's size from breathing, shape (beats,).
        atrial: peaks of the P waves in s; none in atrial fibrillation.
    """

    qrs: Floats
    rr: Floats
    ectopic: NDArray[np.bool_]
    swell: Floats
    atrial: Floats


def draw_rhythm(rng: np.random.Generator) -> Rhythm:
    """Sinus rhythm of a resting adult, slow to fast, steady to strongly arrhythmic."""
    rate = float(np.clip(rng.normal(72.0, 13.0), 44.0, 125.0))
    # P peaks 45 ms after its onset and QRS 42 ms after its own: PR is about the same number.
    pr = float(np.clip(rng.normal(0.158, 0.018), 0.12, 0.196)) - 0.0002 * (rate - 72.0)
    variability = 0.045 * float(np.exp(rng.normal(0.0, 0.45))) * min(1.2, 72.0 / rate)
    return Rhythm(
        rate=rate,
        variability=min(variability, 0.12),
        vagal=rng.uniform(0.35, 0.85),
        breath=rng.uniform(0.17, 0.33),
        conduction=pr,
    )


def draw_beats(rhythm: Rhythm, seconds: float, rng: np.random.Generator) -> Beats:
    """Draw the beats of a record of `seconds` s."""
    if rhythm.fibrillating:
        due = _fibrillating_times(rhythm, seconds, rng)
        atrial = np.empty(0)
    else:
        due = _sinus_times(rhythm, seconds, rng)
        atrial = due - rhythm.conduction
    qrs, ectopic = due, np.zeros(due.size, dtype=bool)
    if rhythm.ectopic:
        qrs, ectopic = _with_ectopics(due, seconds, rng)
    rr = np.diff(qrs)
    phase = 2 * np.pi * (rhythm.breath * qrs + rng.random())
    swell = 1 + rng.uniform(0.01, 0.06) * np.sin(phase) + rng.normal(0.0, 0.01, qrs.size)
    return Beats(qrs, np.concatenate([rr[:1], rr]), ectopic, swell, atrial)


def _sinus_times(rhythm: Rhythm, seconds: float, rng: np.random.Generator) -> Floats:
    """Beats of a rate that wanders with the two bands of the RR spectrum."""
    time = np.arange(int((seconds + 2 * MARGIN) * GRID) + 1) / GRID - MARGIN
    # Twice the length, of which half is used: a Fourier sum repeats itself at its ends.
    frequency = np.fft.rfftfreq(2 * time.size, 1 / GRID)
    slow = np.exp(-0.5 * ((frequency - 0.1) / 0.02) ** 2)
    vagal = np.exp(-0.5 * ((frequency - rhythm.breath) / 0.02) ** 2)
    power = (1 - rhythm.vagal) * slow / slow.sum() + rhythm.vagal * vagal / vagal.sum()
    spectrum = np.sqrt(power) * np.exp(2j * np.pi * rng.random(frequency.size))
    wave = np.sqrt(2) * time.size * np.fft.irfft(spectrum, 2 * time.size)[: time.size]
    interval = 60 / rhythm.rate * np.maximum(1 + rhythm.variability * wave, 0.5)
    passed = np.cumsum(1 / interval) / GRID
    count = np.arange(passed[0] + rng.random(), passed[-1])
    due = np.asarray(np.interp(count, passed, time), dtype=np.float64)
    # Harmless in itself and common: an atrial beat that comes early and resets the sinus node.
    early = rng.integers(1, 3) if rng.random() < 0.15 else 0
    for beat in rng.choice(np.arange(3, due.size), early, replace=False):
        due[beat:] -= rng.uniform(0.15, 0.35) * 60 / rhythm.rate
    return due


def _fibrillating_times(rhythm: Rhythm, seconds: float, rng: np.random.Generator) -> Floats:
    """Irregularly irregular: the AV node's refractory time and a gamma-distributed wait."""
    mean = 60 / rhythm.rate
    refractory = max(0.5 * mean, 0.27)
    wait = max(mean - refractory, 0.1)
    count = int((seconds + 2 * MARGIN) / refractory) + 2
    times = np.cumsum(refractory + rng.gamma(3.0, wait / 3.0, count)) - MARGIN - mean
    return times[times < seconds + MARGIN]


def _with_ectopics(
    due: Floats, seconds: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Bring some beats forward; the sinus node is not reset, so a full pause follows.

    One to three single beats, or now and then every second or third one. At least one lies
    well inside the record.
    """
    early = rng.uniform(0.52, 0.72)
    candidates = np.flatnonzero((due > 1.2) & (due < seconds - 0.4))
    first = rng.integers(max(1, min(2, candidates.size)))
    if rng.random() < 0.25:
        chosen = candidates[first :: rng.integers(2, 4)]
    else:
        # No two in a row: only every second candidate may be taken.
        every_second = candidates[first::2]
        count = min(int(rng.integers(1, 4)), every_second.size)
        chosen = np.sort(rng.choice(every_second, count, replace=False))
    qrs = due.copy()
    before = due[chosen - 1]
    coupling = early * (due[chosen] - before) * (1 + rng.normal(0.0, 0.03, chosen.size))
    qrs[chosen] = before + np.minimum(np.maximum(coupling, 0.33), due[chosen] - before)
    ectopic = np.zeros(due.size, dtype=bool)
    ectopic[chosen] = True
    return qrs, ectopic


def fibrillation(time: Floats, rng: np.random.Generator) -> Floats:
    """The dipole of fibrillating atria: f-waves of 4-9 Hz, largest in V1.

    A sawtooth of three harmonics whose rate, size and direction drift, after Stridh and
    Sornmo, "Spatiotemporal QRST cancellation techniques for analysis of atrial fibrillation",
    IEEE Trans. Biomed. Eng. 48 (2001).

    Args:
        time: s, shape (time,).
        rng: draws rate, size and drift.

    Returns:
        The dipole in mV, shape (3, time).
    """
    knots = np.arange(time[0], time[-1] + 1.0, 0.4)
    drift = np.interp(time, knots, np.cumsum(rng.normal(0.0, 0.7, knots.size)))
    swing = np.stack([np.interp(time, knots, k) for k in rng.normal(1.0, 0.35, (3, knots.size))])
    phase = 2 * np.pi * rng.uniform(4.5, 8.5) * time + drift
    lag = rng.uniform(-0.9, 0.9, (3, 1))
    saw = sum(np.sin(k * (phase + lag)) / k for k in (1, 2, 3))
    size = 0.65 * np.exp(rng.normal(0.0, 0.5)) * np.array([[-0.025], [0.030], [-0.055]])
    return np.asarray(size * swing * saw)
