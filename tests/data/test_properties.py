"""What must hold for any file: one signal one row, damage never silent, one content one hash."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lcd_plugin.data.chunks import Chunk, CohortRecipe, make_cohort, shape_chunk
from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.content import content_hash
from lcd_plugin.data.leads import LIMB_LEADS, STANDARD_LEADS
from lcd_plugin.data.release import release_sums
from lcd_plugin.data.settings import PAPER_LEADS, DataSettings, QualitySettings
from lcd_plugin.data.signals import shape_recording
from lcd_plugin.data.wfdb_reader import read_wfdb

SECONDS = 10
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Errors of a row, worked out. The filter of `resample` (Kaiser 5, ten zero crossings a side) passes
# whatever is below 35 Hz with a relative error of at most 0.0018, at each of its phases, images
# included; its taps sum up to at most 1.83 in absolute value, so that an error of half a step of
# the converter grows to no more than that. Both were computed from the taps for ratios between 250
# and 1000 Hz. A median moves by no more than the largest error, which doubles it. A computed limb
# lead adds up to four times what the leads have that it comes from.
RIPPLE = 0.0018
TAPS = 1.83
DERIVED = 4.0
HALF = 2**-11  # relative error of half precision


def plain(max_examples: int) -> settings:
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


# Writing WFDB by hand


def packed_12_bit(digital: NDArray[np.int64]) -> bytes:
    """Format 212: two samples in three bytes."""
    flat = digital.T.ravel() & 0xFFF
    first, second = flat[0::2], flat[1::2]
    triplets = np.stack([first & 0xFF, (first >> 8) | ((second >> 8) << 4), second & 0xFF], axis=1)
    return triplets.astype(np.uint8).tobytes()


def in_24_bits(digital: NDArray[np.int64]) -> bytes:
    """The lower three bytes of four."""
    whole = np.ascontiguousarray(digital.T, dtype="<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


ENCODERS = {
    "16": lambda digital: digital.T.astype("<i2").tobytes(),
    "61": lambda digital: digital.T.astype(">i2").tobytes(),
    "160": lambda digital: (digital.T + 32768).astype("<u2").tobytes(),
    "24": in_24_bits,
    "32": lambda digital: digital.T.astype("<i4").tobytes(),
    "212": packed_12_bit,
}
UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}


@dataclass(frozen=True)
class Channel:
    """How a lead is written.

    Attributes:
        lead: canonical name.
        written: as the header spells it.
        gain: converter units a mV.
        baseline: converter value of 0 mV.
        unit: of the header's gain.
        as_zero: whether the baseline is given as the converter's zero.
    """

    lead: str
    written: str
    gain: float
    baseline: int
    unit: str
    as_zero: bool

    def digital(self, millivolts: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(millivolts * self.gain).astype(np.int64) + self.baseline

    def line(self, file: str, fmt: str, digital: NDArray[np.int64]) -> str:
        baseline = "" if self.as_zero else f"({self.baseline})"
        scale = f"{self.gain * UNITS.get(self.unit, 1.0)!r}{baseline}/{self.unit}"
        zero = self.baseline if self.as_zero else 0
        checksum = int(digital.sum()) % 65536
        return f"{file} {fmt} {scale} 16 {zero} {digital[0]} {checksum} 0 {self.written}"


def write_record(
    folder: Path,
    channels: Sequence[Channel],
    signals: dict[str, NDArray[np.float64]],
    rate: int,
    formats: Sequence[str] = ("16",),
    scale: float = 1.0,
) -> Path:
    """Channels in order, in as many files as formats.

    The header's gains are divided by `scale`, so that it says `scale` times the signals.
    """
    digital = [channel.digital(signals[channel.lead]) for channel in channels]
    share = math.ceil(len(channels) / len(formats))
    lines = []
    for number, members in groupby(range(len(channels)), key=lambda i: i // share):
        rows = list(members)
        file, fmt = f"r_{number}.dat", formats[number]
        (folder / file).write_bytes(ENCODERS[fmt](np.stack([digital[i] for i in rows])))
        for i in rows:
            channel = replace(channels[i], gain=channels[i].gain / scale)
            lines.append(channel.line(file, fmt, digital[i]))
    first = f"r {len(lines)} {rate} {len(digital[0])}"
    (folder / "r.hea").write_text("\n".join([first, *lines]) + "\n")
    return folder / "r"


# Signals that are known at any time


def analytic(seed: int, rate: int) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Twelve leads, Frank's three and a pressure of sines of 1 to 35 Hz at the times of a rate.

    They swell from the start to the middle and fade to the end, so that the ends of a record are
    where its offset is, and a filter's ends add nothing. Returned with the largest sum of
    amplitudes of a lead.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(SECONDS * rate) / rate
    swell = np.sin(np.pi * time / SECONDS) ** 2
    names = (*INDEPENDENT, "VX", "VY", "VZ", "ABP")
    amplitudes = rng.dirichlet(np.ones(6), len(names)) * rng.uniform(0.8, 1.6, (len(names), 1))
    frequencies = rng.uniform(1, 34.9, (len(names), 6))
    phases = rng.uniform(0, 2 * np.pi, (len(names), 6))
    offsets = rng.uniform(-0.5, 0.5, len(names))
    signals = {}
    for i, name in enumerate(names):
        waves = np.sin(2 * np.pi * frequencies[i, :, None] * time + phases[i, :, None])
        signals[name] = offsets[i] + swell * (amplitudes[i] @ waves)
    one, two = signals["I"], signals["II"]
    for lead, (of_one, of_two) in LIMB_LEADS.items():
        signals[lead] = of_one * one + of_two * two
    return signals, 2 * float(amplitudes.sum(axis=1).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


SPELLINGS = (
    str,
    str.lower,
    str.upper,
    "Lead {}".format,
    lambda lead: f"ECG {lead.lower()}",
    lambda lead: f"lead_{lead.upper()}",
)


@st.composite
def channels(draw: st.DrawFn, leads: Sequence[str]) -> list[Channel]:
    """Leads in any order, each with a spelling, gain, baseline and unit of its own."""
    order = draw(st.permutations(leads))
    made = []
    for lead in order:
        unit = "mmHg" if lead == "ABP" else draw(st.sampled_from(sorted(UNITS)))
        made.append(
            Channel(
                lead=lead,
                written=draw(st.sampled_from(SPELLINGS))(lead),
                # At most 2.6 mV of 2047 units, the least range of the formats, with a baseline.
                gain=draw(st.sampled_from([200.0, 250.5, 400.0, 488.0, 640.0])),
                baseline=draw(st.integers(-300, 300)),
                unit=unit,
                as_zero=draw(st.booleans()),
            )
        )
    return made


LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = INDEPENDENT[2:]


@st.composite
def any_leads(draw: st.DrawFn) -> list[str]:
    """The chest leads, two or more limb leads, and others that nobody asks for."""
    limb = draw(st.lists(st.sampled_from(LIMB), min_size=2, max_size=6, unique=True))
    others = draw(st.lists(st.sampled_from(["VX", "VY", "VZ", "ABP"]), max_size=4, unique=True))
    return [*limb, *CHEST, *others]


ANY_FORMATS = st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=3)
RATES = st.sampled_from([100, 250, 257, 360, 400, 500, 512, 997, 1000]) | st.integers(250, 1000)


def errors_in_millivolts(
    made: Sequence[Channel], amplitude: float, rate: int
) -> NDArray[np.float64]:
    """Largest difference of each lead from the analytic one, before median and half precision.

    A limb lead that is computed from noise-free ones has the ripple of its own, not more.
    """
    half_steps = {channel.lead: 0.5 / channel.gain for channel in made}
    coarsest = max(step for lead, step in half_steps.items() if lead in LIMB)
    steps = np.array([half_steps.get(lead, DERIVED * coarsest) for lead in PAPER_LEADS])
    return steps if rate == 100 else TAPS * steps + RIPPLE * amplitude


@plain(100)
@given(data=st.data(), seed=st.integers(0, 2**31), rate=RATES, formats=ANY_FORMATS)
def test_any_file_of_one_signal_comes_to_one_row(
    data: st.DataObject,
    seed: int,
    rate: int,
    formats: list[str],
    folder: Path,
):
    """Leads, spelling, gain, baseline, unit, format and rate are the file's own business."""
    made = data.draw(channels(data.draw(any_leads())))
    signals, amplitude = analytic(seed, rate)
    stem = write_record(folder, made, signals, rate, formats)
    shaped = shape_recording(read_wfdb(stem), DataSettings())
    assert shaped.findings == ()
    truth, _ = analytic(seed, 100)
    errors = errors_in_millivolts(made, amplitude, rate)
    rows = shaped.windows[0].astype(float) * 0.25
    for row, lead, error in zip(rows, PAPER_LEADS, errors, strict=True):
        expected = truth[lead] - np.median(truth[lead])
        allowed = 2 * error + HALF * np.abs(expected) + 1e-6
        assert (np.abs(row - expected) <= allowed).all(), lead


@plain(50)
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    rate=RATES,
    formats=ANY_FORMATS,
    gain=st.sampled_from([0.5, 0.8, 1.25, 3.0]),
    way=st.sampled_from(["record", "lead"]),
)
def test_z_scores_are_blind_to_a_gain_that_all_leads_share(
    data: st.DataObject,
    seed: int,
    rate: int,
    formats: list[str],
    gain: float,
    way: Literal["record", "lead"],
    folder: Path,
):
    """Mean and deviation move by no more than the largest error e: z by e (2 + |z|) / deviation."""
    made = data.draw(channels(data.draw(any_leads())))
    signals, amplitude = analytic(seed, rate)
    stem = write_record(folder, made, signals, rate, formats, scale=gain)
    shaped = shape_recording(read_wfdb(stem), DataSettings(normalisation=way))
    assert shaped.findings == ()
    truth = np.stack([analytic(seed, 100)[0][lead] for lead in PAPER_LEADS])
    axis = 1 if way == "lead" else None
    deviation = truth.std(axis=axis, keepdims=True)
    expected = (truth - truth.mean(axis=axis, keepdims=True)) / deviation
    error = errors_in_millivolts(made, amplitude, rate)[:, None]
    error = error if way == "lead" else error.max()
    allowed = error * (2 + np.abs(expected)) / (deviation - error)
    allowed += HALF * np.abs(expected) * 1.1 + 1e-6
    assert (np.abs(shaped.windows[0] - expected) <= allowed).all()


@pytest.mark.parametrize("rate", [250, 360, 500, 1000])
def test_at_the_ends_a_row_is_off_by_no_more_than_the_filter_reaches(rate: int):
    """A signal that does not fade: right but for the ten samples at each end that the filter sees
    past, and off by less than a tenth of the amplitudes there."""
    rng = np.random.default_rng(rate)
    amplitude, frequency, phase = rng.uniform([0.1, 1, 0], [0.5, 35, 6], (6, 3)).T

    def at(rate: int) -> NDArray[np.float64]:
        time = np.arange(SECONDS * rate) / rate
        waves = np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])
        return (amplitude @ waves)[None]

    recording = Recording(at(rate), rate, ("V1",))
    [[row]] = shape_recording(recording, DataSettings(leads=("V1",))).windows
    [truth] = at(100)
    off = np.abs((row.astype(float) * 0.25) - (truth - np.median(truth)))
    total = amplitude.sum()
    assert off[12:-12].max() < (2 * RIPPLE + HALF) * total
    assert off.max() < 0.1 * total


# Damage


FILES = ("r.hea", "r_0.dat", "r_1.dat")
LENIENT = DataSettings(
    longer="windows",
    shorter="pad",
    normalisation="record",
    quality=QualitySettings(
        missing="mask", nan="mask", flat="mask", railed="mask", amplitude="mask"
    ),
)


class Folder:
    """A generated release of one record, as it was and with one file damaged."""

    def __init__(self, path: Path, with_sums: bool) -> None:
        self.path = path
        signals, _ = analytic(5, 100)
        made = [Channel(lead, lead, 1000.0, 0, "mV", False) for lead in STANDARD_LEADS]
        write_record(path, made, signals, 100, ("16", "16"))
        (path / "labels.csv").write_text("record,label\nr,SR\n")
        self.whole = {name: (path / name).read_bytes() for name in FILES}
        if with_sums:
            lines = [f"{hashlib.sha256(self.whole[n]).hexdigest()} {n}\n" for n in FILES]
            (path / "SHA256SUMS.txt").write_text("".join(lines))
        self.recipe = CohortRecipe(WFDBFolder, path, WFDBSettings(), 100)
        self.rows = {data: self.shape(data).signals for data in (DataSettings(), LENIENT)}
        assert all(len(rows) == 1 for rows in self.rows.values())

    def shape(self, data: DataSettings) -> Chunk:
        sums = release_sums(self.path)
        of_record = sums.of(make_cohort(self.recipe), ["r"]) if sums else None
        return shape_chunk(self.recipe, ("r",), data, of_record)

    def damaged(self, name: str, content: bytes, data: DataSettings) -> Chunk:
        (self.path / name).write_bytes(content)
        try:
            return self.shape(data)
        finally:
            (self.path / name).write_bytes(self.whole[name])


def damage(content: bytes, at: int, bit: int | None) -> bytes:
    """One bit flipped, or everything from there cut off."""
    at %= len(content)
    if bit is None:
        return content[:at]
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def is_left_out(chunk: Chunk) -> bool:
    """No row, and a reason that can be read."""
    [result] = chunk.results
    if result.windows:
        return False
    assert len(chunk.signals) == 0
    reasons = [finding.reason for finding, done in result.findings if done == "left out"]
    assert reasons
    assert all(reason and "\n" not in reason and len(reason) < 400 for reason in reasons)
    return True


WHERE = st.integers(0, 10**6)
BIT = st.none() | st.integers(0, 7)
DATA = st.sampled_from([DataSettings(), LENIENT])


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("release"), with_sums=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("copy"), with_sums=False)


@plain(200)
@given(name=st.sampled_from(FILES), at=WHERE, bit=BIT, data=DATA)
def test_with_checksums_no_damage_changes_a_row(
    release: Folder, name: str, at: int, bit: int | None, data: DataSettings
):
    chunk = release.damaged(name, damage(release.whole[name], at, bit), data)
    assert is_left_out(chunk)
    [(finding, _)] = chunk.results[0].findings
    assert finding.kind == "checksum"
    assert name in finding.reason


@plain(200)
@given(name=st.sampled_from(FILES[1:]), at=WHERE, bit=BIT, data=DATA)
def test_without_them_the_header_s_checksum_sees_what_happened_to_a_signal_file(
    copy: Folder, name: str, at: int, bit: int | None, data: DataSettings
):
    chunk = copy.damaged(name, damage(copy.whole[name], at, bit), data)
    assert is_left_out(chunk)
    assert name in chunk.results[0].findings[0][0].reason


@plain(600)
@given(at=WHERE, bit=BIT, data=DATA)
def test_a_damaged_header_costs_its_record_at_most(
    copy: Folder, at: int, bit: int | None, data: DataSettings
):
    """A gain may be wrong by a bit and be believed; nothing raises, and rows stay finite."""
    chunk = copy.damaged("r.hea", damage(copy.whole["r.hea"], at, bit), data)
    if not is_left_out(chunk):
        assert chunk.signals.shape[1:] == (8, 1000)
        assert np.isfinite(chunk.signals).all()


@plain(100)
@given(content=st.binary(max_size=300) | st.text("r_0.dat 16+:x/#()-9e\t\n", max_size=200))
def test_whatever_is_in_a_header_costs_its_record_at_most(copy: Folder, content: bytes | str):
    raw = content if isinstance(content, bytes) else b"r 1 100 1000\n" + content.encode()
    assert is_left_out(copy.damaged("r.hea", raw, DataSettings()))


def test_undamaged_files_come_to_their_row_again(release: Folder, copy: Folder):
    for folder in (release, copy):
        for data, rows in folder.rows.items():
            chunk = folder.shape(data)
            assert chunk.results[0].findings == ()
            np.testing.assert_array_equal(chunk.signals, rows)
    np.testing.assert_array_equal(release.rows[LENIENT], copy.rows[LENIENT])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_costs_its_record(release: Folder, name: str):
    (release.path / name).unlink()
    try:
        chunk = release.shape(DataSettings())
    finally:
        (release.path / name).write_bytes(release.whole[name])
    assert is_left_out(chunk)
    assert name in chunk.results[0].findings[0][0].reason


# Content


MICROVOLTS = np.random.default_rng(11).integers(-300, 300, (8, 2000)) * 5  # whole steps of 5 uV
CONTENT = dict(zip(INDEPENDENT, MICROVOLTS / 1000, strict=True))
CONTENT |= {
    lead: of_one * CONTENT["I"] + of_two * CONTENT["II"]
    for lead, (of_one, of_two) in LIMB_LEADS.items()
    if lead not in CONTENT
}
CONTENT |= {"VX": CONTENT["V1"] * 2, "ABP": CONTENT["V2"]}


@st.composite
def same_content(draw: st.DrawFn) -> list[Channel]:
    """Files in steps of 5, 2.5 or 1 uV, with some of the leads that follow, or none."""
    more = draw(st.lists(st.sampled_from(["III", "aVR", "aVL", "aVF", "VX", "ABP"]), unique=True))
    made = draw(channels([*INDEPENDENT, *more]))
    gains = st.sampled_from([200.0, 400.0, 1000.0])
    return [replace(channel, gain=draw(gains)) for channel in made]


def hash_of(folder: Path, made: Sequence[Channel], formats: Sequence[str] = ("16",)) -> str:
    return content_hash(read_wfdb(write_record(folder, made, CONTENT, 500, formats)))


PLAIN = [Channel(lead, lead, 1000.0, 0, "mV", False) for lead in INDEPENDENT]


@plain(50)
@given(
    made=same_content(),
    formats=st.lists(st.sampled_from(["16", "61", "160", "24", "32"]), min_size=1, max_size=3),
)
def test_one_content_has_one_hash_in_whatever_file(
    made: list[Channel], formats: list[str], folder: Path
):
    assert hash_of(folder, made, formats) == hash_of(folder, PLAIN)


@plain(50)
@given(
    lead=st.sampled_from(INDEPENDENT),
    sample=st.integers(0, 1999),
    step=st.sampled_from([-1, 1]),
)
def test_a_microvolt_in_one_sample_is_another_content(lead: str, sample: int, step: int):
    signal = MICROVOLTS / 1000
    changed = signal.copy()
    changed[INDEPENDENT.index(lead), sample] += step / 1000
    first, second = (Recording(values, 500, INDEPENDENT) for values in (signal, changed))
    assert content_hash(first) != content_hash(second)


def test_a_content_is_that_of_one_rate_length_and_order_of_leads():
    signal = MICROVOLTS / 1000
    known = {
        content_hash(Recording(signal, 500, INDEPENDENT)),
        content_hash(Recording(signal, 250, INDEPENDENT)),
        content_hash(Recording(signal[:, :-1], 500, INDEPENDENT)),
        content_hash(Recording(signal[::-1].copy(), 500, INDEPENDENT)),
        content_hash(Recording(signal[1:], 500, INDEPENDENT[1:])),
        content_hash(Recording(-signal, 500, INDEPENDENT)),
    }
    assert len(known) == 6
    with_gap = signal.copy()
    with_gap[2, 7] = np.nan
    zeroed = np.nan_to_num(with_gap)
    hashes = {content_hash(Recording(values, 500, INDEPENDENT)) for values in (with_gap, zeroed)}
    assert len(hashes | known) == 8


def test_recordings_of_few_leads_are_told_apart_by_all_of_them():
    rng = np.random.default_rng(0)
    flat, one, other = np.zeros(500), rng.normal(size=500), rng.normal(size=500)
    for leads in (("III", "V1"), ("V", "II"), ("aVL", "I")):
        hashes = {
            content_hash(Recording(np.stack([signal, flat]), 500, leads)) for signal in (one, other)
        }
        assert len(hashes) == 2
