"""Noise where it arises: at the electrodes.

Three limb and six chest electrodes each have noise of their own. Leads are differences of
electrodes, so noisy leads keep Einthoven's and Goldberger's equations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAINS = 50.0  # Hz
RECORDER = 150.0  # Hz, the upper end of a diagnostic ECG
ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")


def _leads_from_electrodes() -> Floats:
    """Leads I, II, V1-V6 from `ELECTRODES`, shape (8, 9); chest leads against Wilson's mean."""
    matrix = np.zeros((8, 9))
    matrix[0, [0, 1]] = -1, 1
    matrix[1, [0, 2]] = -1, 1
    matrix[2:, 3:] = np.eye(6)
    matrix[2:, :3] = -1 / 3
    return matrix


LEADS_FROM_ELECTRODES = _leads_from_electrodes()


def draw_noise(samples: int, rate: float, breath: float, rng: np.random.Generator) -> Floats:
    """Noise of one record in leads I, II, V1-V6.

    Baseline wander (drift and breathing), muscle noise, now and then an electrode that moves,
    and in some records mains hum.

    Args:
        samples: length of the record.
        rate: samples per s.
        breath: breathing rate in Hz.
        rng: draws how noisy the record is, and the noise.

    Returns:
        mV, shape (8, samples).
    """
    time = np.arange(samples) / rate
    drift, breathing, muscle = (
        0.030 * _levels(rng, 0.6),
        0.030 * _levels(rng, 0.7),
        0.013 * _levels(rng, 0.5),
    )
    noise = breathing * np.sin(2 * np.pi * (breath * time + rng.random()))
    noise += _mains(time, rate, rng)
    motion = _motion(time, rng)
    wander, shaking, trembling = _bands(samples, rate, rng)
    noise += drift * wander + motion * shaking + muscle * trembling
    return LEADS_FROM_ELECTRODES @ noise


def _levels(rng: np.random.Generator, spread: float) -> Floats:
    """Factors around 1: a noisy or quiet record, and better or worse electrodes, (9, 1)."""
    return np.exp(rng.normal(0.0, spread) + rng.normal(0.0, 0.4, (len(ELECTRODES), 1)))


def _bands(samples: int, rate: float, rng: np.random.Generator) -> Floats:
    """Three bands of noise, shape (3, 9, samples), with a standard deviation of 1.

    At low sampling rates muscle noise has less: what lies above half the rate is lost.
    """
    # Longer than the record and then cut: a Fourier sum ends where it began.
    length = int(1.25 * samples)
    frequency = np.fft.rfftfreq(length, 1 / rate)
    whole = np.fft.rfftfreq(round(2 * RECORDER * length / rate), 1 / (2 * RECORDER))
    scale = 0.5 * length / np.linalg.norm(_spectra(whole), axis=1, keepdims=True)
    amplitudes = scale * _spectra(frequency)
    # Drawn frequency by frequency: the low ones are alike at every sampling rate.
    parts = rng.standard_normal((frequency.size, len(ELECTRODES), 2))
    white = (parts[..., 0] + 1j * parts[..., 1]).T
    return np.fft.irfft(amplitudes[:, np.newaxis] * white, length)[..., :samples]


def _spectra(frequency: NDArray[np.floating[Any]]) -> Floats:
    """Amplitudes of drift (below 0.7 Hz), movement (about 3 Hz) and muscle (from 15 Hz)."""
    drift = (frequency > 0) & (frequency < 0.7)
    muscle = (frequency > 15) & (frequency < RECORDER)
    return np.stack(
        [
            drift / (frequency + 0.1),
            np.exp(-0.5 * ((frequency - 3) / 1.5) ** 2),
            muscle / (1 + (frequency / 80) ** 2),
        ]
    )


def _motion(time: Floats, rng: np.random.Generator) -> Floats:
    """Size of the movement noise in mV, shape (9, time): mostly none, else one or two bouts."""
    size = np.zeros((len(ELECTRODES), time.size))
    bouts = rng.integers(1, 3) if rng.random() < 0.3 else 0
    for _ in range(bouts):
        electrode, middle = rng.integers(len(ELECTRODES)), rng.uniform(0.0, time[-1])
        bout = np.exp(-0.5 * ((time - middle) / rng.uniform(0.2, 0.7)) ** 2)
        size[electrode] += rng.uniform(0.03, 0.15) * bout
    return size


def _mains(time: Floats, rate: float, rng: np.random.Generator) -> Floats:
    """50 Hz hum in a quarter of the records, in mV, shape (9, time)."""
    present, turn = rng.random() < 0.25, rng.random()
    pickup = 0.008 * _levels(rng, 0.5)
    # A recorder at 100 Hz has filtered out what it cannot represent.
    if not present or rate <= 2.2 * MAINS:
        return np.zeros((len(ELECTRODES), time.size))
    return pickup * np.sin(2 * np.pi * (MAINS * time + turn))
