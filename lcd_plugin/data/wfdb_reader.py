"""Reading one WFDB record, with one sentence for whatever is wrong with it.

The formats are wfdb's to read. Records of one segment in 16-bit samples, which is what nearly all
12-lead cohorts are published as, are decoded here: wfdb needs 3 ms for the header alone, as long
as everything else that preparing a record takes, and does not compare a header's checksums.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import wfdb

from lcd_plugin.data.cohort import Recording, RecordShape
from lcd_plugin.data.wfdb_header import (
    UNREADABLE,
    PlainSignal,
    header_lines,
    plain_record,
    rate_of,
    record_line,
)
from lcd_plugin.errors import RecordError
from lcd_plugin.files import open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "\u03bcv": 1e-3, "v": 1e3, "nv": 1e-6}
MOST_OF_SAMPLES = 2**32  # bytes of one file, that a week of twelve leads does not have
_MISSING = -32768  # what format 16 writes for a sample that is not there


def read_wfdb(stem: Path, gain: float | None = None) -> Recording:
    """Read a record's voltage signals; others (pressure, respiration) are passed over.

    Args:
        stem: path of the record without extension.
        gain: ADC units a mV for all leads, for a cohort whose headers are wrong about it; the
            headers' baselines are kept out too.

    Returns:
        The recording in mV; samples that the format marks as missing are NaN.

    Raises:
        RecordError: header or signal files are missing, cut or not readable, or the samples are
            not those that the header's checksums were made of.
    """
    lines = header_lines(stem)
    record, signals = plain_record(lines)
    if record is None:
        return _read_any(stem, rate_of(record_line(lines)), gain)
    digital = _decode(stem, signals, record)
    return _in_millivolts(digital, record.rate, signals, gain)


def wfdb_shape(stem: Path) -> RecordShape:
    """Rate, length and leads from the header alone; see `Cohort.shape`."""
    lines = header_lines(stem)
    record, signals = plain_record(lines)
    if record is not None:
        leads = tuple(signal.lead for signal in signals)
        return RecordShape(record.rate, record.samples, leads)
    try:
        header = wfdb.rdheader(str(stem))
        if header.sig_len is None:
            raise ValueError("it gives no length")
        rate = rate_of(record_line(lines))
        return RecordShape(rate, int(header.sig_len), _names(header.sig_name))
    except Exception as error:  # wfdb raises whatever its parser trips over
        raise RecordError(f"{UNREADABLE} ({_first_line(error)})") from error


def wfdb_files(stem: Path) -> tuple[Path, ...]:
    """The header of a record and the files that it names, as far as they are there.

    The header is not parsed but for the first word of its lines: this runs over all records of a
    dataset each time a store is looked up. Files elsewhere than beside the header do not count.
    """
    header = Path(f"{stem}.hea")
    try:
        with header.open(errors="replace") as file:
            words = [line.split(None, 1)[0] for line in file if line.strip() and line[0] != "#"]
    except OSError:
        return ()
    names = dict.fromkeys(words[1:])
    # Segments of a long record are records of their own.
    segments = [name for name in names if "." not in name]
    every = [*names, *(f"{name}{end}" for name in segments for end in (".hea", ".dat"))]
    # Joined as strings: this is called for every record of a dataset, and paths are slow.
    folder = f"{stem.parent}{os.sep}"
    beside = (Path(folder + name) for name in every if "/" not in name and "\\" not in name)
    return (header, *(path for path in beside if _is_file(path)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _decode(stem: Path, signals: list[PlainSignal], record: RecordShape) -> NDArray[np.int16]:
    """The samples of all signals, shape (signals, time), compared with the header."""
    parts = []
    for file in dict.fromkeys(signal.file for signal in signals):
        group = [signal for signal in signals if signal.file == file]
        size = 2 * record.samples * len(group)
        # A few MATLAB files have more behind the samples; what is there before them is the offset.
        content = _content(stem.with_name(file), group[0].offset, size)
        if len(content) < size:
            raise RecordError(
                f"{file} is cut: {len(content)} of {size} bytes of samples"
                if content
                else f"{file} holds no samples"
            )
        samples = np.frombuffer(content, dtype="<i2", count=size // 2)
        parts.append(samples.reshape(record.samples, len(group)).T)
    order = {file: i for i, file in enumerate(dict.fromkeys(s.file for s in signals))}
    stacked = np.concatenate(parts)
    digital = np.empty_like(stacked)
    digital[sorted(range(len(signals)), key=lambda i: order[signals[i].file])] = stacked
    _compare(digital, signals)
    return digital


def _content(path: Path, offset: int, size: int) -> bytes:
    """The samples of a file, or what there is of them."""
    try:
        with open_file(path) as file:
            there = max(0, min(size, os.fstat(file.fileno()).st_size - offset))
            if there > MOST_OF_SAMPLES:
                raise RecordError(f"{path.name} has {there:,} bytes of samples, which is too much")
            file.seek(offset)
            return file.read(there)
    except FileNotFoundError:
        raise RecordError(f"no signal file {path.name}") from None
    except OSError as error:
        raise RecordError(f"{path.name} is not readable ({error.strerror})") from error


def _compare(digital: NDArray[np.int16], signals: list[PlainSignal]) -> None:
    """Checksums are sums of a signal's samples in 16 bits (WFDB header format)."""
    if not any(signal.checksum or signal.first for signal in signals):
        return  # zeros all over are what writers put that do not compute any
    sums = digital.sum(axis=1, dtype=np.int64)
    for total, signal in zip(sums.tolist(), signals, strict=True):
        if (total - signal.checksum) % 65536:
            raise RecordError(
                f"{signal.file} was changed: the samples of lead {signal.lead} do not have the "
                f"checksum of the header"
            )


def _in_millivolts(
    digital: NDArray[np.int16], rate: float, signals: list[PlainSignal], gain: float | None
) -> Recording:
    factors = [_MILLIVOLTS.get(signal.unit.lower()) for signal in signals]
    voltage = [i for i, factor in enumerate(factors) if factor is not None]
    if not voltage:
        raise RecordError("holds no signal in volts")
    kept = digital[voltage]
    signal = kept.astype(np.float64)
    if gain is None:
        # Divided, then scaled, in the order of wfdb, so that both give the same floats.
        signal -= np.array([[signals[i].baseline] for i in voltage], dtype=np.float64)
        signal /= np.array([[signals[i].gain] for i in voltage])
        scale = np.array([[factors[i]] for i in voltage], dtype=np.float64)
        if (scale != 1).any():
            signal *= scale
    else:
        signal /= gain
    if kept.min() == _MISSING:
        signal[kept == _MISSING] = np.nan
    return Recording(signal=signal, rate=rate, leads=tuple(signals[i].lead for i in voltage))


def _read_any(stem: Path, rate: float, gain: float | None) -> Recording:
    try:
        record = wfdb.rdrecord(str(stem))
        digital = wfdb.rdrecord(str(stem), physical=False)
        changed = _changed_lead(digital)
    except Exception as error:  # wfdb raises whatever its parser trips over
        raise RecordError(f"not readable as WFDB ({_first_line(error)})") from error
    if changed is not None:
        raise RecordError(
            f"its samples were changed: those of lead {changed} do not have the checksum of the "
            f"header"
        )
    signal = record.p_signal
    if gain is not None and signal is not None:
        signal = np.where(np.isnan(signal), np.nan, digital.d_signal)
    if signal is None or signal.size == 0:
        raise RecordError("holds no samples")
    units = [_MILLIVOLTS.get((unit or "mV").lower()) for unit in record.units]
    voltage = [i for i, factor in enumerate(units) if factor is not None]
    if not voltage:
        raise RecordError("holds no signal in volts")
    scale = [units[i] if gain is None else 1 / gain for i in voltage]
    return Recording(
        signal=np.ascontiguousarray(signal[:, voltage].T * np.array(scale, dtype=float)[:, None]),
        rate=rate,
        leads=_names([record.sig_name[i] for i in voltage]),
    )


def _changed_lead(record: wfdb.Record) -> str | None:
    """The first lead whose samples do not have the header's checksum, where that can be told."""
    sums, frames = record.checksum, record.samps_per_frame
    # Segments, and signals of several samples a frame, are not as they lie in the file.
    if not sums or None in sums or not any(sums) or set(frames or ()) != {1}:
        return None
    totals = record.d_signal.sum(axis=0, dtype=np.int64)
    for total, expected, name in zip(totals.tolist(), sums, record.sig_name, strict=True):
        if (total - expected) % 65536:
            return name or ""
    return None


def _names(names: list[str | None]) -> tuple[str, ...]:
    return tuple(name or "" for name in names)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
