"""What a run tells of its environment and command line, and what it keeps to itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lcd_plugin.bench.provenance import VARIABLES, provenance
from lcd_plugin.bench.secrets import without_secrets
from lcd_plugin.cli.main import app

SECRET = "hunter2-5f1c"

TINY = [
    "run", "quick", "-m", "random", "--limit", "60", "--label-fractions", "1", "--precision",
    "fp32", "--set", "data.seconds=2.5", "--batch-size", "16", "--epochs", "1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["--set", f"mine.token={SECRET}"], ["--set", "mine.token=***"]),
        ([f"--set=mine.api_key='{SECRET} x'"], ["--set=mine.api_key=***"]),
        (["-e", f"mine:password={SECRET},width=2"], ["-e", "mine:password=***"]),
        (["--password", SECRET, "x"], ["--password", "***", "x"]),
        (["--hub-token", SECRET], ["--hub-token", "***"]),
        (["-d", f"x=https://ada:{SECRET}@h/x"], ["-d", "x=https://***@h/x"]),
        (["-d", f"x=https://ada:p@{SECRET}@h/x"], ["-d", "x=https://***@h/x"]),
        ([f"https://h/x?token={SECRET}&a=1"], ["https://h/x?token=***"]),
        (["-e", "vit1d_xs:lead_tokens=true"], ["-e", "vit1d_xs:lead_tokens=true"]),
        (["--set", "lcd.gamma=0.1", "-o", "out"], ["--set", "lcd.gamma=0.1", "-o", "out"]),
        (["-d", "ptbxl=/data/ptb-xl"], ["-d", "ptbxl=/data/ptb-xl"]),
    ],
)
def test_a_command_line_is_shown_without_its_secrets(typed: list[str], shown: list[str]):
    assert without_secrets(typed) == shown


def test_only_listed_variables_are_recorded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LCD_BENCH_DATA", "/home/ada/data")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    found = provenance(torch.device("cpu"), 1)["environment"]
    assert found["OMP_NUM_THREADS"] == "1"
    assert "MKL_NUM_THREADS" not in found
    assert set(found) <= set(VARIABLES)


def test_no_file_of_a_run_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    for name in ("HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "LCD_SECRET"):
        monkeypatch.setenv(name, f"http://ada:{SECRET}@proxy")
    # As a wrapper script would be called; what follows a run's own options is not read by it.
    secrets = ["--set", f"x.token={SECRET}", f"https://ada:{SECRET}@h", "--password", SECRET]
    monkeypatch.setattr(sys, "argv", ["lcd-bench", *TINY, *secrets])
    done = CliRunner().invoke(app, [*TINY, "-o", str(out)])
    assert done.exit_code == 0, done.output
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"result.json", "suite.toml", "plan.json", "index.html"} <= {p.name for p in files}
    assert any(b"x.token=***" in path.read_bytes() for path in files)
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert SECRET not in done.output
