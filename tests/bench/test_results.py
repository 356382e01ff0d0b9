from __future__ import annotations

import math
from pathlib import Path

import pytest

from lcd_plugin.bench.results import (
    EvaluateResult,
    PretrainResult,
    key_of,
    read_result,
    write_result,
)
from lcd_plugin.files import write_whole


def result() -> PretrainResult:
    identity = {"method": "lcd", "seed": 0}
    return PretrainResult(key=key_of(identity), identity=identity, phases={"steps": 1.5})


def test_a_result_comes_back_with_the_checksums_of_its_files(tmp_path: Path):
    written = write_result(tmp_path, result(), {"weights": b"abc"})
    # SHA-256 of "abc", from FIPS 180-2.
    assert written.files["weights"].startswith("ba7816bf8f01cfea414140de5dae2223")
    assert read_result(tmp_path, PretrainResult) == written


def test_nothing_temporary_stays(tmp_path: Path):
    write_result(tmp_path, result(), {"weights": b"abc"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.json", "weights"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "result.json").write_text('{"key": '),
        lambda folder: (folder / "result.json").unlink(),
        lambda folder: (folder / "weights").unlink(),
        lambda folder: (folder / "result.json").write_text(
            (folder / "result.json").read_text().replace('"seed": 0', '"seed": 1')
        ),
        lambda folder: (folder / "result.json").write_text(
            (folder / "result.json")
            .read_text()
            .replace('"schema_version": 1', '"schema_version": 0')
        ),
    ],
)
def test_what_cannot_be_relied_on_counts_as_not_there(tmp_path: Path, spoil):
    write_result(tmp_path, result(), {"weights": b"abc"})
    spoil(tmp_path)
    assert read_result(tmp_path, PretrainResult) is None


def test_a_result_of_the_other_kind_is_none(tmp_path: Path):
    identity = {"a": 1}
    evaluation = EvaluateResult(key=key_of(identity), identity=identity, n_test=3)
    write_result(tmp_path, evaluation, {})
    assert read_result(tmp_path, PretrainResult) is None


def test_key_ignores_order_and_sees_every_value():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})


def test_a_score_that_is_not_known_comes_back(tmp_path: Path):
    identity = {"a": 1}
    evaluation = EvaluateResult(key=key_of(identity), identity=identity, macro={"auroc": math.nan})
    write_result(tmp_path, evaluation, {})
    again = read_result(tmp_path, EvaluateResult)
    assert again is not None
    assert math.isnan(again.macro["auroc"])
