"""Reading one WFDB record, with one sentence for whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import wfdb

from lcd_plugin.data.cohort import Recording
from lcd_plugin.errors import RecordError

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "v": 1e3, "nv": 1e-6}


def read_wfdb(stem: Path) -> Recording:
    """Read a record's voltage signals; others (pressure, respiration) are passed over.

    Args:
        stem: path of the record without extension.

    Returns:
        The recording in mV; samples that the format marks as missing are NaN.

    Raises:
        RecordError: header or signal files are missing, cut or not readable.
    """
    header = stem.with_name(stem.name + ".hea")
    if not header.is_file():
        raise RecordError(f"no header file {header.name}")
    try:
        record = wfdb.rdrecord(str(stem))
    except Exception as error:  # wfdb raises whatever its parser trips over
        raise RecordError(f"not readable as WFDB ({_first_line(error)})") from error
    if record.p_signal is None or record.p_signal.size == 0:
        raise RecordError("holds no samples")
    factors = [_MILLIVOLTS.get((unit or "mV").lower()) for unit in record.units]
    voltage = [i for i, factor in enumerate(factors) if factor is not None]
    if not voltage:
        raise RecordError("holds no signal in volts")
    scale = np.array([factors[i] for i in voltage], dtype=np.float64)
    return Recording(
        signal=np.ascontiguousarray(record.p_signal[:, voltage].T * scale[:, None]),
        rate=float(record.fs),
        leads=tuple(record.sig_name[i] for i in voltage),
    )


def wfdb_files(stem: Path) -> tuple[Path, ...]:
    """The header of a record and the files that it names, as far as they are there.

    The header is not parsed but for the first word of its lines: this runs over all records of a
    dataset each time a store is looked up. Files elsewhere than beside the header do not count.
    """
    header = stem.with_name(stem.name + ".hea")
    try:
        lines = header.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    names = [name for word in words[1:] for name in (word, f"{word}.hea", f"{word}.dat")]
    beside = [header.parent / name for name in dict.fromkeys(names) if Path(name).name == name]
    return (header, *(path for path in beside if path.is_file()))


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
