"""The WFDB reader against wfdb itself, against files written by hand, and on damaged files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.signals import shape_recording
from lcd_plugin.data.wfdb_header import read_comments
from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_files, wfdb_shape
from lcd_plugin.errors import RecordError

RNG = np.random.default_rng(7)
SAMPLES = RNG.integers(-1500, 1500, (2, 400))  # fits twelve bits
SMALL = RNG.integers(-127, 128, (2, 400))  # fits eight, without what marks a missing sample


def signal_line(
    digital: NDArray[np.int64],
    lead: str,
    file: str = "r.dat",
    fmt: str = "16",
    scale: str = "1000(0)/mV",
    zero: int = 0,
) -> str:
    checksum = int(digital.sum()) % 65536
    return f"{file} {fmt} {scale} 16 {zero} {digital[0]} {checksum} 0 {lead}"


def write(folder: Path, lines: Sequence[str], files: dict[str, bytes], rate: str = "100") -> Path:
    """A record of 400 samples by hand; its path without extension."""
    text = [f"r {len(lines)} {rate} 400", *lines]
    (folder / "r.hea").write_text("\n".join(text) + "\n", encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "r"


def interleaved(digital: NDArray[np.int64], dtype: str = "<i2") -> bytes:
    """Samples as signal files hold them: of all leads, then the next of all leads."""
    return digital.T.astype(dtype).tobytes()


def plain(folder: Path, digital: NDArray[np.int64] = SAMPLES) -> Path:
    """Two leads in format 16, at 1 uV a unit."""
    lines = [signal_line(digital[0], "I"), signal_line(digital[1], "II")]
    return write(folder, lines, {"r.dat": interleaved(digital)})


def assert_as_wfdb(recording: Recording, stem: Path) -> None:
    """The very floats of wfdb."""
    record = wfdb.rdrecord(str(stem))
    assert {unit.lower() for unit in record.units} == {"mv"}
    assert recording.leads == tuple(record.sig_name)
    assert recording.rate == record.fs
    np.testing.assert_array_equal(recording.signal, record.p_signal.T)


# Real records


def records_of(folder: Path, every: int = 1) -> list[Path]:
    headers = sorted(folder.rglob("*.hea"))[::every]
    assert headers
    return [header.with_suffix("") for header in headers]


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "every"),
    [("challenge-2021", 1), ("ludb", 1), ("ptbxl/records100", 50), ("ptbxl/records500", 1)],
)
def test_real_records_are_read_to_the_floats_of_wfdb(real_data: Path, part: str, every: int):
    for stem in records_of(real_data / part, every):
        assert_as_wfdb(read_wfdb(stem), stem)


@pytest.mark.real
@pytest.mark.parametrize("part", ["challenge-2021", "ludb", "ptbxl/records500"])
def test_real_headers_are_read_as_by_wfdb(real_data: Path, part: str):
    for stem in records_of(real_data / part, every=4):
        header = wfdb.rdheader(str(stem))
        shape = wfdb_shape(stem)
        found = (shape.rate, shape.samples, shape.leads)
        assert found == (header.fs, header.sig_len, tuple(header.sig_name))
        assert list(read_comments(stem)) == header.comments
        assert wfdb_files(stem) == (stem.with_suffix(".hea"), stem.parent / header.file_name[0])


@pytest.mark.real
def test_a_gain_of_one_s_own_replaces_gains_and_baselines_of_real_headers(real_data: Path):
    for stem in records_of(real_data / "ludb", every=20):
        digital = wfdb.rdrecord(str(stem), physical=False).d_signal
        np.testing.assert_array_equal(read_wfdb(stem, gain=1000).signal, digital.T / 1000)


@pytest.mark.real
def test_a_name_with_a_dot_which_wfdb_refuses_is_quoted(real_data: Path):
    with pytest.raises(RecordError, match=r"not readable as WFDB .*'E00015\.mat 12 500 5000"):
        read_wfdb(real_data / "oddities" / "E00015")


@pytest.mark.real
def test_fifteen_leads_in_two_files_are_one_recording(real_data: Path):
    stem = real_data / "oddities" / "s0010_re"
    recording = read_wfdb(stem)
    assert_as_wfdb(recording, stem)
    assert recording.leads[-3:] == ("vx", "vy", "vz")
    assert recording.rate == 1000
    one, two, three = recording.signal[:3]
    # Two units of 0.5 uV: each lead was rounded.
    assert np.abs(one + three - two).max() < 1.001e-3
    assert np.ptp(two) > 0.5
    assert {path.suffix for path in wfdb_files(stem)} == {".hea", ".dat", ".xyz"}


@pytest.mark.real
def test_a_monitor_s_two_leads_are_too_few(real_data: Path):
    recording = read_wfdb(real_data / "oddities" / "v102s")
    assert recording.leads == ("II", "V")  # PLETH and RESP are in no volts
    assert np.isnan(recording.signal).sum(axis=1).tolist() == [3, 2]
    with pytest.raises(RecordError, match="too few leads: III, V1, V2, V3, V4, V5, V6 missing"):
        shape_recording(recording, DataSettings())


@pytest.mark.real
def test_frames_of_several_samples_are_read_at_the_rate_of_the_frames(real_data: Path):
    stem = real_data / "oddities" / "03700181"
    recording = read_wfdb(stem)
    # A unit is not given for RESP, so that it counts as mV; ABP is in mmHg.
    assert (recording.leads, recording.rate) == (("MCL1", "RESP"), 125)
    expected = wfdb.rdrecord(str(stem), channels=[0, 2]).p_signal.T
    np.testing.assert_array_equal(recording.signal, expected)
    with pytest.raises(RecordError, match="too few leads: II"):
        shape_recording(recording, DataSettings())


# Formats


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212", "516"])
def test_every_format_that_wfdb_writes_is_read(tmp_path: Path, fmt: str):
    digital = SMALL if fmt == "80" else np.clip(SAMPLES, -500, 500)
    wfdb.wrsamp(
        "r",
        fs=250,
        units=["mV", "mV"],
        sig_name=["I", "V2"],
        d_signal=digital.T.copy(),
        fmt=[fmt, fmt],
        adc_gain=[200.0, 333.3],
        baseline=[0, -17],
        write_dir=str(tmp_path),
    )
    recording = read_wfdb(tmp_path / "r")
    assert_as_wfdb(recording, tmp_path / "r")
    np.testing.assert_allclose(recording.signal[0], digital[0] / 200, rtol=1e-15)
    np.testing.assert_allclose(recording.signal[1], (digital[1] + 17) / 333.3, rtol=1e-15)
    assert wfdb_shape(tmp_path / "r").samples == 400


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212"])
@pytest.mark.parametrize("gain", [None, 50.0])
def test_missing_samples_are_nan_in_every_format(tmp_path: Path, fmt: str, gain: float | None):
    millivolts = SMALL.T / 100.0
    millivolts[3, 0] = millivolts[5:9, 1] = np.nan
    wfdb.wrsamp(
        "r",
        fs=250,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        p_signal=millivolts.copy(),
        fmt=[fmt, fmt],
        adc_gain=[100.0, 100.0],
        baseline=[0, 0],
        write_dir=str(tmp_path),
    )
    signal = read_wfdb(tmp_path / "r", gain=gain).signal
    assert np.argwhere(np.isnan(signal)).tolist() == [[0, 3], [1, 5], [1, 6], [1, 7], [1, 8]]
    there = ~np.isnan(signal)
    expected = millivolts.T * 100 / (gain or 100)
    np.testing.assert_allclose(signal[there], expected[there], rtol=1e-14)


def test_big_endian_samples(tmp_path: Path):
    lines = [signal_line(SAMPLES[i], lead, fmt="61") for i, lead in enumerate(("I", "II"))]
    stem = write(tmp_path, lines, {"r.dat": interleaved(SAMPLES, ">i2")})
    np.testing.assert_array_equal(read_wfdb(stem).signal, SAMPLES / 1000)


def test_the_least_value_of_format_16_marks_a_missing_sample(tmp_path: Path):
    digital = SAMPLES.copy()
    digital[1, 10] = -32768
    lines = [
        signal_line(digital[0], "I", scale="1000(-500)/mV"),
        signal_line(digital[1], "II", scale="1000(-500)/mV"),
    ]
    stem = write(tmp_path, lines, {"r.dat": interleaved(digital)})
    signal = read_wfdb(stem).signal
    assert np.argwhere(np.isnan(signal)).tolist() == [[1, 10]]
    np.testing.assert_array_equal(signal[0], (digital[0] + 500) / 1000)


# Layouts


def test_leads_of_two_files_are_one_recording(tmp_path: Path):
    lines = [
        signal_line(SAMPLES[0], "I", file="a.dat"),
        signal_line(SAMPLES[1], "II", file="b.dat"),
    ]
    files = {"a.dat": interleaved(SAMPLES[:1]), "b.dat": interleaved(SAMPLES[1:])}
    stem = write(tmp_path, lines, files)
    assert_as_wfdb(read_wfdb(stem), stem)
    np.testing.assert_array_equal(read_wfdb(stem).signal, SAMPLES / 1000)
    assert wfdb_files(stem) == tuple(tmp_path / name for name in ("r.hea", "a.dat", "b.dat"))


def test_lines_of_two_files_may_take_turns(tmp_path: Path):
    """wfdb itself fails on such a header (IndexError)."""
    digital = RNG.integers(-1000, 1000, (5, 400))
    leads = ("I", "V1", "II", "V2", "V3")
    names = ("a.dat", "b.dat", "a.dat", "b.dat", "b.dat")
    lines = [signal_line(digital[i], leads[i], file=names[i]) for i in range(5)]
    files = {
        "a.dat": interleaved(digital[[0, 2]]),
        "b.dat": interleaved(digital[[1, 3, 4]]),
    }
    recording = read_wfdb(write(tmp_path, lines, files))
    assert recording.leads == leads
    np.testing.assert_array_equal(recording.signal, digital / 1000)


def test_samples_begin_at_the_offset_and_end_where_the_header_says(tmp_path: Path):
    lines = [signal_line(SAMPLES[i], lead, fmt="16+24") for i, lead in enumerate(("I", "II"))]
    content = b"MATLAB 5.0 something: 24" + interleaved(SAMPLES) + b"more behind"
    stem = write(tmp_path, lines, {"r.dat": content})
    assert_as_wfdb(read_wfdb(stem), stem)
    np.testing.assert_array_equal(read_wfdb(stem).signal, SAMPLES / 1000)


def test_segments_are_joined_and_their_files_are_known(tmp_path: Path):
    for number, part in enumerate(np.split(SAMPLES, 2, axis=1), start=1):
        wfdb.wrsamp(
            f"r_{number}",
            fs=100,
            units=["mV", "mV"],
            sig_name=["I", "II"],
            d_signal=part.T.copy(),
            fmt=["16", "16"],
            adc_gain=[1000.0, 1000.0],
            baseline=[0, 0],
            write_dir=str(tmp_path),
        )
    (tmp_path / "r.hea").write_text("r/2 2 100 400\nr_1 200\nr_2 200\n")
    recording = read_wfdb(tmp_path / "r")
    np.testing.assert_allclose(recording.signal, SAMPLES / 1000, rtol=1e-15)
    assert (recording.leads, recording.rate) == (("I", "II"), 100)
    names = {path.name for path in wfdb_files(tmp_path / "r")}
    assert names == {"r.hea", "r_1.hea", "r_1.dat", "r_2.hea", "r_2.dat"}


@pytest.mark.parametrize("fmt", ["16", "61"])
def test_signals_that_are_no_voltages_are_passed_over(tmp_path: Path, fmt: str):
    digital = RNG.integers(-1000, 1000, (3, 400))
    scales = ("12.84(-1605)/mmHg", "1000(0)/mV", "2000/NU")
    leads = ("ABP", "V1", "PLETH")
    lines = [signal_line(digital[i], leads[i], fmt=fmt, scale=scales[i]) for i in range(3)]
    stem = write(tmp_path, lines, {"r.dat": interleaved(digital, "<i2" if fmt == "16" else ">i2")})
    recording = read_wfdb(stem)
    assert recording.leads == ("V1",)
    np.testing.assert_array_equal(recording.signal, digital[1:2] / 1000)
    only = [signal_line(digital[0], "ABP", scale=scales[0])]
    stem = write(tmp_path, only, {"r.dat": interleaved(digital[:1])})
    with pytest.raises(RecordError, match="holds no signal in volts"):
        read_wfdb(stem)


@pytest.mark.parametrize("fmt", ["16", "61"])
@pytest.mark.parametrize(
    ("scale", "zero", "gain", "baseline", "millivolts"),
    [
        ("4880/mV", 0, 4880, 0, 1),
        ("4.88(100)/uV", 0, 4.88, 100, 1e-3),
        ("1e6(-3)/V", 0, 1e6, -3, 1e3),
        ("1000/nV", 0, 1000, 0, 1e-6),
        ("2000.5", 0, 2000.5, 0, 1),  # mV unless said otherwise
        ("0/mV", 0, 200, 0, 1),  # 200 unless said otherwise
        ("0", 0, 200, 0, 1),
        ("1000/mV", 1024, 1000, 1024, 1),  # the converter's zero, unless there is a baseline
        ("1000(5)/mV", 1024, 1000, 5, 1),
        ("-1000/MV", 0, -1000, 0, 1),
    ],
)
def test_gain_baseline_and_unit(
    tmp_path: Path, fmt: str, scale: str, zero: int, gain: float, baseline: int, millivolts: float
):
    lines = [signal_line(SAMPLES[0], "II", fmt=fmt, scale=scale, zero=zero)]
    content = interleaved(SAMPLES[:1], "<i2" if fmt == "16" else ">i2")
    stem = write(tmp_path, lines, {"r.dat": content})
    expected = (SAMPLES[:1] - baseline) / gain * millivolts
    np.testing.assert_allclose(read_wfdb(stem).signal, expected, rtol=1e-14)
    np.testing.assert_allclose(read_wfdb(stem, gain=250).signal, SAMPLES[:1] / 250, rtol=1e-14)


@pytest.mark.parametrize("unit", ["µV", "\u03bcV"])
def test_the_greek_letter_is_micro(tmp_path: Path, unit: str):
    """wfdb drops what is not ASCII and reads volts."""
    lines = [signal_line(SAMPLES[0], "II", scale=f"2/{unit}")]
    stem = write(tmp_path, lines, {"r.dat": interleaved(SAMPLES[:1])})
    np.testing.assert_allclose(read_wfdb(stem).signal, SAMPLES[:1] / 2000, rtol=1e-14)
    lines = [signal_line(SAMPLES[0], "II", fmt="61", scale=f"2/{unit}")]
    stem = write(tmp_path, lines, {"r.dat": interleaved(SAMPLES[:1], ">i2")})
    with pytest.raises(RecordError, match="a signal line is"):
        read_wfdb(stem)


# Headers


def test_line_ends_comments_and_blank_lines_do_not_matter(tmp_path: Path):
    stem = plain(tmp_path)
    expected = read_wfdb(stem)
    header = stem.with_suffix(".hea")
    first, *rest = header.read_text().splitlines()
    lines = ["# before", "", first, "  ", "# Age: 61", *rest, "#<sex>: F", "   # indented", ""]
    header.write_bytes("\r\n".join(lines).encode() + b"\r\n# gr\xf6\xdfe\r\n")
    recording = read_wfdb(stem)
    np.testing.assert_array_equal(recording.signal, expected.signal)
    assert recording.leads == expected.leads
    assert wfdb_files(stem) == (header, tmp_path / "r.dat")
    assert read_comments(stem)[:3] == ("before", "Age: 61", "<sex>: F")


@pytest.mark.parametrize("fmt", ["16", "61"])
@pytest.mark.parametrize(
    ("written", "rate"),
    [("500", 500), ("500.", 500), ("62.4725/999.56(4.3)", 62.4725), ("3.6e2", 360), (".5", 0.5)],
)
def test_rates_are_whatever_c_reads_as_a_number(
    tmp_path: Path, fmt: str, written: str, rate: float
):
    """The WFDB specification names 360, 360., 360.0 and 3.6e2; wfdb reads the last as 3.6."""
    lines = [signal_line(SAMPLES[0], "II", fmt=fmt)]
    content = interleaved(SAMPLES[:1], "<i2" if fmt == "16" else ">i2")
    stem = write(tmp_path, lines, {"r.dat": content}, rate=written)
    recording = read_wfdb(stem)
    assert recording.rate == rate
    np.testing.assert_array_equal(recording.signal, SAMPLES[:1] / 1000)


def test_rate_and_length_may_be_left_out(tmp_path: Path):
    """250 Hz and what the file holds, by the specification."""
    stem = plain(tmp_path)
    header = stem.with_suffix(".hea")
    header.write_text(header.read_text().replace("r 2 100 400", "r 2"))
    recording = read_wfdb(stem)
    assert recording.rate == 250
    np.testing.assert_array_equal(recording.signal, SAMPLES / 1000)
    with pytest.raises(RecordError, match="gives no length"):
        wfdb_shape(stem)


def test_a_signal_without_a_name_has_an_empty_one(tmp_path: Path):
    stem = plain(tmp_path)
    header = stem.with_suffix(".hea")
    header.write_text(header.read_text().removesuffix(" II\n") + "\n")
    assert read_wfdb(stem).leads == ("I", "")
    assert wfdb_shape(stem).leads == ("I", "")


def test_the_shape_needs_no_signal_file(tmp_path: Path):
    stem = plain(tmp_path)
    stem.with_suffix(".dat").unlink()
    shape = wfdb_shape(stem)
    assert (shape.rate, shape.samples, shape.leads) == (100, 400, ("I", "II"))
    assert wfdb_files(stem) == (stem.with_suffix(".hea"),)


def test_files_elsewhere_are_neither_listed_nor_read(tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.dat").write_bytes(interleaved(SAMPLES[:1]))
    for file in ("../secret.dat", str(tmp_path / "secret.dat"), "..\\secret.dat", "..", "."):
        stem = write(inside, [signal_line(SAMPLES[0], "I", file=file)], {})
        assert wfdb_files(stem) == (inside / "r.hea",)
        with pytest.raises(RecordError):
            read_wfdb(stem)


# Damage


@pytest.mark.parametrize("bit", range(16))
def test_every_bit_of_a_sample_is_in_the_checksum(tmp_path: Path, bit: int):
    stem = plain(tmp_path)
    path = stem.with_suffix(".dat")
    content = bytearray(path.read_bytes())
    content[4 * 123 + 2 + bit // 8] ^= 1 << bit % 8  # of the second lead
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"r\.dat was changed: the samples of lead II do not"):
        read_wfdb(stem)


def test_checksums_may_be_negative_and_longer_than_16_bits(tmp_path: Path):
    stem = plain(tmp_path)
    header = stem.with_suffix(".hea")
    for lead, turns in zip(SAMPLES, (-1, 3), strict=True):
        checksum = int(lead.sum()) % 65536
        text = header.read_text().replace(f" {checksum} 0 ", f" {checksum + turns * 65536} 0 ")
        header.write_text(text)
    np.testing.assert_array_equal(read_wfdb(stem).signal, SAMPLES / 1000)


def test_zeros_for_all_checksums_are_no_checksums(tmp_path: Path):
    """Writers that compute none leave zeros for the first samples too."""
    digital = SAMPLES.copy()
    digital[:, 0] = 0
    lines = [f"r.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in ("I", "II")]
    stem = write(tmp_path, lines, {"r.dat": interleaved(digital)})
    np.testing.assert_array_equal(read_wfdb(stem).signal, digital / 1000)
    lines[1] = signal_line(digital[1], "II")
    stem = write(tmp_path, lines, {"r.dat": interleaved(digital)})
    with pytest.raises(RecordError, match="the samples of lead I do not"):
        read_wfdb(stem)


@pytest.mark.parametrize("keep", [1599, 800, 1])
def test_a_cut_signal_file_says_how_much_of_it_is_there(tmp_path: Path, keep: int):
    stem = plain(tmp_path)
    path = stem.with_suffix(".dat")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordError, match=rf"^r\.dat is cut: {keep} of 1600 bytes of samples$"):
        read_wfdb(stem)


def test_an_offset_beyond_the_end_leaves_no_samples(tmp_path: Path):
    lines = [signal_line(SAMPLES[0], "I", fmt="16+24")]
    stem = write(tmp_path, lines, {"r.dat": b"x" * 24})
    with pytest.raises(RecordError, match=r"^r\.dat holds no samples$"):
        read_wfdb(stem)


def test_missing_and_empty_files_are_named(tmp_path: Path):
    stem = plain(tmp_path)
    data, header = stem.with_suffix(".dat"), stem.with_suffix(".hea")
    data.write_bytes(b"")
    with pytest.raises(RecordError, match=r"^r\.dat holds no samples$"):
        read_wfdb(stem)
    data.unlink()
    with pytest.raises(RecordError, match=r"^no signal file r\.dat$"):
        read_wfdb(stem)
    data.mkdir()
    with pytest.raises(RecordError, match=r"^r\.dat is not readable \(Is a directory\)$"):
        read_wfdb(stem)
    header.write_bytes(b"")
    for read in (read_wfdb, wfdb_shape):
        with pytest.raises(RecordError, match=r"header is not readable as WFDB \(it is empty\)"):
            read(stem)
    assert wfdb_files(stem) == (header,)
    header.unlink()
    for read in (read_wfdb, wfdb_shape, read_comments):
        with pytest.raises(RecordError, match=r"^no header file r\.hea$"):
            read(stem)
    assert wfdb_files(stem) == ()
    header.mkdir()
    for read in (read_wfdb, wfdb_shape, read_comments):
        with pytest.raises(RecordError, match=r"header is not readable \(Is a directory\)"):
            read(stem)
    assert wfdb_files(stem) == ()


@pytest.mark.parametrize("fmt", ["24", "212", "61"])
def test_files_that_wfdb_reads_are_refused_where_they_are_cut(tmp_path: Path, fmt: str):
    lines = [signal_line(SAMPLES[0], "I", fmt=fmt)]
    stem = write(tmp_path, lines, {"r.dat": b"\0" * 300})
    with pytest.raises(RecordError, match=r"^not readable as WFDB \(.+\)$"):
        read_wfdb(stem)
    stem.with_suffix(".dat").unlink()
    with pytest.raises(RecordError, match=r"^not readable as WFDB \(.*r\.dat"):
        read_wfdb(stem)


RECORD_LINE = r"^its header is not readable as WFDB \(its record line is 'r "
SIGNAL_LINE = r"^its header is not readable as WFDB \(a signal line is 'r\.dat "


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("r 2 100 400", "r 2 100 999999999999", r"is cut: 1600 of 3999999999996 bytes"),
        ("r 2 100 400", "r 2 100 " + "9" * 5000, RECORD_LINE),
        ("r 2 100 400", "r 2 100 -400", RECORD_LINE),
        ("r 2 100 400", "r 2 100 4p0", RECORD_LINE),
        ("r 2 100 400", "r 2 1p0 400", RECORD_LINE),
        ("r 2 100 400", "r 2 -100 400", RECORD_LINE),
        ("r 2 100 400", "r 2 1" + "0" * 400 + " 400", RECORD_LINE),
        ("r 2 100 400", "r 9999999 100 400", RECORD_LINE),  # wfdb makes a list of so many
        ("r 2 100 400", "r two 100 400", RECORD_LINE),
        ("r 2 100 400", "r 2 0 400", r"its sampling rate is 0 Hz"),
        ("r 2 100 400", "r 2 1e-99999 400", RECORD_LINE),
        ("r 2 100 400", "r 12 100 400", r"it describes 2 of 12 signals"),
        ("r 2 100 400", "r 1 100 400", r"it describes 2 of 1 signals"),
        ("r 2 100 400", "r 2 100 0", r"^not readable as WFDB"),
        ("r.dat 16 1000", "r.dat 16+" + "9" * 30 + " 1000", SIGNAL_LINE),
        ("r.dat 16 1000", "r.dat 16x99999 1000", SIGNAL_LINE),
        ("r.dat 16 1000", "r.dat 16:9999999 1000", SIGNAL_LINE),  # wfdb adds so many samples
        ("r.dat 16 1000", "r.dat 16*24 1000", SIGNAL_LINE),  # wfdb leaves it away, and the gain
        ("r.dat 16 1000", "r.dat 999 1000", r"^not readable as WFDB"),
        ("r.dat 16 1000", "r.dat 16 1e-320", SIGNAL_LINE),
        ("r.dat 16 1000", "r.dat 16 1e400", SIGNAL_LINE),
        ("r.dat 16 1000(0)/mV", f"r.dat 16 1000({'9' * 400})/mV", SIGNAL_LINE),
        ("1000(0)/mV 16 0", f"1000/mV 16 {'9' * 400}", r"^not readable as WFDB"),
        ("r.dat 16", "a\0b 16", r"not readable as WFDB"),
        ("r.dat 16", "." * 300 + " 16", r"not readable as WFDB"),
        ("r.dat 16", "a" * 300 + " 16", r"is not readable \(File name too long\)"),
    ],
)
def test_absurd_headers_are_refused_with_a_phrase(
    tmp_path: Path, old: str, new: str, complaint: str
):
    stem = plain(tmp_path)
    header = stem.with_suffix(".hea")
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
    with pytest.raises(RecordError, match=complaint) as caught:
        read_wfdb(stem)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    assert wfdb_files(stem)[0] == header


@pytest.mark.parametrize("content", [bytes(range(256)) * 8, b"x" * 5000, b"# only\n # comments\n"])
def test_files_that_are_no_headers(tmp_path: Path, content: bytes):
    header = tmp_path / "r.hea"
    header.write_bytes(content)
    for read in (read_wfdb, wfdb_shape):
        with pytest.raises(RecordError, match=r"^its header is not readable as WFDB"):
            read(tmp_path / "r")
    assert wfdb_files(tmp_path / "r") == (header,)


def test_a_record_that_is_its_own_segment(tmp_path: Path):
    (tmp_path / "r.hea").write_text("r/1 1 100 400\nr 400\n")
    with pytest.raises(RecordError, match=r"^not readable as WFDB \(.*recursion"):
        read_wfdb(tmp_path / "r")


def test_a_record_is_read_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Dots in folders and names, and relative paths."""
    folder = tmp_path / "a.b" / "c"
    folder.mkdir(parents=True)
    stem = plain(folder)
    for ending in (".hea", ".dat"):
        shutil.copy(stem.with_suffix(ending), folder / f"x.1{ending}")
    text = (folder / "x.1.hea").read_text().replace("r.dat", "x.1.dat")
    (folder / "x.1.hea").write_text(text)
    np.testing.assert_array_equal(read_wfdb(folder / "x.1").signal, SAMPLES / 1000)
    assert [path.name for path in wfdb_files(folder / "x.1")] == ["x.1.hea", "x.1.dat"]
    monkeypatch.chdir(folder)
    np.testing.assert_array_equal(read_wfdb(Path("r")).signal, SAMPLES / 1000)


@pytest.mark.parametrize("form", ["24", "32", "212"])
def test_a_flipped_bit_is_found_in_formats_that_wfdb_reads(tmp_path: Path, form: str):
    signal = np.random.default_rng(0).normal(0, 0.2, (200, 2))
    wfdb.wrsamp(
        "r",
        fs=100,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        p_signal=signal,
        fmt=[form, form],
        adc_gain=[1000.0, 1000.0],
        baseline=[0, 0],
        write_dir=str(tmp_path),
    )
    assert read_wfdb(tmp_path / "r").signal.shape == (2, 200)
    path = tmp_path / "r.dat"
    content = bytearray(path.read_bytes())
    content[120] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match="do not have the checksum of the header"):
        read_wfdb(tmp_path / "r")
