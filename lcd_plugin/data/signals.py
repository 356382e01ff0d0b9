"""From a recording to one row of the store: leads, rate, length, scale."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import resample_poly

from lcd_plugin.data.leads import canonical_lead
from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Recording
    from lcd_plugin.data.settings import DataSettings

MILLIVOLTS_A_UNIT = 0.25
LARGEST_UNIT = 30.0


def shape_recording(recording: Recording, settings: DataSettings) -> NDArray[np.float16]:
    """Bring a recording to the settings' leads, rate, length and scale.

    Returns:
        Shape (leads, samples). Half precision resolves 1 uV at 1 mV, the step of the usual
        recorder.

    Raises:
        RecordError: a lead is missing, the record is too short or holds NaN.
    """
    signal = _choose_leads(recording, settings.leads)
    signal = _cut_middle(signal, recording.rate, settings.seconds)
    if not np.isfinite(signal).all():
        lead = settings.leads[int(np.argmax(~np.isfinite(signal).all(axis=1)))]
        raise RecordError(f"lead {lead} has missing samples (NaN)")
    signal = resample(signal, recording.rate, settings.rate)
    signal = _exact_length(signal, settings.samples)
    return normalise(signal, settings.normalisation).astype(np.float16)


def _choose_leads(recording: Recording, leads: tuple[str, ...]) -> NDArray[np.float64]:
    rows = {canonical_lead(name): row for row, name in enumerate(recording.leads)}
    missing = [lead for lead in leads if lead not in rows]
    if missing:
        raise RecordError(f"too few leads: {', '.join(missing)} missing")
    return recording.signal[[rows[lead] for lead in leads]]


def _cut_middle(signal: NDArray[np.float64], rate: float, seconds: float) -> NDArray[np.float64]:
    length = round(rate * seconds)
    spare = signal.shape[1] - length
    if spare < 0:
        raise RecordError(f"too short: {signal.shape[1] / rate:.2f} s of {seconds:g} s")
    return signal[:, spare // 2 : spare // 2 + length]


def resample(signal: NDArray[np.float64], rate: float, target_rate: float) -> NDArray[np.float64]:
    """Polyphase resampling with its anti-aliasing filter, along the last axis.

    Args:
        signal: shape (leads, time).
        rate: its rate in Hz.
        target_rate: the rate wanted in Hz.
    """
    ratio = Fraction(target_rate / rate).limit_denominator(10_000)
    if ratio == 1:
        return signal
    # Extending by a straight line keeps offset and drift from ringing at the ends.
    resampled: NDArray[np.float64] = resample_poly(
        signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line"
    )
    return resampled


def _exact_length(signal: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    # Rounding of rates can leave a sample too many or one too few.
    if signal.shape[1] >= samples:
        return signal[:, :samples]
    return np.pad(signal, ((0, 0), (0, samples - signal.shape[1])), mode="edge")


def normalise(signal: NDArray[np.float64], way: str) -> NDArray[np.float64]:
    """Scale a record in mV, shape (leads, time); see `DataSettings.normalisation`.

    A flat lead stays zero under a z-score.
    """
    if way == "physical":
        centred = signal - np.median(signal, axis=1, keepdims=True)
        return np.clip(centred / MILLIVOLTS_A_UNIT, -LARGEST_UNIT, LARGEST_UNIT)
    axis = 1 if way == "lead" else None
    mean = signal.mean(axis=axis, keepdims=True)
    deviation = signal.std(axis=axis, keepdims=True)
    # 1 uV: below what recorders resolve, so such a lead is flat and noise is not blown up.
    scaled: NDArray[np.float64] = (signal - mean) / np.where(deviation < 1e-3, np.inf, deviation)
    return scaled
