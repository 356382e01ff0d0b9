"""What a user sees and sets of the engine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from lcd_plugin.methods.lcd import LCD
from lcd_plugin.pretrain import loop

LcdBench = Callable[..., Result]
BRIEF = [
    "run", "quick", "-m", "lcd", "--limit", "120", "--epochs", "4", "--batch-size", "32",
    "--label-fractions", "1", "--set", "data.seconds=2.5", "--precision", "fp32",
    "--set", "engine.checkpoint_s=0",
]  # fmt: skip


def _pretrained(out: Path) -> tuple[dict[str, Any], bytes]:
    (folder,) = (out / "pretrain").iterdir()
    assert {p.name for p in folder.iterdir()} == {
        "result.json", "encoder.safetensors", "history.csv",
    }  # fmt: skip
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result, (folder / "encoder.safetensors").read_bytes()


def test_every_pretraining_says_what_it_took(finished: tuple[Path, Result]) -> None:
    pattern = (
        r"pretrain lcd on synthetic, vgg16_1d, seed 0: \d+\.\d s \((\w+ \d+\.\d(, )?)+\), "
        r"[\d,]+ records/s, \d+\.\d % waiting for data \(resident\), [\d,]+ MB\n"
    )
    assert re.search(pattern, finished[1].stderr)


def test_where_records_live_makes_no_other_result(
    finished: tuple[Path, Result], lcd_bench: LcdBench, small: list[str], tmp_path: Path
) -> None:
    out = shutil.copytree(finished[0], tmp_path / "out")
    again = lcd_bench(*small, "-o", out, "--set", "engine.records=stream")
    assert "Nothing to do" in again.stderr


def test_streamed_records_give_the_same_encoder(lcd_bench: LcdBench, tmp_path: Path) -> None:
    resident = lcd_bench(*BRIEF, "-o", tmp_path / "resident")
    streamed = lcd_bench(*BRIEF, "-o", tmp_path / "stream", "--set", "engine.memory_gb=1e-6")
    assert resident.exit_code == streamed.exit_code == 0
    assert "waiting for data (stream)" in streamed.stderr
    one, other = (_pretrained(tmp_path / kind) for kind in ("resident", "stream"))
    assert (one[0]["engine"]["records"], other[0]["engine"]["records"]) == ("resident", "stream")
    assert one[0]["key"] == other[0]["key"]
    assert one[1] == other[1]


def test_several_devices_make_another_result(
    finished: tuple[Path, Result], lcd_bench: LcdBench, small: list[str]
) -> None:
    plan = lcd_bench(*small, "-o", finished[0], "--devices", "2", "--dry-run", "--json")
    status = {c["title"]: c["status"] for c in json.loads(plan.stdout)["cells"]}
    assert status["pretrain lcd on synthetic, vgg16_1d, seed 0"] == "to do"
    assert status["pretrain random on synthetic, vgg16_1d, seed 0"] == "complete"


def test_devices_that_cannot_share_a_batch(
    lcd_bench: LcdBench, small: list[str], tmp_path: Path
) -> None:
    refused = lcd_bench(*small, "-o", tmp_path / "out", "--devices", "3")
    assert refused.exit_code == 2
    assert "--batch-size that is a multiple of 3" in refused.stderr


def test_interrupted_within_a_pretraining(
    lcd_bench: LcdBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = loop._Loop._close

    def interrupted(self: Any, epoch: int, means: dict[str, float]) -> None:
        if epoch == 3:
            raise KeyboardInterrupt
        close(self, epoch, means)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Loop, "_close", interrupted)
        first = lcd_bench(*BRIEF, "-o", tmp_path / "out")
    assert first.exit_code == 130
    second = lcd_bench(*BRIEF, "-o", tmp_path / "out")
    assert second.exit_code == 0, second.stderr
    assert "resumed after epoch 2" in second.stderr
    lcd_bench(*BRIEF, "-o", tmp_path / "undisturbed")
    resumed, undisturbed = (_pretrained(tmp_path / name) for name in ("out", "undisturbed"))
    assert resumed[0]["engine"]["resumed_at"] == 2
    assert resumed[1] == undisturbed[1]


def test_out_of_memory_is_one_sentence_and_costs_no_other_cell(
    lcd_bench: LcdBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(LCD, "training_step", too_much)
    result = lcd_bench(*BRIEF, "-m", "random", "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "A step of 32 records does not fit into the memory of the device" in result.stderr
    assert "use a smaller --batch-size." in result.stderr
    assert "Traceback" not in result.stderr
    assert "linear random on synthetic" in result.stderr
