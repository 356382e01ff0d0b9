"""The examples are run as their readers would run them."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
TIMEOUT_S = 240


def test_there_are_lightlys_three_flavours() -> None:
    assert NAMES == ["distributed.py", "lightning.py", "pytorch.py"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 100


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(name: str, tmp_path: Path) -> None:
    command = [
        sys.executable, str(EXAMPLES / name), "--records", "96", "--epochs", "2",
        "--batch-size", "16",
    ]  # fmt: skip
    # Two processes on one machine share a batch in distributed.py; nothing of it needs a GPU.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    # Each epoch is printed once, however many processes there are.
    printed = re.findall(r"^epoch (\d+), loss (\S+)$", done.stdout, re.M)
    assert [epoch for epoch, _ in printed] == ["1", "2"]
    first, last = (float(loss) for _, loss in printed)
    assert math.isfinite(first)
    assert 0 < last < first
    assert not any(tmp_path.iterdir()), "an example leaves files behind"
