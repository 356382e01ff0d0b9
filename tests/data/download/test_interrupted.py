from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lcd_plugin.data.download import fetch
from lcd_plugin.data.download.check import check_tree
from lcd_plugin.data.download.transfer import Patience
from lcd_plugin.data.download.tree import download_tree
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from conftest import Release

Tree = Callable[[Path], dict[str, bytes]]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_cut_connection_costs_only_the_rest(
    release: Release, root: Path, patience: Patience, tree: Tree, retries: int
):
    release.act("large.bin", release.cut(200_000))
    first = download_tree(release.url, root, patience=replace(patience, retries=retries))
    assert first.complete == (retries > 0)
    if not first.complete:
        assert [f.path for f in first.failed] == ["large.bin"]
        assert "broke off" in first.failed[0].reason
        assert not (root / "large.bin").exists()
        assert (root / "large.bin.part").read_bytes() == release.files["large.bin"][:200_000]
        assert check_tree(root).missing == ("large.bin",)
        second = download_tree(release.url, root, patience=patience)
        assert (second.fetched, second.bytes) == (1, 100_000)
    assert [start for name, start in release.gets() if name == "large.bin"] == [
        None,
        "bytes=200000-",
    ]
    assert tree(root) == release.files


def test_a_chunked_body_that_is_cut_goes_on(
    release: Release, root: Path, patience: Patience, tree: Tree
):
    def act(handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(
            b"c350\r\n" + content[:50_000] + b"\r\nc350\r\n" + content[50_000:60_000]
        )
        handler.close_connection = True

    release.act("large.bin", act)
    assert download_tree(release.url, root, patience=patience).complete
    assert release.gets().count(("large.bin", None)) == 1
    assert tree(root) == release.files


def test_a_server_without_ranges_starts_anew(
    release: Release, root: Path, patience: Patience, tree: Tree
):
    release.ranges = False
    release.act("large.bin", release.cut(200_000))
    assert download_tree(release.url, root, patience=patience).bytes > 500_000
    assert tree(root) == release.files


@pytest.mark.parametrize("wrong", ["416", "206 of another place"])
def test_a_range_that_is_not_answered_starts_anew(
    release: Release, root: Path, patience: Patience, tree: Tree, wrong: str
):
    root.mkdir(parents=True)
    (root / "large.bin.part").write_bytes(b"x" * 400_000)
    if wrong != "416":
        release.act("large.bin", release.status(206, Content_Range="bytes 5-9/300000"))
    assert download_tree(release.url, root, patience=patience).complete
    starts = [start for name, start in release.gets() if name == "large.bin"]
    assert starts == ["bytes=400000-", None]
    assert tree(root) == release.files


def test_a_spoilt_beginning_is_noticed_and_fetched_whole(
    release: Release, root: Path, patience: Patience, tree: Tree
):
    root.mkdir(parents=True)
    (root / "large.bin.part").write_bytes(b"x" * 100_000)
    assert download_tree(release.url, root, patience=patience).bytes > 500_000
    starts = [start for name, start in release.gets() if name == "large.bin"]
    assert starts == ["bytes=100000-", None]
    assert tree(root) == release.files


def test_all_there_but_the_name(release: Release, root: Path, patience: Patience, tree: Tree):
    root.mkdir(parents=True)
    (root / "large.bin.part").write_bytes(release.files["large.bin"])
    assert download_tree(release.url, root, patience=patience).complete
    assert "large.bin" not in dict(release.gets())
    assert tree(root) == release.files


def test_a_full_disk_ends_it_in_one_sentence(
    release: Release, root: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch, tree: Tree
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lcd_plugin.data.download.fetch._Unfinished.add", full)
        patch.setattr("lcd_plugin.data.download.tree._fetch_manifest", lambda *_: {"RECORDS": b""})
        with pytest.raises(DataError, match="takes no more files"):
            download_tree(release.url, root, patience=patience)
    assert download_tree(release.url, root, patience=patience).complete
    assert tree(root) == release.files


def test_a_file_that_another_process_is_fetching(
    release: Release, root: Path, patience: Patience, tree: Tree
):
    root.mkdir(parents=True)
    with fetch._Unfinished(root / "large.bin.part") as part:
        part.add(b"z" * 100)
        result = download_tree(release.url, root, patience=patience)
    assert [f.path for f in result.failed] == ["large.bin"]
    assert "another process" in result.failed[0].reason
    assert (root / "large.bin.part").read_bytes() == b"z" * 100


def test_a_bug_in_a_thread_is_not_swallowed(
    release: Release, root: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("lcd_plugin.data.download.tree._ensure", broken)
    with pytest.raises(RuntimeError, match="oh"):
        download_tree(release.url, root, patience=patience)


CHILD = """
import signal
import sys
from pathlib import Path
from lcd_plugin.data.download.tree import download_tree
# What is started in the background may have been told to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    download_tree(sys.argv[1], Path(sys.argv[2]), jobs=2)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_half_way_it_goes_on(
    release: Release, root: Path, patience: Patience, tree: Tree, number: signal.Signals
):
    """A real process; one of its two connections hangs for ever."""
    release.act("training/a/g1/A0000.mat", lambda handler, content: time.sleep(20))
    release.act("large.bin", release.slow(0.1, 30_000))
    process = subprocess.Popen([sys.executable, "-c", CHILD, release.url, str(root)])
    part = root / "large.bin.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    begin = time.monotonic()
    process.send_signal(number)
    code = process.wait(15)
    assert code == (130 if number == signal.SIGINT else -number)
    assert time.monotonic() - begin < 10
    kept = part.stat().st_size
    assert 0 < kept < 300_000
    assert "large.bin" in check_tree(root).missing

    release.asked.clear()
    result = download_tree(release.url, root, patience=patience)
    assert ("large.bin", f"bytes={kept}-") in release.gets()
    assert result.complete
    assert result.present > 0
    assert tree(root) == release.files


def test_an_interruption_leaves_no_threads(release: Release, root: Path, patience: Patience):
    def interrupt(done: int, total: int, n_bytes: int) -> None:
        if n_bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_tree(release.url, root, patience=patience, progress=interrupt)
    deadline = time.monotonic() + 5
    names = lambda: [t for t in threading.enumerate() if "_fetch_files" in t.name]  # noqa: E731
    while names() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not names()
