from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample as fourier_resample

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.settings import PAPER_LEADS, DataSettings
from lcd_plugin.data.signals import normalise, resample, shape_recording
from lcd_plugin.errors import RecordError

RNG = np.random.default_rng(0)


def recording(rate: float = 100, seconds: float = 10, leads: tuple[str, ...] = PAPER_LEADS):
    signal = RNG.normal(0, 0.4, (len(leads), round(rate * seconds)))
    return Recording(signal=signal, rate=rate, leads=leads)


def shape(source: Recording, settings: DataSettings) -> np.ndarray:
    """The only window of a recording, with nothing found."""
    shaped = shape_recording(source, settings, physical=False)
    assert shaped.findings == ()
    assert shaped.numbers == (0,)
    return shaped.windows[0]


def test_leads_are_chosen_by_name_in_the_order_asked_for():
    names = ("v1", "II", "aVR", "iii")
    source = Recording(RNG.normal(0, 0.4, (4, 1000)), 100, names)
    shaped = shape(source, DataSettings(leads=("II", "V1")))
    expected = source.signal[[1, 0]]
    expected = (expected - np.median(expected, axis=1, keepdims=True)) / 0.25
    np.testing.assert_allclose(shaped, expected, atol=2e-3)


@pytest.mark.parametrize("rate", [500.0, 1000.0, 257.0, 360.0])
def test_resampling_keeps_what_the_new_rate_can_hold(rate: float):
    """A band-limited signal against Fourier resampling, away from the ends."""
    time = np.arange(round(10 * rate)) / rate
    signal = sum(np.sin(2 * np.pi * f * time + f) for f in (1.0, 5.0, 17.0))[None]
    ours = resample(signal, rate, 100.0)
    exact = fourier_resample(signal, ours.shape[1], axis=1)
    assert ours.shape[1] == 1000
    np.testing.assert_allclose(ours[:, 50:-50], exact[:, 50:-50], atol=0.02)


def test_resampling_removes_what_would_fold_back():
    """90 Hz would appear as 10 Hz at full amplitude; the ends are those of any filter."""
    time = np.arange(5000) / 500
    resampled = resample(np.sin(2 * np.pi * 90 * time)[None], 500.0, 100.0)
    assert np.abs(resampled[:, 20:-20]).max() < 0.02


def test_an_offset_does_not_ring_at_the_ends():
    assert np.abs(resample(np.full((1, 5000), 3.0), 500.0, 100.0) - 3).max() < 1e-3


def test_paper_length_from_500_hz():
    settings = DataSettings(rate=204.8, seconds=10)
    assert shape(recording(500), settings).shape == (8, 2048)


def test_long_records_are_cut_to_their_middle():
    source = Recording(np.tile(np.arange(3000) * 1e-3, (8, 1)), 100, PAPER_LEADS)
    shaped = shape(source, DataSettings(seconds=10)).astype(float) * 0.25
    expected = np.arange(1000, 2000) * 1e-3
    np.testing.assert_allclose(shaped[0], expected - np.median(expected), atol=2e-3)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (recording(seconds=5), "too short: 5.00 s of 10 s"),
        (recording(leads=("I", "II", "V1")), "too few leads: V2, V3"),
    ],
)
def test_records_that_do_not_fit_are_refused(source: Recording, complaint: str):
    with pytest.raises(RecordError, match=complaint):
        shape_recording(source, DataSettings())


def test_missing_samples_name_the_lead():
    source = recording()
    source.signal[3, 17] = np.nan
    shaped = shape_recording(source, DataSettings(), physical=False)
    assert shaped.numbers == ()
    [(finding, done)] = shaped.findings
    assert (finding.kind, finding.lead, done) == ("nan", "V2", "left out")
    assert "lead V2 has 1 missing samples" in finding.reason


def test_z_scores():
    signal = RNG.normal(2, [[0.1], [5.0]], (2, 1000))
    by_lead = normalise(signal, "lead")
    np.testing.assert_allclose(by_lead.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(by_lead.std(axis=1), 1)
    by_record = normalise(signal, "record")
    assert by_record.std() == pytest.approx(1)
    # The ratio of the leads survives a z-score of the record, not one of the lead.
    assert by_record[1].std() / by_record[0].std() == pytest.approx(
        signal[1].std() / signal[0].std()
    )


def test_a_flat_lead_stays_zero():
    signal = np.vstack([np.zeros(100), RNG.normal(size=100)])
    assert (normalise(signal, "lead")[0] == 0).all()


def test_physical_amplitude_survives_and_is_clipped():
    signal = np.zeros((1, 1001))
    signal[0, 500], signal[0, 501] = 1.0, 100.0
    scaled = normalise(signal, "physical")
    assert scaled[0, 500] == 4.0
    assert scaled[0, 501] == 30.0


def test_settings_refuse_unknown_keys_and_repeated_leads():
    with pytest.raises(ValueError, match="different names"):
        DataSettings(leads=("II", "ii"))
    with pytest.raises(ValueError, match="extra"):
        DataSettings(frequency=100)  # type: ignore[call-arg]
