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
    """Header and signal files of a record, by what commonly lies beside the header."""
    endings = (".hea", ".dat", ".mat")
    paths = [stem.with_name(stem.name + ending) for ending in endings]
    return tuple(path for path in paths if path.is_file())


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
