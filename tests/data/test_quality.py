"""The quality gate: hand-made signals, what each policy does, and what is found in real records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.leads import STANDARD_LEADS
from lcd_plugin.data.quality import Finding, inspect_leads, inspect_limb_leads
from lcd_plugin.data.settings import PAPER_LEADS, DataSettings, QualitySettings
from lcd_plugin.data.signals import Shaped, shape_recording
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.errors import RecordError

RATE = 100.0
EIGHT = DataSettings()
WAYS = ("physical", "record", "lead")

Way = Literal["physical", "record", "lead"]


def beats(leads: int = 8, seconds: float = 10, seed: int = 0) -> NDArray[np.float64]:
    """Narrow peaks of about 1 mV each second, on noise of 20 uV."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    peaks = np.exp(-0.5 * ((time % 1 - 0.5) / 0.02) ** 2)
    height = rng.uniform(0.5, 1.5, (leads, 1)) * rng.choice([-1, 1], (leads, 1))
    return height * peaks + rng.normal(0, 0.02, (leads, len(time)))


def twelve(seed: int = 0) -> NDArray[np.float64]:
    """All standard leads, limb leads by Einthoven and Goldberger, rounded to 1 uV."""
    signal = beats(12, seed=seed)
    signal[1] = np.roll(signal[1], 12)  # peaks of I and II apart, so that no lead is small
    one, two = signal[0], signal[1]
    signal[2:6] = [two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.rint(signal * 1000) / 1000


def kinds(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.kind, finding.lead) for finding in findings]


def inspect(signal: NDArray[np.float64], rate: float = RATE) -> list[tuple[str, str]]:
    return kinds(inspect_leads(signal, PAPER_LEADS[: len(signal)], rate))


def shape(signal: NDArray[np.float64], settings: DataSettings = EIGHT) -> Shaped:
    return shape_recording(Recording(signal, RATE, PAPER_LEADS), settings, physical=False)


def with_policy(kind: str, policy: str, way: Way = "physical") -> DataSettings:
    quality = QualitySettings.model_validate({kind: policy})
    return DataSettings(normalisation=way, quality=quality)


# One lead


def test_nothing_is_found_in_a_good_signal():
    assert inspect(beats()) == []
    assert inspect_limb_leads(Recording(twelve(), RATE, STANDARD_LEADS)) == []


@pytest.mark.parametrize("level", [0.0, 0.7, -12.0])
def test_a_constant_lead_is_flat(level: float):
    signal = beats()
    signal[3] = level
    assert inspect(signal) == [("flat", "V2")]


@pytest.mark.parametrize(
    ("samples", "flat"), [(501, True), (500, True), (499, False), (300, False)]
)
@pytest.mark.parametrize("start", [0, 220, -1])
def test_half_a_record_is_enough_to_be_flat(samples: int, flat: bool, start: int):
    signal = beats()
    start = 1000 - samples if start < 0 else start
    signal[0, start : start + samples] = 0.1
    assert inspect(signal) == ([("flat", "II")] if flat else [])


def test_pauses_that_come_to_half_a_record_are_not_flat():
    """A quiet baseline between beats is constant in recorders of coarse steps."""
    signal = np.where(np.abs(beats()) > 0.2, beats(), 0.0)
    assert (signal == 0).mean() > 0.7
    assert inspect(signal) == []


@pytest.mark.parametrize("limit", [3.0, -3.0])
@pytest.mark.parametrize(("samples", "railed"), [(10, True), (40, True), (9, False)])
def test_a_tenth_of_a_second_at_the_limit_is_a_rail(limit: float, samples: int, railed: bool):
    signal = beats()
    signal[2, 333 : 333 + samples] = limit
    assert inspect(signal) == ([("railed", "V1")] if railed else [])


@pytest.mark.parametrize("rate", [250.0, 500.0, 1000.0])
def test_the_tenth_of_a_second_is_one_at_every_rate(rate: float):
    signal = np.repeat(beats(1), round(rate / RATE), axis=1)
    signal += np.random.default_rng(1).normal(0, 0.001, signal.shape)
    for samples in (round(rate / 10) - 1, round(rate / 10)):
        railed = signal.copy()
        railed[0, 1000 : 1000 + samples] = 4.0
        assert inspect(railed, rate) == ([("railed", "II")] if samples >= rate / 10 else [])


@pytest.mark.parametrize(("limit", "railed"), [(0.9, False), (1.1, True)])
def test_a_plateau_within_a_millivolt_of_the_baseline_is_no_rail(limit: float, railed: bool):
    signal = beats()
    signal[4] = np.minimum(np.abs(signal[4]), limit)
    signal[4, 300:330] = limit
    signal[4, 400] = -0.3  # it spans more than a millivolt in any case
    assert inspect(signal) == ([("railed", "V3")] if railed else [])
    signal[4] = np.maximum(signal[4] - 0.1, 0.0)  # half of the noise is below
    signal[4, 600] = -0.1
    assert inspect(signal) == []


def test_a_plateau_below_the_largest_value_is_no_rail():
    signal = beats()
    signal[4, 300:350] = 2.0
    signal[4, 700] = 2.5
    assert inspect(signal) == []


@pytest.mark.parametrize("peak", [20.5, -20.5, 300.0])
def test_a_spike_of_more_than_20_mv_is_too_much(peak: float):
    signal = beats() + 5.0
    signal[6, 500] += peak
    [finding] = inspect_leads(signal, PAPER_LEADS, RATE)
    assert kinds([finding]) == [("amplitude", "V5")]
    far = np.abs(signal[6] - np.median(signal[6])).max()
    assert finding.reason == f"lead V5 leaves its median by {far:.3g} mV"


def test_20_mv_are_counted_from_the_median():
    signal = beats() * 0.1 - 300.0
    signal[6, 500] += 19.0
    assert inspect(signal) == []
    # From +15 mV to -15 mV are 30 mV, but none is far from the middle.
    signal[6, 600:602] += (15.0, -15.0)
    assert inspect(signal) == []


def test_a_record_in_which_everything_is_tiny():
    tiny = beats() * 0.02
    assert np.ptp(tiny, axis=1).max() < 0.1
    [finding] = inspect_leads(tiny, PAPER_LEADS, RATE)
    assert (finding.kind, finding.lead) == ("amplitude", "")
    assert finding.reason.startswith("no lead spans more than 0.0")
    # One lead that is not is enough, whatever the offset of the others.
    tiny[5, 200] += 0.15
    assert inspect(tiny + 3.0) == []


def test_missing_samples_are_counted_and_come_before_other_findings():
    signal = beats()
    signal[1, 10:13] = np.nan
    signal[2] = np.nan
    found = inspect_leads(signal, PAPER_LEADS, RATE)
    assert kinds(found) == [("nan", "III"), ("nan", "V1")]
    assert [finding.reason for finding in found] == [
        "lead III has 3 missing samples (NaN)",
        "lead V1 has 1000 missing samples (NaN)",
    ]


def test_several_leads_have_a_finding_each():
    signal = beats()
    signal[0] = 1.0
    signal[3, 100:150] = 7.0
    signal[5, 5] = 50.0
    signal[7, 5] = np.nan
    signal[7, 6] = 50.0
    assert inspect(signal) == [
        ("flat", "II"),
        ("railed", "V2"),
        ("amplitude", "V4"),
        ("nan", "V6"),
        ("amplitude", "V6"),
    ]


# Limb leads


@pytest.mark.parametrize("lead", STANDARD_LEADS[:6])
@pytest.mark.parametrize("factor", [0.5, 1.15, 5.0, -1.0])
def test_a_limb_lead_of_a_wrong_gain_is_named(lead: str, factor: float):
    signal = twelve()
    signal[STANDARD_LEADS.index(lead)] *= factor
    [finding] = inspect_limb_leads(Recording(signal, RATE, STANDARD_LEADS))
    assert (finding.kind, finding.lead) == ("gain", lead)
    assert finding.reason == f"lead {lead} contradicts the other limb leads"


def test_two_exchanged_leads_are_a_contradiction():
    signal = twelve()
    signal[[0, 4]] = signal[[4, 0]]
    assert kinds(inspect_limb_leads(Recording(signal, RATE, STANDARD_LEADS))) == [("gain", "")]


def test_of_two_limb_leads_of_a_wrong_gain_none_is_named():
    signal = twelve()
    signal[1] *= 2
    signal[3] *= 0.4
    [finding] = inspect_limb_leads(Recording(signal, RATE, STANDARD_LEADS))
    assert (finding.kind, finding.lead) == ("gain", "")
    assert finding.reason == "the leads I, II, III, aVR, aVL, aVF contradict each other"


def test_of_three_limb_leads_none_can_be_named():
    signal = twelve()[:3]
    recording = Recording(signal, RATE, ("I", "II", "III"))
    assert inspect_limb_leads(recording) == []
    signal[1] *= 1.5
    [finding] = inspect_limb_leads(recording)
    assert (finding.kind, finding.lead) == ("gain", "")
    assert finding.reason == "the leads I, II, III contradict each other"


def test_of_four_limb_leads_the_wrong_one_is_named():
    leads = ("lead i", "AVF", "V1", "DII", "avl")
    signal = twelve()[[0, 5, 6, 1, 4]]
    recording = Recording(signal, RATE, leads)
    assert inspect_limb_leads(recording) == []
    signal[4] *= 2
    assert kinds(inspect_limb_leads(recording)) == [("gain", "aVL")]


def test_two_limb_leads_cannot_contradict_each_other():
    signal = np.random.default_rng(0).normal(0, 1, (3, 500))
    assert inspect_limb_leads(Recording(signal, RATE, ("I", "II", "V1"))) == []


def test_offsets_and_rounding_contradict_nothing():
    offsets = np.random.default_rng(1).normal(0, 5, (12, 1))
    coarse = np.rint(twelve() / 0.005) * 0.005 + offsets
    assert inspect_limb_leads(Recording(coarse, RATE, STANDARD_LEADS)) == []


def test_a_difference_of_less_than_a_twentieth_is_let_pass():
    """Of the largest lead; what one lead contradicts, the fit spreads over all."""
    for factor, found in ((1.02, 0), (1.3, 1)):
        signal = twelve()
        signal[1] *= factor
        assert len(inspect_limb_leads(Recording(signal, RATE, STANDARD_LEADS))) == found


def test_limb_leads_with_missing_samples_or_no_signal_are_not_compared():
    signal = twelve()
    signal[1] *= 3
    signal[5, 3] = np.nan
    assert inspect_limb_leads(Recording(signal, RATE, STANDARD_LEADS)) == []
    assert inspect_limb_leads(Recording(np.zeros((12, 1000)), RATE, STANDARD_LEADS)) == []


@pytest.mark.parametrize(("policy", "windows"), [("drop", 0), ("keep", 1)])
def test_wrong_gains_leave_a_record_out_or_are_listed(policy: str, windows: int):
    signal = twelve()
    signal[4] *= 3
    settings = with_policy("gain", policy)
    shaped = shape_recording(Recording(signal, RATE, STANDARD_LEADS), settings)
    assert len(shaped.windows) == windows
    [(finding, done)] = shaped.findings
    assert (finding.kind, finding.lead) == ("gain", "aVL")
    assert done == {"drop": "left out", "keep": "kept"}[policy]
    # A cohort of which nobody knows the scale is not compared.
    unscaled = shape_recording(Recording(signal, RATE, STANDARD_LEADS), settings, physical=False)
    assert unscaled.findings == ()
    assert len(unscaled.windows) == 1


# Policies


def flawed(kind: str) -> NDArray[np.float64]:
    """Something wrong with V3 alone."""
    signal = beats(seed=4)
    if kind == "flat":
        signal[4] = 0.4
    elif kind == "railed":
        signal[4, 200:240] = 5.0
    elif kind == "amplitude":
        signal[4, 200] = 100.0
    else:
        signal[4, 200] = np.nan
    return signal


def scaled_by_hand(signal: NDArray[np.float64], way: Way) -> NDArray[np.float64]:
    if way == "physical":
        centred = signal - np.median(signal, axis=1, keepdims=True)
        return np.clip(centred / 0.25, -30, 30)
    if way == "lead":
        return (signal - signal.mean(1, keepdims=True)) / signal.std(1, keepdims=True)
    return (signal - signal.mean()) / signal.std()


HALF = {"rtol": 6e-4, "atol": 1e-4}  # what half precision rounds off


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["nan", "flat", "railed", "amplitude"])
def test_a_dropped_record_has_no_rows_and_a_reason(kind: str, way: Way):
    shaped = shape(flawed(kind), with_policy(kind, "drop", way))
    assert shaped.windows.shape == (0, 8, 1000)
    assert shaped.numbers == ()
    [(finding, done)] = shaped.findings
    assert (finding.kind, finding.lead, done) == (kind, "V3", "left out")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["nan", "flat", "railed", "amplitude"])
def test_a_masked_lead_is_zero_and_shifts_no_other(kind: str, way: Way):
    signal = flawed(kind)
    shaped = shape(signal, with_policy(kind, "mask", way))
    [(finding, done)] = shaped.findings
    assert (finding.kind, finding.lead, done) == (kind, "V3", "masked")
    [window] = shaped.windows
    assert (window[4] == 0).all()
    others = [0, 1, 2, 3, 5, 6, 7]
    np.testing.assert_allclose(window[others], scaled_by_hand(signal[others], way), **HALF)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["railed", "amplitude"])
def test_a_kept_lead_stays_as_it_is(kind: str, way: Way):
    signal = flawed(kind)
    shaped = shape(signal, with_policy(kind, "keep", way))
    [(finding, done)] = shaped.findings
    assert (finding.kind, finding.lead, done) == (kind, "V3", "kept")
    np.testing.assert_allclose(shaped.windows[0], scaled_by_hand(signal, way), **HALF)


@pytest.mark.parametrize("way", ["physical", "lead"])
def test_a_kept_flat_lead_is_zero_where_leads_are_centred(way: Way):
    shaped = shape(flawed("flat"), with_policy("flat", "keep", way))
    assert [(f.kind, f.lead, done) for f, done in shaped.findings] == [("flat", "V3", "kept")]
    assert (shaped.windows[0, 4] == 0).all()


def test_a_kept_flat_lead_counts_in_the_mean_of_a_record():
    signal = flawed("flat")
    shaped = shape(signal, with_policy("flat", "keep", "record"))
    np.testing.assert_allclose(shaped.windows[0], scaled_by_hand(signal, "record"), **HALF)


@pytest.mark.parametrize("way", WAYS)
def test_masking_at_another_rate_is_exactly_zero_too(way: Way):
    signal = np.repeat(flawed("nan"), 5, axis=1)
    settings = with_policy("nan", "mask", way)
    shaped = shape_recording(Recording(signal, 5 * RATE, PAPER_LEADS), settings, physical=False)
    [window] = shaped.windows
    assert (window[4] == 0).all()
    assert np.isfinite(window).all()
    assert (window[3] != 0).any()


@pytest.mark.parametrize("way", WAYS)
def test_masked_and_missing_leads_leave_the_rest_as_alone(way: Way):
    """A record of six leads comes to the same numbers as the six leads of a record of eight."""
    quality = QualitySettings(missing="mask", flat="mask")
    signal = flawed("flat")[1:]
    wide = DataSettings(leads=("V7", *PAPER_LEADS[1:]), normalisation=way, quality=quality)
    six = ("III", "V1", "V2", "V4", "V5", "V6")
    narrow = DataSettings(leads=six, normalisation=way)
    recording = Recording(signal, RATE, PAPER_LEADS[1:])
    shaped = shape_recording(recording, wide, physical=False)
    assert [(f.kind, f.lead, done) for f, done in shaped.findings] == [
        ("missing", "V7", "masked"),
        ("flat", "V3", "masked"),
    ]
    assert (shaped.windows[0, [0, 4]] == 0).all()
    alone = shape_recording(recording, narrow, physical=False)
    np.testing.assert_array_equal(shaped.windows[0, [1, 2, 3, 5, 6, 7]], alone.windows[0])


@pytest.mark.parametrize("policy", ["mask", "keep"])
def test_a_record_without_any_signal_is_left_out(policy: str):
    for signal in (np.zeros((8, 1000)), np.tile(np.arange(8.0)[:, None], 1000)):
        shaped = shape(signal, with_policy("flat", policy))
        assert shaped.numbers == ()
        *flat, (empty, done) = shaped.findings
        assert kinds(finding for finding, _ in flat) == [("flat", lead) for lead in PAPER_LEADS]
        assert (empty.kind, empty.lead, done) == ("empty", "", "left out")
        assert empty.reason == "no lead carries a signal"


def test_a_record_of_flat_and_masked_leads_is_left_out():
    signal = beats()
    signal[:5] = 0.0
    signal[5:, 7] = np.nan
    quality = QualitySettings(nan="mask", flat="keep")
    shaped = shape(signal, DataSettings(quality=quality))
    assert shaped.numbers == ()
    assert shaped.findings[-1][0].kind == "empty"
    signal[7] = beats()[7]
    assert shape(signal, DataSettings(quality=quality)).numbers == (0,)


def test_a_record_that_is_flat_for_half_of_its_time_carries_a_signal():
    signal = beats()
    signal[:, :500] = 0.0
    shaped = shape(signal, with_policy("flat", "keep"))
    assert [done for _, done in shaped.findings] == ["kept"] * 8
    assert shaped.numbers == (0,)


@pytest.mark.parametrize(("policy", "numbers"), [("drop", ()), ("mask", ()), ("keep", (0,))])
def test_a_tiny_record_is_left_out_masked_away_or_kept(policy: str, numbers: tuple[int, ...]):
    signal = beats() * 0.02
    shaped = shape(signal, with_policy("amplitude", policy))
    assert shaped.numbers == numbers
    assert shaped.findings[0][0].reason.startswith("no lead spans more than")
    if policy == "keep":
        expected = scaled_by_hand(signal, "physical")
        np.testing.assert_allclose(shaped.windows[0], expected, **HALF)


@pytest.mark.parametrize("rate", [0.0, 0.01, -500.0, np.inf, np.nan, 1e9])
@pytest.mark.parametrize("shorter", ["drop", "pad"])
def test_a_rate_that_is_none_is_said(rate: float, shorter: Literal["drop", "pad"]):
    settings = DataSettings(shorter=shorter)
    with pytest.raises(RecordError, match=r"^has a sampling rate of .* Hz$"):
        shape_recording(Recording(beats(), rate, PAPER_LEADS), settings)


# Windows


def test_a_bad_window_leaves_the_others():
    signal = beats(seconds=35, seed=2)
    # 35 s hold three windows of 10 s, which begin at 2.5 s.
    signal[3, 1300] = np.nan
    shaped = shape(signal, DataSettings(longer="windows"))
    assert shaped.numbers == (0, 2)
    assert [(f.kind, f.lead, done) for f, done in shaped.findings] == [("nan", "V2", "left out")]
    for window, start in zip(shaped.windows, (250, 2250), strict=True):
        expected = scaled_by_hand(signal[:, start : start + 1000], "physical")
        np.testing.assert_allclose(window, expected, **HALF)


def test_a_lead_is_masked_in_the_window_where_it_is_flat():
    signal = beats(seconds=30, seed=2)
    signal[5, 1000:2000] = 0.25
    quality = QualitySettings(flat="mask")
    shaped = shape(signal, DataSettings(longer="windows", quality=quality))
    assert shaped.numbers == (0, 1, 2)
    assert [(f.kind, f.lead, done) for f, done in shaped.findings] == [("flat", "V4", "masked")]
    assert [(window[5] == 0).all() for window in shaped.windows] == [False, True, False]
    expected = scaled_by_hand(signal[:, 2000:], "physical")
    np.testing.assert_allclose(shaped.windows[2], expected, **HALF)


@pytest.mark.parametrize("seconds", [10, 10.01, 19.99, 20, 25.01, 47])
def test_as_many_windows_as_fit_lie_in_the_middle(seconds: float):
    total = round(seconds * 100)
    ramp = np.tile(np.arange(total) * 1e-3, (8, 1)) + beats(seconds=seconds) * 1e-3
    shaped = shape(ramp, DataSettings(longer="windows"))
    count = total // 1000
    before = (total - 1000 * count) // 2
    assert shaped.numbers == tuple(range(count))
    for number, window in zip(shaped.numbers, shaped.windows, strict=True):
        start = before + 1000 * number
        expected = scaled_by_hand(ramp[:, start : start + 1000], "physical")
        np.testing.assert_allclose(window, expected, **HALF)


def test_windows_that_are_all_bad_leave_the_record_out():
    signal = beats(seconds=20)
    signal[0, [500, 1500]] = np.nan
    shaped = shape(signal, DataSettings(longer="windows"))
    assert shaped.windows.shape == (0, 8, 1000)
    assert [done for _, done in shaped.findings] == ["left out", "left out"]


# Padding


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("samples", [700, 701, 999, 500])
def test_padding_puts_zeros_at_both_ends_and_shifts_no_mean(samples: int, way: Way):
    signal = beats(seconds=samples / RATE) + 0.8  # an offset that zeros would shift
    shaped = shape(signal, DataSettings(shorter="pad", normalisation=way))
    [window] = shaped.windows.astype(float)
    assert window.shape == (8, 1000)
    before = (1000 - samples) // 2
    if samples == 999:  # what rounding of rates leaves over is no padding
        assert (window[:, -1] == window[:, -2]).all()
        before, signal = 0, np.pad(signal, ((0, 0), (0, 1)), mode="edge")
        samples = 1000
    assert (window[:, :before] == 0).all()
    assert (window[:, before + samples :] == 0).all()
    real = window[:, before : before + samples]
    np.testing.assert_allclose(real, scaled_by_hand(signal, way), **HALF)


def test_padding_is_in_the_store_s_samples():
    signal = np.repeat(beats(seconds=6), 5, axis=1)
    recording = Recording(signal, 5 * RATE, PAPER_LEADS)
    [window] = shape_recording(recording, DataSettings(shorter="pad"), physical=False).windows
    zero = (window == 0).all(axis=0)
    assert zero[:200].all()
    assert zero[800:].all()
    assert zero[200:800].mean() < 0.1


def test_a_masked_lead_of_a_padded_record_is_zero():
    signal = beats(seconds=7)
    signal[2, 5] = np.nan
    settings = DataSettings(shorter="pad", quality=QualitySettings(nan="mask"))
    [window] = shape(signal, settings).windows
    assert (window[2] == 0).all()
    assert np.isfinite(window).all()


@pytest.mark.parametrize("samples", [0, 1])
def test_nothing_cannot_be_padded(samples: int):
    source = Recording(np.zeros((8, samples)), RATE, PAPER_LEADS)
    with pytest.raises(RecordError, match="too short") as caught:
        shape_recording(source, DataSettings(shorter="pad"), physical=False)
    assert caught.value.kind == "short"


# Real records


def stems(folder: Path, every: int = 1) -> list[Path]:
    headers = sorted(folder.rglob("*.hea"))[::every]
    assert headers
    return [header.with_suffix("") for header in headers]


@pytest.mark.real
def test_the_gains_of_ludb_s_headers_are_found_wrong_and_its_units_right(real_data: Path):
    wrong = 0
    every = stems(real_data / "ludb")
    for stem in every:
        wrong += bool(inspect_limb_leads(read_wfdb(stem)))
        assert inspect_limb_leads(read_wfdb(stem, gain=1000)) == [], stem.name
    assert len(every) == 200
    assert wrong >= 190


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "every"), [("ptbxl/records100", 10), ("ptbxl/records500", 1), ("challenge-2021", 1)]
)
def test_limb_leads_of_other_cohorts_agree(real_data: Path, part: str, every: int):
    for stem in stems(real_data / part, every):
        assert inspect_limb_leads(read_wfdb(stem)) == [], stem.name


@pytest.mark.real
def test_a_lead_that_is_multiplied_is_found_in_real_records(real_data: Path):
    """By 3: what is wrong with a small lead counts as a share of the largest."""
    named = 0
    every = stems(real_data / "ptbxl/records500")
    for stem in every:
        recording = read_wfdb(stem)
        recording.signal[5] *= 3
        found = inspect_limb_leads(recording)
        assert len(found) == 1, stem.name
        named += found[0].lead == "aVF"
    assert named == len(every)


@pytest.mark.real
def test_the_flat_leads_of_a_record_of_ningbo_are_listed(real_data: Path):
    stem = real_data / "challenge-2021" / "training" / "ningbo" / "g1" / "JS45542"
    signal = wfdb.rdrecord(str(stem)).p_signal
    assert (np.ptp(signal[:, 6:], axis=0) == 0).all()
    kept = shape_recording(read_wfdb(stem), DataSettings())
    flat = [("flat", f"V{i}", "kept") for i in range(1, 7)]
    assert [(f.kind, f.lead, done) for f, done in kept.findings] == flat
    assert (kept.windows[0, 2:] == 0).all()
    assert (kept.windows[0, :2] != 0).any()
    chest = DataSettings(leads=tuple(f"V{i}" for i in range(1, 7)))
    left_out = shape_recording(read_wfdb(stem), chest)
    assert left_out.numbers == ()
    assert left_out.findings[-1][0].reason == "no lead carries a signal"


@pytest.mark.real
def test_a_monitor_s_missing_samples_are_counted(real_data: Path):
    stem = real_data / "oddities" / "v102s"
    recording = read_wfdb(stem)
    settings = DataSettings(seconds=300, leads=("II",))
    [(finding, done)] = shape_recording(recording, settings).findings
    missing = np.isnan(wfdb.rdrecord(str(stem), channels=[0]).p_signal).sum()
    assert (finding.kind, finding.lead, done) == ("nan", "II", "left out")
    assert finding.reason == f"lead II has {missing} missing samples (NaN)"
