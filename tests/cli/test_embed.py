"""`lcd-bench embed`: in a second process, what it writes, says and ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import Result

from lcd_plugin.encoders import create_encoder, save_encoder


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = create_encoder("vgg16_1d", width=0.0625)
    notes = {"rate": 100.0, "seconds": 10.0, "leads": ["II", "V5"], "normalisation": "physical"}
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(save_encoder(encoder, "vgg16_1d", {"width": 0.0625}, **notes))
    return path


def test_a_second_process_writes_features_and_says_what_is_left_out(
    wfdb_folder: Path, tmp_path: Path, encoder_file: Path
):
    (wfdb_folder / "r03.dat").write_bytes(b"cut")
    out = tmp_path / "features.csv"
    command = [sys.executable, "-m", "lcd_plugin.cli", "embed", wfdb_folder, "-e", encoder_file]
    done = subprocess.run([*command, "-o", out, "--json"], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert (said["schema"], said["n_records"], said["rows"]) == (1, 11, 11)
    [left_out] = said["left_out"]
    assert left_out["record"].endswith("r03")
    assert "r03.dat is cut" in done.stderr
    assert "1 of 12 records are left out" in done.stderr
    table = pd.read_csv(out)
    assert len(table) == 11
    assert len(table.columns) == 3 + said["features"]
    assert np.isfinite(table.iloc[:, 3:].to_numpy()).all()


def test_a_clean_dataset_ends_with_0_and_knows_patients(
    lcd_bench: Callable[..., Result], wfdb_folder: Path, tmp_path: Path, encoder_file: Path
):
    out = tmp_path / "features.npz"
    result = lcd_bench("embed", f"wfdb={wfdb_folder}", "-e", encoder_file, "-o", out)
    assert result.exit_code == 0, result.output
    assert "12 rows x" in result.stdout
    with np.load(out) as arrays:
        assert arrays["patient"].tolist() == [f"p{i}" for i in range(12)]


def test_if_nothing_can_be_read_it_ends_with_5_and_writes_nothing(
    lcd_bench: Callable[..., Result], wfdb_folder: Path, tmp_path: Path, encoder_file: Path
):
    out = tmp_path / "features.csv"
    result = lcd_bench(
        "embed", wfdb_folder, "-e", encoder_file, "-o", out, "--leads", "X1", "--json"
    )
    assert result.exit_code == 5
    assert "None of 12 records" in result.stderr
    assert "give --leads" in result.stderr
    assert not out.exists()
    assert result.stdout == ""


def test_mistakes_are_sentences(
    lcd_bench: Callable[..., Result], wfdb_folder: Path, tmp_path: Path, encoder_file: Path
):
    cases = [
        (["embed", wfdb_folder, "-e", encoder_file, "-o", "f.xlsx"], 2, "-o such a name"),
        (["embed", "nowhere", "-e", encoder_file, "-o", "f.csv"], 2, "'nowhere' is no WFDB record"),
        (["embed", wfdb_folder, "-e", "none.safetensors", "-o", "f.csv"], 5, "none.safetensors"),
    ]
    for arguments, code, sentence in cases:
        result = lcd_bench(*arguments)
        assert result.exit_code == code, result.output
        assert sentence in result.stderr


def test_names_cannot_turn_the_terminal_around(
    lcd_bench: Callable[..., Result], wfdb_folder: Path, tmp_path: Path, encoder_file: Path
):
    listed = tmp_path / "list"
    listed.write_text("records/r00\nrecords/\x1b[31mred\u202e\n")
    result = lcd_bench("embed", listed, "-e", encoder_file, "-o", tmp_path / "f.csv")
    assert result.exit_code == 3
    assert "red" in result.stderr
    assert "\x1b[31m" not in result.stderr
    assert "\u202e" not in result.stderr
