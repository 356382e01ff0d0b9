"""`lcd-bench explain`: fine-tunes, draws and saves in a second process; then without training."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from lcd_plugin.encoders import create_encoder, save_encoder

pytest.importorskip("captum")
SET = ["--set", "finetune.epochs=1", "--set", "precision='fp32'", "--label-fraction", "0.5"]


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = create_encoder("vgg16_1d", width=0.0625)
    notes = {"rate": 100.0, "seconds": 10.0, "leads": ["II", "V5"], "normalisation": "physical"}
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(save_encoder(encoder, "vgg16_1d", {"width": 0.0625}, method="lcd", **notes))
    return path


def test_a_second_process_trains_once_and_the_saved_models_say_the_same(
    wfdb_folder: Path, tmp_path: Path, encoder_file: Path, lcd_bench: Callable[..., Result]
):
    out = tmp_path / "figures" / "af.svg"
    data = ["--data", f"wfdb={wfdb_folder}", "--class", "AF"]
    command = [sys.executable, "-m", "lcd_plugin.cli", "explain", "-e", encoder_file, *data]
    done = subprocess.run(
        [*command, *SET, "--scratch", "-o", out, "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    # The first test record with the class: r10 is SR, r11 is AF.
    assert (said["record"], said["labels"], said["class"]) == ("r11", ["AF"], "AF")
    assert [m["name"] for m in said["models"]] == ["lcd", "from scratch"]
    for model in said["models"]:
        moved = abs(model["score"] - model["empty_score"])
        assert abs(model["completeness_error"]) < max(0.05 * moved, 1e-3)
        assert [point["share"] for point in model["deletion"]] == [0.1, 0.2, 0.3]
        assert sum(model["share_by_lead"].values()) == pytest.approx(1)
    text = "".join(ET.fromstring(out.read_bytes()).itertext())
    assert "lcd: probability of AF" in text
    assert "from scratch: probability of AF" in text
    files = [argument for path in said["saved_models"] for argument in ("-e", path)]
    assert [Path(p).name for p in files[1::2]] == [
        "af.lcd.safetensors",
        "af.from-scratch.safetensors",
    ]
    again = lcd_bench(
        "explain", wfdb_folder / "r11", *files, "--class", "AF", "-o", tmp_path / "b.svg", "--json"
    )
    assert again.exit_code == 0, again.output
    repeated = json.loads(again.stdout)
    assert repeated["saved_models"] == []
    assert repeated["labels"] is None
    assert [m["probability"] for m in repeated["models"]] == [
        m["probability"] for m in said["models"]
    ]
    assert repeated["models"][0]["deletion"] == said["models"][0]["deletion"]
    learned = lcd_bench("explain", wfdb_folder / "r00", *files, "-o", tmp_path / "c.svg")
    assert learned.exit_code == 2
    assert "is in the training part of wfdb" in learned.stderr
    chosen = lcd_bench("explain", wfdb_folder / "r08", *files, "-o", tmp_path / "c.svg")
    assert chosen.exit_code == 0
    assert "is in the validation part" in chosen.stderr


def test_labels_of_a_file_are_found_by_its_samples(
    wfdb_folder: Path, tmp_path: Path, encoder_file: Path, lcd_bench: Callable[..., Result]
):
    for suffix in (".hea", ".dat"):
        content = (wfdb_folder / f"r10{suffix}").read_bytes().replace(b"r10", b"own")
        (tmp_path / f"own{suffix}").write_bytes(content)
    result = lcd_bench(
        "explain", tmp_path / "own", "-e", encoder_file, "--data", f"wfdb={wfdb_folder}", *SET,
        "-o", tmp_path / "own.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "own, labels: SR" in result.stdout
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_sentences(
    wfdb_folder: Path, tmp_path: Path, encoder_file: Path, lcd_bench: Callable[..., Result]
):
    record, data = wfdb_folder / "r10", f"wfdb={wfdb_folder}"
    cases = [
        (["-e", encoder_file, "-o", "f.svg"], 2, "give --data NAME"),
        ([record, "-e", encoder_file, "-o", "f.jpg"], 2, "give -o such a name"),
        ([record, "-o", "f.svg"], 2, "Give --encoder FILE"),
        ([record, "-e", "none.safetensors", "-o", "f.svg"], 5, "none.safetensors"),
        (["-e", encoder_file, "--data", data, "--task", "x", "-o", "f.svg"], 2, "no task 'x'"),
    ]
    for arguments, code, sentence in cases:
        result = lcd_bench("explain", *arguments)
        assert result.exit_code == code, result.output
        assert sentence in result.stderr


def test_without_captum_it_ends_at_once(
    tmp_path: Path, encoder_file: Path, monkeypatch, lcd_bench: Callable[..., Result]
):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    result = lcd_bench("explain", "-e", encoder_file, "-o", tmp_path / "f.svg")
    assert result.exit_code == 2
    assert 'pip install "lcd-plugin[explain]"' in result.stderr
