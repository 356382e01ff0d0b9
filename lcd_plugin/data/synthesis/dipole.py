"""The heart as a moving dipole, and what twelve leads see of it.

Each beat is a sum of Gaussian waves in time, as in McSharry et al., "A dynamical model for
generating synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50 (2003), with a
three-dimensional vector per wave, as in Sameni et al., "Multichannel ECG and noise modeling",
EURASIP J. Adv. Signal Process. (2007). Axes follow Frank: x to the left, y to the feet, z to
the back. Leads are Dower's linear combinations of x, y and z.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lcd_plugin.data.synthesis.rhythm import Beats

    Floats = NDArray[np.float64]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower, Machado, Osborne: "On deriving the electrocardiogram from vectorcardiographic leads",
# Clin. Cardiol. 3 (1980). Rows I, II, V1-V6; columns x, y, z.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# Einthoven and Goldberger: the six limb leads from I and II.
LIMB = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])

WINDOW = 4.5  # widths after which a Gaussian is cut: 0.004 % of its peak


@dataclass(frozen=True)
class Wave:
    """One Gaussian of a beat.

    Attributes:
        centre: s after the beat's reference (the middle of a normal QRS; for P, its peak).
        width: standard deviation in s.
        vector: dipole at the peak, (x, y, z) in mV.
    """

    centre: float
    width: float
    vector: tuple[float, float, float]

    def scaled(self, gain: float, width: float = 1.0) -> Wave:
        """The same direction, `gain` times the size and `width` times as wide."""
        x, y, z = self.vector
        return replace(self, width=self.width * width, vector=(gain * x, gain * y, gain * z))

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, delay: float = 0.0) -> Wave:
        """`delay` s later, with (x, y, z) mV added to the vector."""
        a, b, c = self.vector
        return replace(self, centre=self.centre + delay, vector=(a + x, b + y, c + z))


# The right atrium is first and in front, the left one later and behind.
ATRIA: dict[str, Wave] = {
    "right-atrium": Wave(-0.014, 0.019, (0.030, 0.065, -0.035)),
    "left-atrium": Wave(0.018, 0.021, (0.055, 0.060, 0.035)),
}

# Activation in the order of Durrer et al., Circulation 41 (1970): septum (rightwards), apex
# and front wall, free wall of the left ventricle, base. `late` is for blocked branches.
VENTRICLES: dict[str, Wave] = {
    "septal": Wave(-0.024, 0.0075, (-0.13, -0.06, -0.22)),
    "apical": Wave(-0.007, 0.0095, (0.48, 0.45, -0.16)),
    "lateral": Wave(0.007, 0.0105, (0.66, 0.48, 0.56)),
    "basal": Wave(0.026, 0.0100, (-0.16, -0.12, 0.30)),
    "late": Wave(0.060, 0.0140, (0.0, 0.0, 0.0)),
    "st": Wave(0.105, 0.036, (0.005, 0.005, -0.015)),
    "t-rise": Wave(0.185, 0.050, (0.12, 0.08, -0.07)),
    "t-peak": Wave(0.248, 0.036, (0.28, 0.19, -0.15)),
}
REPOLARISATION = ("st", "t-rise", "t-peak")
NORMAL_QT = 0.40  # s at 60 beats/min, what the times above add up to


@dataclass(frozen=True)
class Anatomy:
    """How one patient's heart lies in the chest, and how well the chest conducts.

    Attributes:
        rotation: turns the dipole, shape (3, 3).
        repolarisation: turns ST and T on top of that (the QRS-T angle), shape (3, 3).
        field: leads I, II, V1-V6 from the dipole, shape (8, 3).
        qt: multiplies the times of ST and T.
    """

    rotation: Floats
    repolarisation: Floats
    field: Floats
    qt: float


def rotation(angles: Floats) -> Floats:
    """Turn by `angles` (degrees) in the frontal, horizontal and sagittal planes, shape (3, 3)."""
    turned = np.eye(3)
    for (i, j), angle in zip(((0, 1), (0, 2), (1, 2)), np.deg2rad(angles), strict=True):
        plane = np.eye(3)
        plane[i, i] = plane[j, j] = np.cos(angle)
        plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
        turned = plane @ turned
    return turned


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient: axis, rotation, habitus (limb and chest voltages), torso, QT."""
    gain = np.exp(rng.normal(0.0, 0.17) + rng.normal(0.0, (0.10, 0.17)))
    torso = DOWER * np.repeat(gain, (2, 6))[:, np.newaxis]
    return Anatomy(
        rotation=rotation(rng.normal((-2.0, 0.0, 0.0), (22.0, 13.0, 9.0))),
        repolarisation=rotation(rng.normal(0.0, (14.0, 16.0, 11.0))),
        field=torso * np.exp(rng.normal(0.0, 0.10, torso.shape)),
        qt=rng.normal(1.0, 0.04),
    )


def misplaced(field: Floats, rng: np.random.Generator, scale: float = 1.0) -> Floats:
    """Chest electrodes as a technician puts them: along the ribs, and up or down.

    Args:
        field: leads I, II, V1-V6 from the dipole, shape (8, 3).
        rng: draws the displacement of this record.
        scale: 1 is a standard deviation of three tenths of the way to the neighbouring electrode.
    """
    along = np.arange(6) + scale * rng.normal(0.0, 0.3, 6)
    # All six tend to be put too high together; from higher up, downward forces point away.
    up = scale * (rng.normal(0.04, 0.10) + rng.normal(0.0, 0.04, 6))
    chest = np.stack([np.interp(along, np.arange(6), column) for column in field[2:].T], axis=1)
    chest[:, 1] -= up
    return np.concatenate([field[:2], chest])


def draw_waves(rng: np.random.Generator, waves: Mapping[str, Wave]) -> dict[str, Wave]:
    """A person's own version of `waves`: sizes, times and directions vary a little."""
    stretch = np.exp(rng.normal(0.03, 0.08))  # one conduction speed for the whole beat
    drawn = {}
    for name, wave in waves.items():
        spread = 0.28 if name in (*REPOLARISATION, *ATRIA) else 0.16
        size, width = np.exp(rng.normal(0.0, (spread, 0.05)))
        nudge = rng.normal(0.0, 0.09 * np.linalg.norm(wave.vector), 3)
        own = wave.scaled(size, width * stretch).moved(*nudge)
        drawn[name] = replace(own, centre=wave.centre * stretch)
    return drawn


def dipole(events: Floats, widths: Floats, vectors: Floats, rate: float, samples: int) -> Floats:
    """Sum Gaussians into a dipole, already band-limited for its sampling rate.

    The anti-alias filter is a Gaussian too, so that filtering needs no samples: the widths
    add in squares, and the areas stay.

    Args:
        events: centres in s, shape (events,); those off the record are cut at its edge.
        widths: standard deviations in s, shape (events,).
        vectors: dipoles at the peaks in mV, shape (events, 3).
        rate: samples per s.
        samples: length of the record.

    Returns:
        The dipole in mV, shape (3, samples).
    """
    wide = np.hypot(widths, 0.45 / rate)
    half = int(np.ceil(WINDOW * wide.max() * rate))
    near = np.rint(events * rate).astype(np.int64)
    inside = (near > -half) & (near < samples + half)
    near, at, wide = near[inside], events[inside], wide[inside]
    peaks = (vectors[inside] * (widths[inside] / wide)[:, np.newaxis]).T
    index = near[:, np.newaxis] + np.arange(-half, half + 1)
    shape = np.exp(-0.5 * ((index / rate - at[:, np.newaxis]) / wide[:, np.newaxis]) ** 2)
    place = (index + 2 * half).ravel()
    length = samples + 4 * half
    axes = [np.bincount(place, (shape * p[:, np.newaxis]).ravel(), length) for p in peaks]
    summed = np.array(axes, dtype=np.float64)
    return summed[:, 2 * half : 2 * half + samples]


def beat_events(
    beats: Beats, waves: Mapping[str, Wave], anatomy: Anatomy, ectopic: bool
) -> tuple[Floats, Floats, Floats]:
    """Lay `waves` on the ordinary (or on the ectopic) beats.

    ST and T follow the heart rate by Fridericia's cube root, of the mean interval for the
    larger part: the ventricles adapt to a new rate over minutes, not within a beat.

    Returns:
        Centres (s), widths (s) and vectors (mV), shapes (events,), (events,) and (events, 3).
    """
    chosen = beats.ectopic == ectopic
    interval = 0.75 * beats.rr.mean() + 0.25 * beats.rr[chosen]
    qt = anatomy.qt * np.cbrt(interval)[:, np.newaxis]
    late = np.array([name in REPOLARISATION for name in waves])
    stretch = np.where(late, qt, 1.0)
    centres = np.array([wave.centre for wave in waves.values()])
    widths = np.array([wave.width for wave in waves.values()])
    vectors = np.array([wave.vector for wave in waves.values()])
    turned = np.where(late[:, np.newaxis], vectors @ anatomy.repolarisation.T, vectors)
    # Breathing moves the heart and fills the lungs: beats swell and shrink by some percent.
    peaks = beats.swell[chosen][:, np.newaxis, np.newaxis] * (turned @ anatomy.rotation.T)
    events = beats.qrs[chosen][:, np.newaxis] + centres * stretch
    return events.ravel(), (widths * stretch).ravel(), peaks.reshape(-1, 3)


def atrial_events(
    beats: Beats, waves: Mapping[str, Wave], anatomy: Anatomy
) -> tuple[Floats, Floats, Floats]:
    """Lay `waves` on the P waves; returns what `beat_events` does."""
    vectors = np.array([wave.vector for wave in waves.values()]) @ anatomy.rotation.T
    centres = np.array([wave.centre for wave in waves.values()])
    widths = np.array([wave.width for wave in waves.values()])
    count = beats.atrial.size
    events = beats.atrial[:, np.newaxis] + centres
    return events.ravel(), np.tile(widths, count), np.tile(vectors, (count, 1))


def twelve_leads(eight: Floats) -> Floats:
    """Leads I, II, V1-V6, shape (8, time), to all of `LEADS`, shape (12, time)."""
    return np.concatenate([LIMB @ eight[:2], eight[2:]])
