"""Reading one WFDB record, with one sentence for whatever is wrong with it.

The formats are wfdb's to read. Records of one segment in 16-bit samples, which is what nearly all
12-lead cohorts are published as, are decoded here: wfdb needs 3 ms for the header alone, as long
as everything else that preparing a record takes, and does not compare a header's checksums.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import wfdb

from lcd_plugin.data.cohort import Recording, RecordShape
from lcd_plugin.errors import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "\u03bcv": 1e-3, "v": 1e3, "nv": 1e-6}
_DEFAULT_GAIN = 200.0  # of the WFDB specification, where a header gives none or 0
_DEFAULT_RATE = 250.0  # likewise
_MISSING = -32768  # what format 16 writes for a sample that is not there
_UNREADABLE = "its header is not readable as WFDB"

# No more digits than make sense: absurd numbers are what is left of a header that was damaged.
_RECORD = re.compile(
    r"(?P<name>[\w-]+)(?P<segments>/\d{1,9})?[ \t]+(?P<signals>\d{1,6})"
    r"(?:[ \t]+(?P<rate>(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:e[+-]?\d{1,2})?)(?:/[^ \t]*)?"
    r"(?:[ \t]+(?P<samples>\d{1,15})(?:[ \t].*)?)?)?",
    re.IGNORECASE,
)
_PLAIN_SIGNAL = re.compile(
    r"(?P<file>[^ \t/\\\0]*[^ \t/\\\0.])[ \t]+16(?:x1)?(?:\+(?P<offset>\d{1,15}))?"
    r"[ \t]+(?P<gain>-?\d{1,12}\.?\d{0,30}(?:e[+-]?\d{1,2})?)(?:\((?P<baseline>-?\d{1,12})\))?"
    r"(?:/(?P<unit>[^ \t]+))?[ \t]+\d+[ \t]+(?P<zero>-?\d{1,12})[ \t]+(?P<first>-?\d{1,12})"
    r"[ \t]+(?P<checksum>-?\d{1,12})[ \t]+\d+[ \t]+(?P<lead>[^\n]+)",
    re.IGNORECASE,
)
# What decides about samples and scale. wfdb reads as much of a line as it understands, takes
# defaults for the rest, drops what is not ASCII, and reserves any memory that a number asks for.
_ANY_SIGNAL = re.compile(
    r"[^ \t]+[ \t]+[0-9]{1,3}(?:x[0-9]{1,4})?(?::[0-9]{1,6})?(?:\+[0-9]{1,15})?"
    r"(?:[ \t]+[+-]?(?:[0-9]{1,12}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:e[+-]?[0-9]{1,2})?"
    r"(?:\(-?[0-9]{1,12}\))?(?:/[!-~]+)?(?:[ \t].*)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Signal:
    """A signal line of a header, of a signal in format 16."""

    file: str
    offset: int
    gain: float
    baseline: int
    unit: str
    first: int
    checksum: int
    lead: str


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
    lines = _header_lines(stem)
    record, signals = _plain(lines)
    if record is None:
        return _read_any(stem, _rate(_record_line(lines)), gain)
    digital = _decode(stem, signals, record)
    return _in_millivolts(digital, record.rate, signals, gain)


def wfdb_shape(stem: Path) -> RecordShape:
    """Rate, length and leads from the header alone; see `Cohort.shape`."""
    lines = _header_lines(stem)
    record, signals = _plain(lines)
    if record is not None:
        leads = tuple(signal.lead for signal in signals)
        return RecordShape(record.rate, record.samples, leads)
    try:
        header = wfdb.rdheader(str(stem))
        if header.sig_len is None:
            raise ValueError("it gives no length")
        rate = _rate(_record_line(lines))
        return RecordShape(rate, int(header.sig_len), _names(header.sig_name))
    except Exception as error:  # wfdb raises whatever its parser trips over
        raise RecordError(f"{_UNREADABLE} ({_first_line(error)})") from error


def read_comments(stem: Path) -> tuple[str, ...]:
    """The comment lines of a header, without `#` and blanks around.

    Raises:
        RecordError: there is no header.
    """
    lines = _header_text(stem).splitlines()
    return tuple(line.lstrip("# \t").rstrip() for line in lines if line.startswith("#"))


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


def _header_text(stem: Path) -> str:
    header = stem.with_name(stem.name + ".hea")
    try:
        return header.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise RecordError(f"no header file {header.name}") from None
    except OSError as error:
        raise RecordError(f"its header is not readable ({error.strerror})") from error


def _header_lines(stem: Path) -> list[str]:
    lines = _header_text(stem).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _plain(lines: list[str]) -> tuple[RecordShape | None, list[_Signal]]:
    """Shape and signals of a record that is decoded here; None if wfdb has to read it.

    Raises:
        RecordError: nobody should read it.
    """
    match = _record_line(lines)
    found = [_PLAIN_SIGNAL.fullmatch(line) for line in lines[1:]]
    samples = int(match["samples"] or 0)
    if samples and found and all(found) and not match["segments"]:
        signals = [_signal(m) for m in found if m is not None]
        leads = tuple(signal.lead for signal in signals)
        return RecordShape(_rate(match), samples, leads), signals
    bad = [line for line in lines[1:] if not _ANY_SIGNAL.fullmatch(line)]
    if bad and not match["segments"]:
        raise RecordError(f"{_UNREADABLE} (a signal line is {bad[0][:60]!r})")
    return None, []


def _record_line(lines: list[str]) -> re.Match[str]:
    """The first line of a header, if it fits what follows."""
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if not lines:
        reason = "it is empty"
    elif match is None:
        reason = f"its record line is {lines[0][:60]!r}"
    elif not 0 < _rate(match) < math.inf:
        reason = f"its sampling rate is {match['rate']} Hz"
    elif not match["segments"] and len(lines) - 1 != int(match["signals"]):
        reason = f"it describes {len(lines) - 1} of {match['signals']} signals"
    else:
        return match
    raise RecordError(f"{_UNREADABLE} ({reason})")


def _rate(match: re.Match[str]) -> float:
    return float(match["rate"] or _DEFAULT_RATE)


def _names(names: list[str | None]) -> tuple[str, ...]:
    return tuple(name or "" for name in names)


def _signal(match: re.Match[str]) -> _Signal:
    zero = int(match["zero"])
    return _Signal(
        file=match["file"],
        offset=int(match["offset"] or 0),
        gain=float(match["gain"]) or _DEFAULT_GAIN,
        baseline=zero if match["baseline"] is None else int(match["baseline"]),
        unit=match["unit"] or "mV",
        first=int(match["first"]),
        checksum=int(match["checksum"]),
        lead=match["lead"].strip(),
    )


def _decode(stem: Path, signals: list[_Signal], record: RecordShape) -> NDArray[np.int16]:
    """The samples of all signals, shape (signals, time), compared with the header."""
    parts = []
    for file in dict.fromkeys(signal.file for signal in signals):
        group = [signal for signal in signals if signal.file == file]
        size = 2 * record.samples * len(group)
        # A few MATLAB files have more behind the samples; what is there before them is the offset.
        content = _content(stem.with_name(file), group[0].offset)
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


def _content(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        raise RecordError(f"no signal file {path.name}") from None
    except OSError as error:
        raise RecordError(f"{path.name} is not readable ({error.strerror})") from error


def _compare(digital: NDArray[np.int16], signals: list[_Signal]) -> None:
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
    digital: NDArray[np.int16], rate: float, signals: list[_Signal], gain: float | None
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
        signal = record.p_signal
        if gain is not None and signal is not None:
            digital = wfdb.rdrecord(str(stem), physical=False).d_signal
            signal = np.where(np.isnan(signal), np.nan, digital)
    except Exception as error:  # wfdb raises whatever its parser trips over
        raise RecordError(f"not readable as WFDB ({_first_line(error)})") from error
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


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
