from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lcd_plugin.cli.main import app


@pytest.fixture
def out(runs: Any) -> Path:
    scores = {
        "lcd": [runs.noisy(2.0, 1)],
        "byol": [runs.noisy(1.0, 3)],
        "random": [runs.noisy(0, 2)],
    }
    return runs.write(scores)


def report(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_all_documents_are_written_but_figures_only_when_asked_for(out: Path):
    report(out)
    assert sorted(path.name for path in (out / "report").iterdir()) == [
        "index.html", "leaderboard.csv", "leaderboard.json", "leaderboard.md", "leaderboard.tex",
    ]  # fmt: skip


def test_one_format_alone(out: Path, tmp_path: Path):
    said = report(out, "-f", "latex", "-f", "figures", "-o", tmp_path / "own")
    files = sorted(
        str(path.relative_to(tmp_path / "own")) for path in (tmp_path / "own").rglob("*.*")
    )
    assert files == [
        f"figures/d-t-e-linear-{name}.{kind}"
        for name in ("classes", "label-efficiency", "score-against-time")
        for kind in ("pdf", "svg")
    ] + ["figures/figures.json", "leaderboard.tex"]  # fmt: skip
    assert str(tmp_path / "own" / files[0]) in said.replace("\n", "")


def test_figures_of_an_earlier_report_are_replaced_and_nothing_else(runs: Any, tmp_path: Path):
    folder = tmp_path / "own" / "figures"
    outs = [runs.write({"lcd": [runs.noisy(2, 1)]}, name, dataset=name) for name in ("one", "two")]
    report(outs[0], "-f", "figures", "-o", folder.parent)
    before = {path.name for path in folder.iterdir()} - {"figures.json"}
    assert {name.partition("-")[0] for name in before} == {"one"}
    own = folder / "one-drawn-by-hand.svg"
    own.write_text("mine")
    outside = tmp_path / "own" / "kept.svg"
    outside.write_text("mine")
    # Not even a list that was tampered with leads elsewhere.
    names = [*json.loads((folder / "figures.json").read_text()), "../kept.svg", str(outside), 3]
    (folder / "figures.json").write_text(json.dumps(names))
    report(outs[1], "-f", "figures", "-o", folder.parent)
    after = {path.name for path in folder.iterdir()} - {"figures.json"}
    assert after - {own.name} == {name.replace("one-", "two-", 1) for name in before}
    assert own.read_text() == outside.read_text() == "mine"
    assert set(json.loads((folder / "figures.json").read_text())) == after - {own.name}


def test_percentages_in_text_and_fractions_for_programs(out: Path, tmp_path: Path):
    said = report(out, "--scores", "percent", "-o", tmp_path)
    board = json.loads((tmp_path / "leaderboard.json").read_text())
    mean = next(r["mean"] for r in board["rows"] if (r["method"], r["metric"]) == ("lcd", "auroc"))
    percent = f"{100 * mean:.1f}"
    assert f" {percent}*" in said
    assert f"**{percent}**" in (tmp_path / "leaderboard.md").read_text()
    assert rf"\textbf{{{percent}}}" in (tmp_path / "leaderboard.tex").read_text()
    assert f",{mean!r}," in (tmp_path / "leaderboard.csv").read_text()
    assert 0.5 < mean < 1


def test_an_unknown_format_is_refused(out: Path):
    done = CliRunner().invoke(app, ["report", str(out), "-f", "docx"])
    assert done.exit_code == 2
    said = re.sub(r"\W+", " ", done.output)
    assert "html md csv latex json figures" in said


def test_a_document_gives_the_same_report_as_the_results_it_was_made_from(
    out: Path, tmp_path: Path
):
    report(out)
    made = out / "report"
    report(made / "leaderboard.json", "-o", tmp_path / "again")
    for path in made.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_a_document_is_not_put_together_with_others(out: Path, tmp_path: Path):
    report(out)
    document = out / "report" / "leaderboard.json"
    done = CliRunner().invoke(app, ["report", str(document), str(out), "-o", str(tmp_path / "o")])
    assert done.exit_code == 2
    assert "give it alone" in done.stderr


@pytest.mark.parametrize("content", ["{}", '{"schema": 9, "rows": []}', "no", None])
def test_what_is_no_leaderboard_is_one_sentence(tmp_path: Path, content: str | None):
    path = tmp_path / "leaderboard.json"
    if content is not None:
        path.write_text(content)
    done = CliRunner().invoke(app, ["report", str(path)])
    assert done.exit_code == 5
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
