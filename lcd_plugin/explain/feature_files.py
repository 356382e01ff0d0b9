"""Files of features, written batch by batch and there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
    from lcd_plugin.explain.features import Batch

# Rows of a row group of Parquet: with hundreds of columns, fewer would be mostly headers.
GROUP_ROWS = 4096
KEYS = ("record", "window", "patient")


class FeatureFile(ABC):
    """A file under way.

    Args:
        path: where to write.
        columns: names of the features.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.columns = columns

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Write the rows of a batch."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class CSVFile(FeatureFile):
    """Comma-separated text; numbers are as short as float32 allows."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        super().__init__(path, columns)
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(",".join([*KEYS, *columns]) + "\n")

    def add(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        names = pd.DataFrame(
            {
                "record": [_no_formula(name) for name in batch.records],
                "window": batch.windows,
                "patient": [_no_formula(name) for name in batch.patients],
            }
        )
        rows = pd.concat([names, pd.DataFrame(batch.features)], axis=1)
        rows.to_csv(self._file, index=False, header=False, lineterminator="\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def _no_formula(text: str) -> str:
    # A spreadsheet would run such text.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


class ParquetFile(FeatureFile):
    """Apache Parquet, a float32 column for each feature."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        super().__init__(path, columns)
        pa, parquet = _pyarrow()
        kinds = [pa.string(), pa.int32(), pa.string()]
        fields = [*zip(KEYS, kinds, strict=True), *((name, pa.float32()) for name in columns)]
        self._pa, self._schema = pa, pa.schema(fields)
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._waiting: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Keep the rows of a batch until there are enough for a row group."""
        self._waiting.append(batch)
        if sum(len(b.records) for b in self._waiting) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        features = np.concatenate([batch.features for batch in self._waiting])
        arrays = [
            [name for batch in self._waiting for name in batch.records],
            [number for batch in self._waiting for number in batch.windows],
            [name for batch in self._waiting for name in batch.patients],
            *features.T.copy(),
        ]
        self._writer.write_table(self._pa.table(arrays, schema=self._schema))
        self._waiting = []


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            'Parquet files need pyarrow: pip install "lcd-plugin[parquet]", '
            "or write a .csv or .npz file."
        ) from error
    return pyarrow, pyarrow.parquet


class NPZFile(FeatureFile):
    """NumPy's archive with the arrays record, window, patient, features and columns."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        super().__init__(path, columns)
        # How many rows there are stands at the head of an array, and is known at the end.
        self._features = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 closed in close()
        self._records: list[str] = []
        self._windows: list[int] = []
        self._patients: list[str] = []

    def add(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        self._records += batch.records
        self._windows += batch.windows
        self._patients += batch.patients
        self._features.write(np.ascontiguousarray(batch.features, dtype="<f4").tobytes())

    def close(self) -> None:
        """Put the archive together."""
        small = {
            "record": np.array(self._records, dtype=str),
            "window": np.array(self._windows, dtype=np.int32),
            "patient": np.array(self._patients, dtype=str),
            "columns": np.array(self.columns, dtype=str),
        }
        with self._features, zipfile.ZipFile(self.path, "w") as archive:
            for name, array in small.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            with archive.open("features.npy", "w", force_zip64=True) as member:
                self._copy_features(member)

    def _copy_features(self, member: IO[bytes]) -> None:
        shape = (len(self._records), len(self.columns))
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        self._features.seek(0)
        shutil.copyfileobj(self._features, member)


FORMATS: dict[str, type[FeatureFile]] = {
    ".parquet": ParquetFile,
    ".csv": CSVFile,
    ".npz": NPZFile,
}


@contextmanager
def writing_features(path: Path, columns: list[str]) -> Iterator[FeatureFile]:
    """A file of features that takes its place when all of it is written.

    Args:
        path: its suffix is the format: `.parquet`, `.csv` or `.npz`.
        columns: names of the features.

    Raises:
        ConfigError: another suffix, or pyarrow is needed and not there.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"{path.name}: features are written as {', '.join(FORMATS)}; give -o such a name."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        file = FORMATS[path.suffix](temporary, columns)
        yield file
        file.close()
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
