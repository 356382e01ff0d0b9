"""`lcd-bench data`: what it prints, writes and ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from lcd_plugin.cli.main import app
from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LCD_BENCH_DATA", raising=False)
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "cache"))


def data(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def document(result: Result) -> dict:
    assert result.exit_code in (0, 4), result.output
    parsed: dict = json.loads(result.stdout)
    assert parsed["schema"] == 1
    return parsed


def test_info_without_records_shows_the_spec_and_how_to_get_them():
    result = data("info", "ptbxl")
    assert result.exit_code == 0
    assert "CC BY 4.0" in result.stdout
    assert "official folds" in result.stdout
    assert "lcd-bench data download ptbxl" in result.stdout
    assert document(data("info", "ptbxl", "--json"))["overview"] is None


def test_info_counts_records_patients_classes_rates_and_lengths(wfdb_folder: Path):
    result = data("info", f"wfdb={wfdb_folder}")
    assert "records   12: train 8, validation 2, test 2" in result.stdout
    assert "rate      100 Hz" in result.stdout
    assert "length    10 s" in result.stdout
    said = document(data("info", f"wfdb={wfdb_folder}", "--json"))["overview"]
    assert said["patients"] == {"train": 8, "validation": 2, "test": 2}
    [task] = said["tasks"]
    table = pd.read_csv(wfdb_folder / "labels.csv")
    counts = table.groupby(["label", "split"]).size()
    for name, by_split in task["classes"].items():
        assert by_split == {split: counts[name, split] for split in by_split}


def test_info_of_a_folder_that_is_not_there(tmp_path: Path):
    result = data("info", f"ptbxl={tmp_path / 'none'}")
    assert result.exit_code == 5
    assert "there is no folder" in result.stderr


def test_an_unknown_dataset_is_named_with_a_near_one():
    result = data("info", "ptb-xl")
    assert result.exit_code == 2
    assert "did you mean 'ptbxl'" in result.stderr


def test_prepare_makes_the_store_that_a_run_opens(wfdb_folder: Path):
    arguments = (f"wfdb={wfdb_folder}", "--set", "data.seconds=5")
    said = document(data("prepare", *arguments, "--json"))
    [store] = said["stores"]
    assert Path(store["path"], "manifest.json").is_file()
    assert (store["n_train"], store["n_validation"], store["n_test"]) == (8, 2, 2)
    again = data("prepare", *arguments)
    assert store["path"] in again.stdout
    assert "12 x 8 x 500" in again.stdout


def test_verify_lists_every_finding_and_ends_with_4(wfdb_folder: Path, tmp_path: Path):
    (wfdb_folder / "r03.dat").write_bytes((wfdb_folder / "r03.dat").read_bytes()[:-2])
    for ending in (".hea", ".dat"):
        content = (wfdb_folder / f"r04{ending}").read_bytes()
        content = content.replace(b"r04", b"r05") if ending == ".hea" else content
        (wfdb_folder / f"r05{ending}").write_bytes(content)
    out = tmp_path / "findings.csv"
    result = data("verify", f"wfdb={wfdb_folder}", "-o", out)
    assert result.exit_code == 4
    assert "wfdb r03: r03.dat is cut" in result.stdout
    assert "1 record or table is broken, 0 prepared stores were changed." in result.stderr
    written = pd.read_csv(out, keep_default_na=False)
    assert list(written["record"]) == ["r03", "r05"]
    assert list(written["kind"]) == ["unreadable", "duplicate"]
    assert "holds the same samples as wfdb r04" in written["reason"][1]


def test_verify_of_a_sound_folder_ends_with_0(wfdb_folder: Path):
    said = data("verify", f"wfdb={wfdb_folder}")
    assert said.exit_code == 0, said.output
    assert "wfdb: 12 records, 0 with findings" in said.stdout


def test_verify_finds_a_changed_store(wfdb_folder: Path):
    [store] = document(data("prepare", f"wfdb={wfdb_folder}", "--json"))["stores"]
    signals = Path(store["path"], "signals.f16")
    content = bytearray(signals.read_bytes())
    content[9] ^= 1
    signals.write_bytes(content)
    result = data("verify", f"wfdb={wfdb_folder}", "--json")
    assert result.exit_code == 4
    assert "signals.f16 was changed" in document(result)["changed_stores"][0]


def test_verify_says_what_a_partial_copy_lacks(wfdb_folder: Path):
    listed = [f"{'0' * 64}  elsewhere/r{i}.dat\n" for i in range(3)]
    (wfdb_folder / "SHA256SUMS.txt").write_text("".join(listed))
    result = data("verify", f"wfdb={wfdb_folder}")
    assert result.exit_code == 0
    assert f"not in {wfdb_folder}: 3 files of the release" in result.stdout


def test_data_commands_load_no_torch(wfdb_folder: Path):
    script = (
        "import sys; from typer.testing import CliRunner; from lcd_plugin.cli.main import app\n"
        f"for c in ('info', 'prepare', 'verify'):\n"
        f"    assert CliRunner().invoke(app, ['data', c, 'wfdb={wfdb_folder}']).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("command", ["info", "prepare", "verify"])
def test_a_dataset_without_a_folder_after_its_equals_sign(command: str):
    result = data(command, "wfdb=")
    assert result.exit_code == 2
    assert "names no folder" in result.stderr


@pytest.mark.parametrize("command", ["prepare", "verify"])
def test_one_dataset_cannot_be_in_two_folders(command: str, wfdb_folder: Path, tmp_path: Path):
    result = data(command, f"wfdb={wfdb_folder}", f"wfdb={tmp_path}")
    assert result.exit_code == 2
    assert "given two folders" in result.stderr


def test_verify_compares_labels_with_the_release(wfdb_folder: Path):
    (wfdb_folder / "SHA256SUMS.txt").write_text(f"{'0' * 64}  labels.csv\n")
    result = data("verify", f"wfdb={wfdb_folder}")
    assert result.exit_code == 4
    assert "wfdb: labels.csv is not the release's" in result.stdout


def test_windows_are_counted_as_their_records(wfdb_folder: Path):
    arguments = ("--set", "data.seconds=3", "--set", "data.longer=windows", "--json")
    [store] = document(data("prepare", f"wfdb={wfdb_folder}", *arguments))["stores"]
    assert (store["n_train"], store["n_validation"], store["n_test"]) == (8, 2, 2)
    assert sum(store["tasks"]["label"].values()) == 12


def test_a_recording_without_samples_is_a_finding(wfdb_folder: Path, monkeypatch):
    plain = WFDBFolder.read

    def without(self: WFDBFolder, record: str) -> Recording:
        read = plain(self, record)
        return Recording(read.signal[:, : 0 if record == "r02" else None], read.rate, read.leads)

    monkeypatch.setattr(WFDBFolder, "read", without)
    said = document(data("verify", f"wfdb={wfdb_folder}", "--json"))
    assert [(f["record"], f["kind"]) for f in said["findings"]] == [("r02", "unreadable")]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (np.transpose, "its signal has 1,000 rows for 12 leads; make it (leads, time)"),
        (lambda signal: signal[0], "its signal has the shape (1000,); make it (leads, time)"),
    ],
)
def test_a_signal_of_another_shape_is_named_and_left_out(
    wfdb_folder: Path, monkeypatch: pytest.MonkeyPatch, turn: Any, reason: str
):
    plain = WFDBFolder.read

    def turned(self: WFDBFolder, record: str) -> Recording:
        read = plain(self, record)
        signal = turn(read.signal) if record == "r02" else read.signal
        return Recording(signal, read.rate, read.leads)

    monkeypatch.setattr(WFDBFolder, "read", turned)
    verified = data("verify", f"wfdb={wfdb_folder}")
    assert verified.exit_code == 4
    assert f"wfdb r02: {reason}" in verified.stdout
    assert "wfdb: 12 records, 1 with findings" in verified.stdout
    [store] = document(data("prepare", f"wfdb={wfdb_folder}", "--json"))["stores"]
    assert store["n_left_out"] == 1
    quality = pd.read_csv(Path(store["path"], "quality.csv"))
    assert list(quality["reason"]) == [reason]


FILE_PLUGIN = """
from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder
from lcd_plugin.plugins import DatasetSpec

SPEC = DatasetSpec(
    name="{name}", implementation="{name}:Own", summary="My own records", needs_path=True
)


class Own(WFDBFolder):
    pass
"""


@pytest.mark.parametrize("command", ["info", "verify", "prepare"])
def test_a_dataset_in_one_file(command: str, wfdb_folder: Path, tmp_path: Path):
    name = f"own_{command}"
    file = tmp_path / f"{name}.py"
    file.write_text(FILE_PLUGIN.format(name=name))
    unknown = data(command, f"{name}={wfdb_folder}")
    assert unknown.exit_code == 2
    known = data(command, f"{name}={wfdb_folder}", "--plugin", file)
    assert known.exit_code == 0, known.output
    assert name in known.stdout


@pytest.mark.parametrize("command", ["verify", "prepare"])
def test_how_to_name_a_folder_is_right_for_every_command(command: str):
    result = data(command, "wfdb")
    assert result.exit_code == 5
    assert "give wfdb=FOLDER (lcd-bench run: -d wfdb=FOLDER)" in result.stderr
