"""`lcd-bench doctor`: what it prints and ends with, on a run that really ran."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lcd_plugin.cli.main import app

RUN = [
    "run", "quick", "-m", "lcd", "-m", "random", "--limit", "120", "--epochs", "1",
    "--batch-size", "32", "--label-fractions", "0.2,1", "--set", "data.seconds=2.5",
    "--precision", "fp32",
]  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that nobody changes."""
    out = tmp_path_factory.mktemp("doctor") / "out"
    result = CliRunner().invoke(app, [*RUN, "-o", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def out(ran: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ran, tmp_path / "out"))


def document(result: Result) -> dict:
    parsed: dict = json.loads(result.stdout)
    assert parsed["schema"] == 1
    return parsed


def words(result: Result) -> str:
    """What was printed, without its line breaks."""
    return " ".join(result.stdout.split())


def first(out: Path, kind: str = "evaluate") -> Path:
    return min((out / kind).iterdir())


def change_a_number(out: Path) -> None:
    path = first(out) / "result.json"
    path.write_text(re.sub(r'"auroc": 0\.\d', '"auroc": 0.9', path.read_text(), count=1) + " ")
    path.write_text(path.read_text().replace('"n_labels": ', '"n_labels": 1', 1))


def test_a_run_that_went_through_is_sound(out: Path, lcd_bench: Callable[..., Result]):
    result = lcd_bench("doctor", out)
    assert result.exit_code == 0, result.output
    assert "6 cells looked at" in words(result)
    assert result.stdout.rstrip().endswith("Sound.")
    said = document(lcd_bench("doctor", out, "--json"))
    assert said["counts"] == {"problems": 0, "notes": 0}
    assert (said["findings"], said["fixed"]) == ([], [])


def test_a_changed_result_is_told_mended_and_computed_again(
    out: Path, lcd_bench: Callable[..., Result]
):
    change_a_number(out)
    result = lcd_bench("doctor", out)
    assert result.exit_code == 4
    assert "changed by hand" in words(result)
    said = document(lcd_bench("doctor", out, "--json"))
    kinds = {(f["kind"], f["severity"]) for f in said["findings"]}
    assert kinds == {("changed", "problem"), ("report", "problem")}
    assert said["counts"]["problems"] == 2
    assert all(f["fix"] for f in said["findings"])
    key = first(out).name

    said = document(lcd_bench("doctor", out, "--fix", "--json"))
    assert said["counts"]["problems"] == 0
    assert f"removed evaluate/{key}/result.json" in [f["done"] for f in said["fixed"]]
    assert not (out / "evaluate" / key).exists() or not list((out / "evaluate" / key).glob("*.npz"))
    after = lcd_bench("doctor", out)
    assert after.exit_code == 0
    assert "1 cell of the plan not computed yet" in words(after)

    assert lcd_bench(*RUN, "-o", out).exit_code == 0
    assert "Sound." in words(lcd_bench("doctor", out))
    assert (out / "evaluate" / key / "result.json").exists()


def test_every_line_fits_and_nothing_steers_the_terminal(
    out: Path, lcd_bench: Callable[..., Result]
):
    hostile = "\x1b[31m\u202egnp.\x07\r" + "[bold]"
    (out / hostile).touch()
    (first(out) / hostile).touch()
    (first(out) / os.fsdecode(b"no-utf8-\xff")).touch()
    (out / "evaluate" / hostile).mkdir()
    (out / "runners").mkdir(exist_ok=True)
    (out / "runners" / f"{hostile}.json").write_text("{}")
    path = first(out, "pretrain") / "result.json"
    path.write_text('{"schema_version": 1, "key": "\\u001b[2J", "identity": {}, "\\u0007": 1}')
    result = lcd_bench("doctor", out)
    assert result.exit_code == 4
    assert not set(result.stdout) & set("\x1b\x07\r\u202e")
    assert "[bold]" in result.stdout
    # A path that is longer than a line stands in one of its own.
    wide = [line.strip() for line in result.stdout.splitlines() if len(line) > 80]
    assert all(" " not in line for line in wide)
    assert document(lcd_bench("doctor", out, "--json"))["counts"]["problems"] >= 2


def test_many_findings_of_a_kind_are_counted(out: Path, lcd_bench: Callable[..., Result]):
    for number in range(30):
        (first(out) / f"orphan-{number:02}").touch()
    result = lcd_bench("doctor", out)
    assert "orphan-09" in result.stdout
    assert "orphan-10" not in result.stdout
    assert "problem (orphan): 20 more" in result.stdout
    assert len(document(lcd_bench("doctor", out, "--json"))["findings"]) == 30


def test_several_folders_are_one_document(
    out: Path, tmp_path: Path, lcd_bench: Callable[..., Result]
):
    other = Path(shutil.copytree(out, tmp_path / "other"))
    (first(other) / "orphan").touch()
    result = lcd_bench("doctor", out, other, "--json")
    assert result.exit_code == 4
    said = document(result)
    assert said["out"] == [str(out), str(other)]
    assert [f["out"] for f in said["findings"]] == [str(other)]


def test_what_is_no_run_ends_with_5_before_anything_is_looked_at(
    out: Path, tmp_path: Path, lcd_bench: Callable[..., Result]
):
    for wrong in (tmp_path / "nowhere", tmp_path):
        result = lcd_bench("doctor", out, wrong)
        assert result.exit_code == 5
        assert result.stdout == ""


def test_mending_a_folder_that_is_worked_on_ends_with_2(
    out: Path, lcd_bench: Callable[..., Result]
):
    (first(out) / "orphan").touch()
    at_work = (
        "import sys; from pathlib import Path; from lcd_plugin.bench.runners import *\n"
        "facts = {'executor': 'inline', 'jobs': 0, 'total': 6}\n"
        "with Presence(Path(sys.argv[1]), new_name(), lambda: facts): print(1, flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", at_work, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        result = lcd_bench("doctor", out, "--fix")
        assert result.exit_code == 2
        assert "being worked on" in result.output
        assert (first(out) / "orphan").exists()
        assert "1 runner at work" in words(lcd_bench("doctor", out))
    finally:
        other.kill()
        other.wait(timeout=10)
    result = lcd_bench("doctor", out, "--fix")
    assert result.exit_code == 0, result.output
    assert not (out / "runners").exists()
    assert "Sound." in words(lcd_bench("doctor", out))


def test_the_report_is_compared_only_when_wanted(out: Path, lcd_bench: Callable[..., Result]):
    path = out / "report" / "leaderboard.json"
    board = json.loads(path.read_text())
    board["rows"][0]["mean"] = 0.999
    path.write_text(json.dumps(board))
    assert lcd_bench("doctor", out).exit_code == 4
    assert lcd_bench("doctor", out, "--no-report").exit_code == 0
    assert lcd_bench("doctor", out, "--fix").exit_code == 0
    assert "0.999" not in path.read_text()


def test_without_a_folder_the_stores_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lcd_bench: Callable[..., Result]
):
    monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path))
    assert "0 prepared stores" in words(lcd_bench("doctor"))
    store = tmp_path / "stores" / f"ptbxl-{'0' * 16}"
    store.mkdir(parents=True)
    (store / "signals.f16").write_bytes(bytes(1_500_000))
    result = lcd_bench("doctor")
    assert result.exit_code == 4
    assert "1.5 MB" in result.stdout
    assert lcd_bench("doctor", "--fix").exit_code == 0
    assert not store.exists()


def test_looking_loads_no_torch(out: Path):
    code = (
        "import sys\nfrom lcd_plugin.cli.main import app\n"
        f"app(['doctor', {str(out)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'lightly', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # progress is for terminals
