"""Synthetic 12-lead ECGs: rhythm, a dipole per beat, a torso, electrodes and their noise.

Nothing here knows of datasets; `lcd_plugin.data.cohorts.synthetic` makes a cohort of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.synthesis.conditions import (
    CONDITIONS,
    change_rhythm,
    change_waves,
    check,
    ectopic_waves,
)
from lcd_plugin.data.synthesis.dipole import (
    ATRIA,
    LEADS,
    VENTRICLES,
    atrial_events,
    beat_events,
    dipole,
    draw_anatomy,
    draw_waves,
    misplaced,
    twelve_leads,
)
from lcd_plugin.data.synthesis.noise import draw_noise
from lcd_plugin.data.synthesis.rhythm import Beats, draw_beats, draw_rhythm, fibrillation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONDITIONS", "LEADS", "Tracing", "synthesize"]


@dataclass(frozen=True)
class Tracing:
    """A synthetic ECG and the beats behind it.

    Attributes:
        signal: mV, shape (12, time), rows as `LEADS`.
        beats: when the atria and ventricles beat.
    """

    signal: NDArray[np.float64]
    beats: Beats


def synthesize(
    conditions: Collection[str],
    patient: np.random.Generator,
    record: np.random.Generator,
    *,
    rate: float,
    seconds: float = 10.0,
    noise: float = 1.0,
) -> Tracing:
    """Make one ECG.

    Args:
        conditions: some of `CONDITIONS` that go together.
        patient: draws the heart and the chest; a generator in the same state is the same
            person.
        record: draws rhythm, where the electrodes are put, and noise.
        rate: samples per s.
        seconds: length.
        noise: factor on noise and on misplacement of electrodes; 0 is a perfect recording,
            with the rhythm and the heart unchanged.

    Raises:
        ValueError: the conditions do not go together.
    """
    chosen = check(conditions)
    samples = round(rate * seconds)
    timing, electrodes, disturbance = record.spawn(3)
    anatomy = draw_anatomy(patient)
    atria, ventricles = draw_waves(patient, ATRIA), draw_waves(patient, VENTRICLES)
    waves = change_waves(ventricles, chosen, patient)
    rhythm = change_rhythm(draw_rhythm(timing), chosen, timing)
    beats = draw_beats(rhythm, seconds, timing)

    events = [
        beat_events(beats, waves, anatomy, ectopic=False),
        beat_events(beats, ectopic_waves(timing), anatomy, ectopic=True),
        atrial_events(beats, atria, anatomy),
    ]
    centres, widths, vectors = (np.concatenate(part) for part in zip(*events, strict=True))
    heart = dipole(centres, widths, vectors, rate, samples)
    if rhythm.fibrillating:
        heart += anatomy.rotation @ fibrillation(np.arange(samples) / rate, timing)
    eight = misplaced(anatomy.field, electrodes, noise) @ heart
    if noise > 0:
        eight += noise * draw_noise(samples, rate, rhythm.breath, disturbance)
    return Tracing(twelve_leads(eight), beats)
