"""Folders of real records and golden numbers, used where they lie; tests skip where they do not."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        pytest.skip(f"{what} are not there: {path}")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    return _folder(BESIDE_THE_CHECKOUT / "golden", "the golden numbers of LCD")


@pytest.fixture(scope="session")
def real_data() -> Path:
    default = BESIDE_THE_CHECKOUT / "data"
    return _folder(Path(os.environ.get("LCD_BENCH_DATA", default)), "real records")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared stores of tests stay out of the user's cache; within a session they are shared."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LCD_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _without_workers() -> Iterator[None]:
    """Hundreds of tests run small comparisons; those that are about workers ask for some."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LCD_BENCH_JOBS", "0")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def run_writer() -> Any:
    """The class `RunWriter` of `report/written_run.py`: output folders made for the purpose."""
    # By path, since the tests are no package.
    path = Path(__file__).with_name("report") / "written_run.py"
    spec = importlib.util.spec_from_file_location("lcd_written_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.RunWriter


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
            if list(leads) == LEADS:
                # Noise too keeps to Einthoven and Goldberger, or the quality gate would object.
                one, two = signal[:, 0], signal[:, 1]
                signal[:, 2:6] = np.stack(
                    [two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1
                )
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
