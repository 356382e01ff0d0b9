"""Files of features: the same numbers in every format, whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.errors import ConfigError
from lcd_plugin.explain.feature_files import writing_features
from lcd_plugin.explain.features import Batch

COLUMNS = ["II_0", "II_1", "V5_0"]


def batches() -> list[Batch]:
    rng = np.random.default_rng(0)
    return [
        Batch(
            records=tuple(f"{letter}{i}" for i in range(n)),
            windows=(0,) * n,
            patients=("",) * n,
            features=rng.normal(size=(n, 3)).astype(np.float32),
            left_out=(),
            n_records=n,
        )
        for letter, n in (("a", 3), ("b", 0), ("c", 2))
    ]


def read(path: Path) -> tuple[list[str], np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            assert list(arrays["columns"]) == COLUMNS
            return arrays["record"].tolist(), arrays["features"]
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    assert list(table.columns) == ["record", "window", "patient", *COLUMNS]
    return table["record"].tolist(), table[COLUMNS].to_numpy(dtype=np.float32)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_every_format_holds_the_very_numbers(tmp_path: Path, suffix: str):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / "new" / f"f{suffix}"
    with writing_features(path, COLUMNS) as file:
        for batch in batches():
            file.add(batch)
    records, features = read(path)
    assert records == ["a0", "a1", "a2", "c0", "c1"]
    np.testing.assert_array_equal(features, np.concatenate([b.features for b in batches()]))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_an_interrupted_file_leaves_the_old_one_and_nothing_else(tmp_path: Path, suffix: str):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"f{suffix}"
    path.write_text("old")

    def interrupted() -> None:
        with writing_features(path, COLUMNS) as file:
            file.add(batches()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_without_pyarrow_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(ConfigError, match=r'pip install "lcd-plugin\[parquet\]"'),
        writing_features(tmp_path / "f.parquet", COLUMNS),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path: Path):
    with (
        pytest.raises(ConfigError, match=r"\.parquet, \.csv, \.npz"),
        writing_features(tmp_path / "f.xlsx", COLUMNS),
    ):
        pass


def test_a_name_that_a_spreadsheet_would_run_is_text(tmp_path: Path):
    names = ("=HYPERLINK(1)", "@x", 'a,"b')
    one = batches()[0]
    hostile = Batch(names, one.windows, names, one.features, (), 3)
    with writing_features(tmp_path / "f.csv", COLUMNS) as file:
        file.add(hostile)
    table = pd.read_csv(tmp_path / "f.csv")
    assert list(table["record"]) == ["'=HYPERLINK(1)", "'@x", 'a,"b']
    assert list(table["patient"]) == list(table["record"])
