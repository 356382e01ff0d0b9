"""A sound run to be damaged: made up, but whole, with encoders, a suite and a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from lcd_plugin.bench.results import PretrainResult, read_result, write_result
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.write import write_report

SUITE = 'name = "s"\nmethods = ["lcd", "random"]\nprotocols = ["linear"]\nseeds = [0, 1]\n'


def encoder_bytes(seed: int) -> bytes:
    """A file of weights as a pretraining leaves it, but smaller."""
    weights = {"w": np.random.default_rng(seed).normal(size=64).astype(np.float32)}
    said = {"format": "lcd-encoder-1", "encoder": "e", "settings": {}, "notes": {}}
    return save(weights, metadata={"lcd": json.dumps(said)})


@pytest.fixture(scope="session")
def undamaged(tmp_path_factory: pytest.TempPathFactory, run_writer: Any) -> Path:
    """A sound run that nobody changes: two methods, two seeds."""
    runs = run_writer(tmp_path_factory.mktemp("doctor"))
    out: Path = runs.write(
        {
            "lcd": [runs.noisy(2, 0), runs.noisy(2, 1)],
            "random": [runs.noisy(1, 2), runs.noisy(1, 3)],
        }
    )
    for seed, folder in enumerate(sorted((out / "pretrain").iterdir())):
        result = read_result(folder, PretrainResult)
        assert result is not None
        files = {"history.csv": (folder / "history.csv").read_bytes()}
        write_result(folder, result, files | {"encoder.safetensors": encoder_bytes(seed)})
    (out / "suite.toml").write_text(SUITE)
    write_report(build_leaderboard([out]), out / "report")
    return out


@pytest.fixture
def out(undamaged: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(undamaged, tmp_path / "out"))
