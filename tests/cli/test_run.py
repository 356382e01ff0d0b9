from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from lcd_plugin import load_encoder

LcdBench = Callable[..., Result]
Scores = Callable[[Path], list[tuple]]


def test_a_run_leaves_what_the_design_promises(finished: tuple[Path, Result]):
    out, result = finished
    assert result.exit_code == 0, result.stderr
    pretrained = list((out / "pretrain").iterdir())
    evaluated = list((out / "evaluate").iterdir())
    assert len(pretrained) == 4  # two methods with an encoder of their own, two seeds
    assert len(evaluated) == 12  # three methods, two fractions, two seeds
    for folder in pretrained:
        names = {p.name for p in folder.iterdir()}
        assert names == {"result.json", "encoder.safetensors", "history.csv"}
    for folder in evaluated:
        assert {p.name for p in folder.iterdir()} == {"result.json", "predictions.npz"}
    report = {p.name for p in (out / "report").iterdir()}
    tables = {f"leaderboard.{kind}" for kind in ("md", "csv", "tex", "json")}
    assert report == {"index.html", *tables}
    assert tomllib.loads((out / "suite.toml").read_text())["pretrain"]["epochs"] == 1


def test_the_table_and_the_path_of_the_report_end_stdout(finished: tuple[Path, Result]):
    out, result = finished
    assert "macro AUROC" in result.stdout
    assert result.stdout.rstrip().endswith(f"Report: {out / 'report' / 'index.html'}")
    assert "pretrain lcd on synthetic" in result.stderr
    assert "pretrain lcd" not in result.stdout


def test_leaderboard_json_has_a_row_for_each_method_fraction_and_metric(
    finished: tuple[Path, Result],
):
    board = json.loads((finished[0] / "report" / "leaderboard.json").read_text())
    assert board["schema"] == 1
    places = {(r["method"], r["label_fraction"], r["metric"]) for r in board["rows"]}
    assert len(places) == len(board["rows"]) == 3 * 2 * 5
    for row in board["rows"]:
        assert row["n_seeds"] == 2
        if row["metric"] == "ece":  # whose estimate is biased
            assert row["ci_low"] is row["ci_high"] is row["rank"] is None
        else:
            assert 0 <= row["ci_low"] < row["ci_high"] <= 1
            assert row["rank"] >= 1
    rows = list(csv.DictReader((finished[0] / "report" / "leaderboard.csv").open()))
    assert [float(r["mean"]) for r in rows] == [r["mean"] for r in board["rows"]]


def test_results_say_where_they_come_from(finished: tuple[Path, Result]):
    path = next((finished[0] / "pretrain").glob("*/result.json"))
    provenance = json.loads(path.read_text())["provenance"]
    assert provenance["packages"]["torch"]
    plugins = provenance["plugins"]
    assert plugins.keys() == {"method", "dataset", "encoder"}
    assert {p["distribution"] for p in plugins.values()} == {"lcd-plugin"}
    assert all(re.fullmatch("[0-9a-f]{16}", p["code"]) for p in plugins.values())
    assert plugins["encoder"]["name"] == "vgg16_1d"
    assert provenance["machine"]["processor"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance["started"])


def test_the_encoder_of_a_run_reads_any_leads(finished: tuple[Path, Result]):
    encoder = load_encoder(next((finished[0] / "pretrain").glob("*/encoder.safetensors")))
    assert encoder(torch.zeros(2, 3, 250)).shape == (2, 3 * encoder.num_features)
    assert encoder.notes["rate"] == 100


def test_again_does_nothing_and_says_so(
    finished: tuple[Path, Result], lcd_bench: LcdBench, small: list[str]
):
    out, first = finished
    before = {
        p: p.stat().st_mtime_ns
        for kind in ("pretrain", "evaluate")
        for p in out.glob(f"{kind}/*/*")
    }
    again = lcd_bench(*small, "-o", out)
    assert again.exit_code == 0
    assert "Nothing to do: all 16 cells are complete" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again.stdout == first.stdout


def test_dry_run_lists_what_is_done_and_computes_nothing(
    finished: tuple[Path, Result], lcd_bench: LcdBench, tmp_path: Path, small: list[str]
):
    done = lcd_bench(*small, "-o", finished[0], "--dry-run")
    assert "16 cells, 16 complete, 0 to do" in done.stdout
    fresh = lcd_bench(*small, "-o", tmp_path / "new", "--dry-run", "--json")
    cells = json.loads(fresh.stdout)["cells"]
    assert len(cells) == 16
    assert {c["status"] for c in cells} == {"to do"}
    assert not (tmp_path / "new").exists()


def test_json_is_one_document_and_nothing_else(
    finished: tuple[Path, Result], lcd_bench: LcdBench, small: list[str]
):
    document = json.loads(lcd_bench(*small, "-o", finished[0], "--json").stdout)
    assert document["counts"]["cached"] == 16
    assert document["leaderboard"]["schema"] == 1


def test_a_changed_setting_computes_only_what_it_touches(
    finished: tuple[Path, Result], lcd_bench: LcdBench, small: list[str]
):
    """Gamma is LCD's own: the baselines keep their results."""
    plan = lcd_bench(*small, "-o", finished[0], "--dry-run", "--json", "--set", "lcd.gamma=0.1")
    to_do = [c["title"] for c in json.loads(plan.stdout)["cells"] if c["status"] == "to do"]
    assert len(to_do) == 2 + 4
    assert all(" lcd on " in title for title in to_do)


def test_equal_runs_give_equal_scores(
    finished: tuple[Path, Result],
    lcd_bench: LcdBench,
    tmp_path: Path,
    small: list[str],
    scores: Scores,
):
    assert lcd_bench(*small, "-o", tmp_path).exit_code == 0
    assert scores(tmp_path) == scores(finished[0])


def test_killed_half_way_it_goes_on_and_ends_alike(
    finished: tuple[Path, Result],
    lcd_bench: LcdBench,
    tmp_path: Path,
    small: list[str],
    scores: Scores,
):
    """A real process, killed with SIGKILL as soon as its third result is there."""
    command = [sys.executable, "-m", "lcd_plugin.cli", *small, "-o", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    results = lambda: list(tmp_path.glob("*/*/result.json"))  # noqa: E731
    deadline = time.monotonic() + 120
    while len(results()) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kept = {p: p.stat().st_mtime_ns for p in results()}
    assert 3 <= len(kept) < 16
    assert lcd_bench(*small, "-o", tmp_path).exit_code == 0
    assert scores(tmp_path) == scores(finished[0])
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_a_cell_whose_files_were_cut_is_computed_again(
    finished: tuple[Path, Result],
    lcd_bench: LcdBench,
    tmp_path: Path,
    small: list[str],
    scores: Scores,
):
    shutil.copytree(finished[0], tmp_path / "out")
    spoilt = next((tmp_path / "out").glob("evaluate/*/predictions.npz"))
    spoilt.write_bytes(spoilt.read_bytes()[:500])
    report = lcd_bench("report", tmp_path / "out", "-o", tmp_path / "report")
    assert report.exit_code == 0, report.stderr
    again = lcd_bench(*small, "-o", tmp_path / "out")
    assert "1 cell computed, 15 were complete before" in again.stderr
    assert scores(tmp_path / "out") == scores(finished[0])


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    finished: tuple[Path, Result],
    lcd_bench: LcdBench,
    tmp_path: Path,
    small: list[str],
    scores: Scores,
    monkeypatch: pytest.MonkeyPatch,
):
    from lcd_plugin.bench import recorder

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "write_result", full)
        result = lcd_bench(*small, "-o", tmp_path)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert lcd_bench(*small, "-o", tmp_path).exit_code == 0
    assert scores(tmp_path) == scores(finished[0])


def test_interrupted_it_says_so_and_ends_with_130(tmp_path: Path, small: list[str]):
    command = [
        sys.executable,
        "-m",
        "lcd_plugin.cli",
        *small,
        "--epochs",
        "500",
        "-o",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "plan.json").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors


def test_a_failed_cell_is_recorded_costs_no_other_and_can_be_tried_again(
    lcd_bench: LcdBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: list[str]
):
    from lcd_plugin.methods.lcd import LCD

    def broken(self: LCD, views: list[torch.Tensor]) -> None:
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(LCD, "training_step", broken)
        failed = lcd_bench(*small, "-o", tmp_path)
    assert failed.exit_code == 3
    assert "RuntimeError: no luck" in failed.stderr
    assert "Traceback" not in failed.stderr
    board = json.loads((tmp_path / "report" / "leaderboard.json").read_text())
    assert {r["method"] for r in board["rows"]} == {"random", "supervised"}
    assert any("no luck" in cell["reason"] for cell in board["unfinished"])
    # Without being asked to, a failure is not tried again; nothing else is computed anew.
    still = lcd_bench(*small, "-o", tmp_path)
    assert still.exit_code == 3
    assert "0 cells computed, 10 were complete before" in still.stderr
    retried = lcd_bench(*small, "-o", tmp_path, "--retry-failed")
    assert retried.exit_code == 0
    assert "6 cells computed, 10 were complete before" in retried.stderr


def test_fail_fast_ends_with_the_first_failure(
    lcd_bench: LcdBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: list[str]
):
    from lcd_plugin.methods.lcd import LCD

    def broken(self: LCD, views: list[torch.Tensor]) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(LCD, "training_step", broken)
    assert lcd_bench(*small, "-o", tmp_path, "--fail-fast").exit_code == 3
    assert len(list(tmp_path.glob("*/*/result.json"))) == 1


def test_another_run_in_the_same_folder_is_not_mixed_in(
    finished: tuple[Path, Result], lcd_bench: LcdBench, tmp_path: Path, small: list[str]
):
    shutil.copytree(finished[0], tmp_path / "out")
    result = lcd_bench(*small, "-o", tmp_path / "out", "--seeds", "0")
    board = json.loads((tmp_path / "out" / "report" / "leaderboard.json").read_text())
    assert {row["n_seeds"] for row in board["rows"]} == {1}
    assert "Left out of out: 8 results of other settings" in result.stdout


def test_report_makes_the_same_leaderboard_again(
    finished: tuple[Path, Result], lcd_bench: LcdBench, tmp_path: Path
):
    result = lcd_bench("report", finished[0], "-o", tmp_path, "-f", "json", "-f", "md")
    assert result.exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"leaderboard.json", "leaderboard.md"}
    again = json.loads((tmp_path / "leaderboard.json").read_text())
    assert (
        again["rows"]
        == json.loads((finished[0] / "report" / "leaderboard.json").read_text())["rows"]
    )


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["-d", "ptbxl=/no/such/folder"], 5, "there is no folder /no/such/folder"),
        (["-m", "simclrr"], 2, "did you mean 'simclr'?"),
        (["-d", "ptb-xl"], 2, "did you mean 'ptbxl'"),
        (["-e", "vgg16"], 2, "did you mean 'vgg16_1d'?"),
        (["--epochs", "0"], 2, "pretrain.epochs: must be greater than or equal to 1 (got 0)"),
        (["--batch-size", "1000"], 2, "larger than the 84 training records"),
        (["--label-fractions", "0.02"], 2, "leaves class"),
        (["--label-fractions", "1.5"], 2, "at most 1"),
        (["--seeds", "a,b"], 2, "--seeds takes numbers"),
        (["--set", "lcd.gama=1"], 2, "did you mean 'gamma'?"),
        (["--set", "vgg16_1d.width=0"], 2, "needs in_leads >= 1 and width"),
        (["--set", "synthetic.recods=90"], 2, "did you mean 'records'"),
        (["--set", "tasks=['rhythm']"], 2, "has no task 'rhythm'"),
        (
            ["--set", "tasks=['diagnosis', 'diagnosis-singel']"],
            2,
            "did you mean 'diagnosis-single'",
        ),
        (["--set", "data.leads=['II']"], 2, "'lcd' needs 2 different leads, and data.leads has 1"),
        (["--set", "data.seconds=inf"], 2, "data.seconds: must be a finite number"),
        (["--set", "data.seconds=0.1"], 2, "at least 32 are needed"),
        (["-d", "ptbxl", "--set", "ptbxl.path=2024"], 5, "there is no folder 2024"),
        (["--device", "cuda"], 2, "no CUDA device"),
        (["--executor", "rai"], 2, "is not one of 'local', 'ray'"),
        (["--protocol", "linaer"], 2, "'linear'"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_code(
    lcd_bench: LcdBench,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    complaint: str,
    small: list[str],
):
    if arguments[0] == "--device" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    result = lcd_bench(*small, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == code, result.stderr
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_its_folder_says_how_to_give_it(
    lcd_bench: LcdBench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LCD_BENCH_DATA", raising=False)
    result = lcd_bench("run", "ptbxl")
    assert result.exit_code == 5
    assert "-d ptbxl=FOLDER" in result.stderr


def test_results_that_cannot_be_written(lcd_bench: LcdBench, tmp_path: Path, small: list[str]):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = lcd_bench(*small, "-o", blocked)
    assert result.exit_code == 2
    assert "give another folder with -o" in result.stderr


def test_report_of_a_folder_without_results(lcd_bench: LcdBench, tmp_path: Path):
    result = lcd_bench("report", tmp_path)
    assert result.exit_code == 5
    assert "holds no results" in result.stderr


def test_datasets_are_found_by_name_in_the_data_folder(
    lcd_bench: LcdBench, real_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("LCD_BENCH_DATA", str(real_data))
    result = lcd_bench(
        "run", "ptbxl", "-m", "lcd", "-m", "random", "--limit", "200", "--epochs", "1",
        "--batch-size", "64", "--seeds", "0", "--label-fractions", "0.2,1", "-o", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    board = json.loads((tmp_path / "report" / "leaderboard.json").read_text())
    assert {row["dataset"] for row in board["rows"]} == {"ptbxl"}
    assert os.environ["LCD_BENCH_DATA"] == str(real_data)


OWN_RECORDS = [
    "run", "quick", "-m", "lcd", "-m", "random", "--epochs", "1", "--batch-size", "4",
    "--label-fractions", "1", "--set", "data.seconds=5",
]  # fmt: skip


def test_own_records_with_one_cut_in_half(
    lcd_bench: LcdBench, wfdb_folder: Path, tmp_path: Path
) -> None:
    half = wfdb_folder / "r00.dat"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    result = lcd_bench(*OWN_RECORDS, "-d", f"wfdb={wfdb_folder}", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "record r00 is left out" in result.stderr
    board = json.loads((tmp_path / "out" / "report" / "leaderboard.json").read_text())
    assert board["data"][0]["n_left_out"] == 1
    assert board["data"][0]["left_out"][0][0] == "r00"
    assert "r00" in (tmp_path / "out" / "report" / "index.html").read_text()


def test_no_record_left(lcd_bench: LcdBench, wfdb_folder: Path, tmp_path: Path) -> None:
    for file in wfdb_folder.glob("*.dat"):
        file.write_bytes(file.read_bytes()[:100])
    result = lcd_bench(*OWN_RECORDS, "-d", f"wfdb={wfdb_folder}", "-o", tmp_path / "out")
    assert result.exit_code == 5
    assert "no usable record: all 12 were left out" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_label_file_with_an_unknown_column(
    lcd_bench: LcdBench, wfdb_folder: Path, tmp_path: Path
) -> None:
    labels = wfdb_folder / "labels.csv"
    labels.write_text(labels.read_text().replace("label", "lable"))
    result = lcd_bench(*OWN_RECORDS, "-d", f"wfdb={wfdb_folder}", "-o", tmp_path / "out")
    assert result.exit_code == 5
    assert "has no column 'label'; did you mean 'lable'?" in result.stderr
    assert "Traceback" not in result.stderr


TRANSFER = [
    "run", "quick", "-p", "synthetic", "-m", "lcd", "-m", "random", "-m", "supervised",
    "--limit", "60", "--epochs", "1", "--batch-size", "16", "--label-fractions", "1",
    "--set", "finetune.epochs=1", "--set", "data.seconds=5", "--precision", "fp32",
]  # fmt: skip


def test_pretrained_on_one_dataset_and_scored_on_another(
    lcd_bench: LcdBench, wfdb_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*TRANSFER, "-d", f"wfdb={wfdb_folder}", "-o", out]
    result = lcd_bench(*command)
    assert result.exit_code == 0, result.stderr
    board = json.loads((out / "report" / "leaderboard.json").read_text())
    rows = {(r["method"], r["dataset"], r["pretrain_dataset"]) for r in board["rows"]}
    assert rows == {
        ("lcd", "wfdb", "synthetic"),
        ("random", "wfdb", "synthetic"),
        ("supervised", "wfdb", ""),
    }
    assert "lcd (pretrained on synthetic)" in result.stdout
    assert "linear lcd on wfdb/label, pretrained on synthetic" in result.stderr
    suite = tomllib.loads((out / "suite.toml").read_text())
    assert suite["pretrain_datasets"] == ["synthetic"]
    assert suite["settings"]["wfdb"]["path"] == str(wfdb_folder)
    again = lcd_bench(*command)
    assert again.exit_code == 0
    assert "Nothing to do: all 5 cells are complete" in again.stderr
    assert again.stdout == result.stdout


def test_a_dataset_that_cannot_be_used_costs_no_other(
    lcd_bench: LcdBench, tmp_path: Path, small: list[str]
) -> None:
    out = tmp_path / "out"
    command = [*small, "-m", "random", "-d", "synthetic", "-d", "wfdb=/no/such/folder", "-o", out]
    planned = lcd_bench(*command, "--dry-run", "--json")
    assert planned.exit_code == 0
    document = json.loads(planned.stdout)
    assert "there is no folder" in document["unavailable"]["dataset wfdb"]
    to_do = len(document["cells"])
    result = lcd_bench(*command)
    assert result.exit_code == 3
    assert "Failed: dataset wfdb: Dataset 'wfdb': there is no folder" in result.stderr
    board = json.loads((out / "report" / "leaderboard.json").read_text())
    assert {row["dataset"] for row in board["rows"]} == {"synthetic"}
    assert [cell["title"] for cell in board["unfinished"]] == ["dataset wfdb"]
    again = lcd_bench(*command)
    assert again.exit_code == 3
    assert f"0 cells computed, {to_do} were complete before" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["-p", "synthetik"], 2, "did you mean 'synthetic'?"),
        (["-p", "wfdb=/no/such/folder"], 5, "there is no folder /no/such/folder"),
        (["-p", "wfdb=/one", "-d", "wfdb=/two"], 2, "given two folders, /two and /one"),
        (["--set", "pretrain_part=all"], 2, "'synthetic', which is scored too"),
    ],
)
def test_bad_transfers_are_one_sentence(
    lcd_bench: LcdBench, small: list[str], arguments: list[str], code: int, complaint: str
) -> None:
    result = lcd_bench(*small, *arguments, "--dry-run")
    assert result.exit_code == code
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
