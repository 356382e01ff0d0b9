from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


@pytest.fixture
def write_record() -> Callable[..., None]:
    """Write a WFDB record of noise; signals in mV, shape (time, leads)."""

    def write(
        folder: Path,
        name: str,
        seed: int = 0,
        seconds: float = 10,
        rate: int = 100,
        leads: list[str] = LEADS,
        signal: np.ndarray | None = None,
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if signal is None:
            signal = rng.normal(0, 0.3, (round(seconds * rate), len(leads)))
        wfdb.wrsamp(
            name,
            fs=rate,
            units=["mV"] * len(leads),
            sig_name=leads,
            p_signal=signal,
            fmt=["16"] * len(leads),
            adc_gain=[1000.0] * len(leads),
            baseline=[0] * len(leads),
            write_dir=str(folder),
        )
        return signal

    return write


@pytest.fixture
def wfdb_folder(tmp_path: Path, write_record: Callable[..., None]) -> Path:
    """Twelve records of two classes with patients and splits."""
    folder = tmp_path / "records"
    folder.mkdir()
    lines = ["record,patient,label,split"]
    parts = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    for i, split in enumerate(parts):
        write_record(folder, f"r{i:02d}", seed=i)
        lines.append(f"r{i:02d},p{i},{'AF' if i % 2 else 'SR'},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
