"""From a recording to rows of the store: leads, length, quality, rate, scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.signal import firwin, resample_poly

from lcd_plugin.data.leads import canonical_lead, derive_leads
from lcd_plugin.data.quality import Finding, inspect_leads, inspect_limb_leads
from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Recording
    from lcd_plugin.data.settings import DataSettings

Floats: TypeAlias = "NDArray[np.floating[Any]]"

MILLIVOLTS_A_UNIT = 0.25
LARGEST_UNIT = 30.0
RATES = (1.0, 1e6)  # Hz; whatever says less or more is damaged


@dataclass(frozen=True)
class Shaped:
    """What a recording comes to.

    Attributes:
        windows: shape (windows, leads, samples). Half precision resolves 1 uV at 1 mV, the step
            of the usual recorder.
        numbers: which windows of the recording they are, in order of time.
        findings: what the quality gate found, with what was done: `left out`, `masked`, `kept`.
    """

    windows: NDArray[np.float16]
    numbers: tuple[int, ...]
    findings: tuple[tuple[Finding, str], ...]


def shape_recording(
    recording: Recording, settings: DataSettings, *, physical: bool = True
) -> Shaped:
    """Bring a recording to the settings' leads, length, quality, rate and scale.

    Args:
        recording: in mV, at its own rate.
        settings: what to bring it to.
        physical: whether its amplitudes are to one scale, so that limb leads can be compared.

    Raises:
        RecordError: a lead is missing, the record is too short, or its rate is none.
    """
    findings: list[tuple[Finding, str]] = []
    if not RATES[0] <= recording.rate <= RATES[1]:
        raise RecordError(f"has a sampling rate of {recording.rate:g} Hz")
    if physical:
        policy = settings.quality.gain
        found = inspect_limb_leads(recording)
        findings += [(finding, _done(policy)) for finding in found]
        if found and policy == "drop":
            return _nothing(settings, findings)
    signal, absent = _choose_leads(recording, settings)
    findings += [
        (Finding("missing", lead, f"lead {lead} is not there"), "masked") for lead in absent
    ]
    windows, numbers = [], []
    pieces = _cut(signal, recording.rate, settings)
    for number, window in enumerate(pieces):
        shaped, found_here = _shape_window(window, recording.rate, settings, absent)
        where = f" (window {number})" if len(pieces) > 1 else ""
        findings += [(replace(f, reason=f.reason + where), done) for f, done in found_here]
        if shaped is not None:
            windows.append(shaped)
            numbers.append(number)
    if not windows:
        return _nothing(settings, findings)
    return Shaped(np.stack(windows), tuple(numbers), tuple(findings))


def _nothing(settings: DataSettings, findings: list[tuple[Finding, str]]) -> Shaped:
    shape = (0, len(settings.leads), settings.samples)
    return Shaped(np.empty(shape, dtype=np.float16), (), tuple(findings))


def _done(policy: str) -> str:
    return {"drop": "left out", "mask": "masked", "keep": "kept"}[policy]


def _choose_leads(
    recording: Recording, settings: DataSettings
) -> tuple[NDArray[np.float64], list[str]]:
    """Rows of the settings' leads, and the names of those that nothing is known of."""
    rows: dict[str, int] = {}
    for row, name in enumerate(recording.leads):
        rows.setdefault(canonical_lead(name), row)
    missing = [lead for lead in settings.leads if lead not in rows]
    if not missing:
        return recording.signal[[rows[lead] for lead in settings.leads]], []
    absent = [lead for lead in missing if derive_leads([lead], list(rows)) is None]
    if absent and (settings.quality.missing == "drop" or len(absent) == len(settings.leads)):
        reason = f"too few leads: {', '.join(absent)} missing"
        raise RecordError(reason, kind="missing", lead=absent[0] if len(absent) == 1 else "")
    signal = np.zeros((len(settings.leads), recording.signal.shape[1]))
    for i, lead in enumerate(settings.leads):
        if lead in rows:
            signal[i] = recording.signal[rows[lead]]
        elif lead not in absent:
            weights = derive_leads([lead], list(rows))
            assert weights is not None, "leads that do not follow are absent"
            for source, weight in weights[lead].items():
                signal[i] += weight * recording.signal[rows[source]]
    return signal, absent


def _cut(
    signal: NDArray[np.float64], rate: float, settings: DataSettings
) -> list[NDArray[np.float64]]:
    length = round(rate * settings.seconds)
    total = signal.shape[1]
    if total < length:
        if settings.shorter == "drop" or total < 2:
            reason = f"too short: {total / rate:.2f} s of {settings.seconds:g} s"
            raise RecordError(reason, kind="short")
        return [signal]
    count = total // length if settings.longer == "windows" else 1
    start = (total - count * length) // 2
    return [signal[:, start + i * length : start + (i + 1) * length] for i in range(count)]


def _shape_window(
    signal: NDArray[np.float64], rate: float, settings: DataSettings, absent: list[str]
) -> tuple[NDArray[np.float16] | None, list[tuple[Finding, str]]]:
    """One window of the store, or None if it is left out, and what was found in it."""
    there = [i for i, lead in enumerate(settings.leads) if lead not in absent]
    names = [settings.leads[i] for i in there]
    policies = settings.quality.model_dump()
    found = inspect_leads(signal[there], names, rate)
    findings = [(finding, _done(policies[finding.kind])) for finding in found]
    if any(done == "left out" for _, done in findings):
        return None, findings
    masked = {finding.lead for finding, done in findings if done == "masked"}
    if any(done == "masked" and not f.lead for f, done in findings):
        masked |= set(names)
    # A lead that is found flat may be so for half of the record only.
    still = {settings.leads[i] for i in there if np.ptp(signal[i]) == 0}
    if masked | still >= set(names):
        empty = Finding("empty", "", "no lead carries a signal")
        return None, [*findings, (empty, "left out")]
    carrying = np.array([lead in names and lead not in masked for lead in settings.leads])
    # Single precision is a thousand times finer than what is stored, and takes half the time.
    single = np.where(carrying[:, None], signal, 0.0).astype(np.float32)
    shaped = resample(single, rate, settings.rate)
    shaped = normalise(_exact_length(shaped, settings), settings.normalisation, carrying)
    return _pad(shaped, settings.samples).astype(np.float16), findings


def resample(signal: Floats, rate: float, target_rate: float) -> Floats:
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
    resampled: Floats = resample_poly(
        signal,
        ratio.numerator,
        ratio.denominator,
        axis=-1,
        padtype="line",
        window=_low_pass(max(ratio.numerator, ratio.denominator), signal.dtype.char),
    )
    return resampled


@lru_cache(maxsize=16)
def _low_pass(largest: int, kind: str) -> NDArray[Any]:
    """The filter that scipy would design anew for every record, at three times its use's cost."""
    taps = firwin(20 * largest + 1, 1 / largest, window=("kaiser", 5.0))
    return np.asarray(taps, dtype=kind)


def _exact_length(signal: Floats, settings: DataSettings) -> Floats:
    # Rounding of rates can leave a sample too many or one too few.
    if signal.shape[1] >= settings.samples:
        return signal[:, : settings.samples]
    if settings.shorter == "pad" and settings.samples - signal.shape[1] > 1:
        return signal
    spare = settings.samples - signal.shape[1]
    longer: NDArray[Any] = np.pad(signal, ((0, 0), (0, spare)), mode="edge")
    return longer


def _pad(signal: Floats, samples: int) -> Floats:
    """Zeros at both ends; after normalising, so that they shift no mean and no median."""
    spare = samples - signal.shape[1]
    if not spare:
        return signal
    padded: NDArray[Any] = np.pad(signal, ((0, 0), (spare // 2, spare - spare // 2)))
    return padded


def normalise(signal: Floats, way: str, carrying: NDArray[np.bool_] | None = None) -> Floats:
    """Scale a record in mV, shape (leads, time); see `DataSettings.normalisation`.

    A flat lead stays zero under a z-score. Leads that carry nothing (`carrying` is False) become
    zero and count in no mean.
    """
    if carrying is None or carrying.all():
        return _scale(signal, way)
    scaled = np.zeros_like(signal)
    scaled[carrying] = _scale(signal[carrying], way)
    return scaled


def _scale(signal: Floats, way: str) -> Floats:
    if way == "physical":
        centred = signal - np.median(signal, axis=1, keepdims=True)
        clipped: Floats = np.clip(centred / MILLIVOLTS_A_UNIT, -LARGEST_UNIT, LARGEST_UNIT)
        return clipped
    axis = 1 if way == "lead" else None
    mean = signal.mean(axis=axis, keepdims=True)
    deviation = signal.std(axis=axis, keepdims=True)
    # 1 uV: below what recorders resolve, so such a lead is flat and noise is not blown up.
    scaled: Floats = (signal - mean) / np.where(deviation < 1e-3, np.inf, deviation)
    return scaled
