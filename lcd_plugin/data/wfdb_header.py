"""The header of a WFDB record: what it says, and whether it is one at all."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from lcd_plugin.data.cohort import RecordShape
from lcd_plugin.errors import RecordError
from lcd_plugin.files import read_limited

UNREADABLE = "its header is not readable as WFDB"
# Bytes of a header that are read; those of long records with many segments have some millions.
MOST_OF_HEADER = 2**24

_DEFAULT_GAIN = 200.0  # of the WFDB specification, where a header gives none or 0
_DEFAULT_RATE = 250.0  # likewise

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
class PlainSignal:
    """A signal line of a header, of a signal in format 16."""

    file: str
    offset: int
    gain: float
    baseline: int
    unit: str
    first: int
    checksum: int
    lead: str


def read_comments(stem: Path) -> tuple[str, ...]:
    """The comment lines of a header, without `#` and blanks around.

    Raises:
        RecordError: there is no header.
    """
    lines = _header_text(stem).splitlines()
    return tuple(line.lstrip("# \t").rstrip() for line in lines if line.startswith("#"))


def _header_text(stem: Path) -> str:
    header = stem.with_name(stem.name + ".hea")
    try:
        text = read_limited(header, MOST_OF_HEADER).decode("utf-8", errors="replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        raise RecordError(f"no header file {header.name}") from None
    except OSError as error:
        raise RecordError(f"its header is not readable ({error.strerror})") from error


def header_lines(stem: Path) -> list[str]:
    """The lines of a header that are no comments.

    Raises:
        RecordError: there is no header.
    """
    lines = _header_text(stem).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def plain_record(lines: list[str]) -> tuple[RecordShape | None, list[PlainSignal]]:
    """Shape and signals of a record that is decoded here; None if wfdb has to read it.

    Raises:
        RecordError: nobody should read it.
    """
    match = record_line(lines)
    for line in lines[1:]:
        file = line.split(None, 1)[0]
        if "/" in file or "\\" in file:
            raise RecordError(f"{UNREADABLE} (it names {file[:60]!r}, which is not beside it)")
    found = [_PLAIN_SIGNAL.fullmatch(line) for line in lines[1:]]
    samples = int(match["samples"] or 0)
    if samples and found and all(found) and not match["segments"]:
        signals = [_signal(m) for m in found if m is not None]
        leads = tuple(signal.lead for signal in signals)
        return RecordShape(rate_of(match), samples, leads), signals
    bad = [line for line in lines[1:] if not _ANY_SIGNAL.fullmatch(line)]
    if bad and not match["segments"]:
        raise RecordError(f"{UNREADABLE} (a signal line is {bad[0][:60]!r})")
    return None, []


def record_line(lines: list[str]) -> re.Match[str]:
    """The first line of a header, if it fits what follows."""
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if not lines:
        reason = "it is empty"
    elif match is None:
        reason = f"its record line is {lines[0][:60]!r}"
    elif not 0 < rate_of(match) < math.inf:
        reason = f"its sampling rate is {match['rate']} Hz"
    elif not match["segments"] and len(lines) - 1 != int(match["signals"]):
        reason = f"it describes {len(lines) - 1} of {match['signals']} signals"
    else:
        return match
    raise RecordError(f"{UNREADABLE} ({reason})")


def rate_of(match: re.Match[str]) -> float:
    """Sampling rate of a record line, in Hz."""
    return float(match["rate"] or _DEFAULT_RATE)


def _signal(match: re.Match[str]) -> PlainSignal:
    zero = int(match["zero"])
    return PlainSignal(
        file=match["file"],
        offset=int(match["offset"] or 0),
        gain=float(match["gain"]) or _DEFAULT_GAIN,
        baseline=zero if match["baseline"] is None else int(match["baseline"]),
        unit=match["unit"] or "mV",
        first=int(match["first"]),
        checksum=int(match["checksum"]),
        lead=match["lead"].strip(),
    )
