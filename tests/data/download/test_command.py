from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from lcd_plugin.cli.data.download import download_command
from lcd_plugin.data.download.target import find_target
from lcd_plugin.data.specs import CHALLENGE2021, CODE15, CPSC2018, PTBXL, SYNTHETIC, WFDB
from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
    from conftest import Release

Download = Callable[..., Result]


@pytest.fixture
def download() -> Download:
    app = typer.Typer()
    app.command()(download_command)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return invoke


def test_the_address_and_the_folder_of_a_dataset(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LCD_BENCH_DATA", "/data")
    target = find_target(PTBXL)
    assert target.source == "https://physionet.org/files/ptb-xl/1.0.3/"
    assert (target.root, target.part) == (Path("/data/ptbxl"), "")
    target = find_target(CPSC2018)
    assert (target.root, target.part) == (Path("/data/challenge-2021"), "training/cpsc_2018")
    assert find_target(CHALLENGE2021, folder="/x").root == Path("/x")
    assert find_target(CODE15, source="http://h/a").source == "http://h/a/"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (SYNTHETIC, "needs no download"),
        (CODE15, f"fetch it by hand (see {CODE15.paper})"),
        (WFDB, "fetch it by hand, or give the address"),
    ],
)
def test_datasets_that_are_not_downloaded(spec, complaint: str):
    with pytest.raises(ConfigError) as caught:
        find_target(spec, "/x")
    assert complaint in str(caught.value)


def test_summary_on_stdout_progress_on_stderr(
    release: Release, download: Download, tmp_path: Path, tree: Callable[[Path], dict[str, bytes]]
):
    done = download(f"ptbxl={tmp_path}", "--source", release.url, "--jobs", "3")
    assert done.exit_code == 0, done.stderr
    assert tree(tmp_path) == release.files
    n = len(release.files)
    received = f"{n} fetched (31"
    assert f"ptbxl: {n} files, {received}" in done.stdout
    assert done.stdout.rstrip().endswith(str(tmp_path))
    assert f"downloading ptbxl: {n} files" in done.stderr
    again = download(f"ptbxl={tmp_path}", "--source", release.url)
    assert f"0 fetched (0 bytes), {n} there before, 0 missing" in again.stdout


def test_into_the_data_folder_by_default(
    release: Release, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LCD_BENCH_DATA", str(tmp_path))
    release.listed["training/cpsc_2018/g1/A0001.hea"] = release.listed["RECORDS"]
    release.files["training/cpsc_2018/g1/A0001.hea"] = release.files["RECORDS"]
    assert download("cpsc2018", "--source", release.url).exit_code == 0
    assert (tmp_path / "challenge-2021/training/cpsc_2018/g1/A0001.hea").is_file()
    assert [name for name, _ in release.gets()] == ["training/cpsc_2018/g1/A0001.hea"]


def test_json_is_one_document(release: Release, download: Download, tmp_path: Path):
    release.act("RECORDS", release.status(404), always=True)
    done = download(f"ptbxl={tmp_path}", "--source", release.url, "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 5
    assert document["schema"] == 1
    assert not document["complete"]
    assert document["failed"] == [
        {"path": "RECORDS", "reason": "the server does not have it (404)"}
    ]
    assert document["files"] == document["fetched"] + 1 == len(release.files)
    assert document["folder"] == str(tmp_path)


def test_one_bad_file_is_exit_code_5_and_the_others_are_there(
    release: Release, download: Download, tmp_path: Path, tree: Callable[[Path], dict[str, bytes]]
):
    release.act("RECORDS", release.status(404), always=True)
    done = download(f"ptbxl={tmp_path}", "--source", release.url)
    assert done.exit_code == 5
    assert "FAILED RECORDS: the server does not have it (404)" in done.stderr
    assert f"1 of {len(release.files)} files of 'ptbxl' are missing" in done.stderr
    assert "run the same command again, it goes on from there" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == {n: c for n, c in release.files.items() if n != "RECORDS"}


def test_many_bad_files_are_counted(
    serve: Callable[[dict[str, bytes]], Release], download: Download, tmp_path: Path
):
    release = serve({f"f{i:03d}": b"x" for i in range(30)})
    release.files = {}
    done = download(f"ptbxl={tmp_path}", "--source", release.url)
    assert done.stderr.count("FAILED") == 20
    assert "... and 10 more" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["ptb-xl=x"], 2, "did you mean 'ptbxl'"),
        (["ptbxl="], 2, "give ptbxl=FOLDER"),
        (["ptbxl"], 2, "set LCD_BENCH_DATA"),
        (["synthetic=x"], 2, "needs no download"),
        (["code15=x"], 2, "fetch it by hand"),
        (["ptbxl=x", "--source", "ftp://host/"], 2, "is no http(s) address"),
        (["ptbxl=x", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_code(
    download: Download,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    complaint: str,
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LCD_BENCH_DATA", raising=False)
    done = download(*arguments)
    assert done.exit_code == code
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
