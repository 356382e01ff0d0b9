from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lcd_plugin.data.download.check import check_tree
from lcd_plugin.data.download.manifest import MANIFEST
from lcd_plugin.data.download.transfer import Patience
from lcd_plugin.data.download.tree import download_tree
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from conftest import Release

Tree = Callable[[Path], dict[str, bytes]]


def test_all_of_it_arrives_once(release: Release, root: Path, patience: Patience, tree: Tree):
    steps: list[tuple[int, int, int]] = []
    result = download_tree(
        release.url, root, patience=patience, progress=lambda *step: steps.append(step)
    )
    assert tree(root) == release.files
    assert (root / MANIFEST).read_bytes() == release.manifest()
    assert result.complete
    assert (result.fetched, result.present) == (len(release.files), 0)
    assert result.bytes == sum(map(len, release.files.values()))
    assert steps[0] == (0, len(release.files), 0)
    assert steps[-1] == (len(release.files), len(release.files), result.bytes)
    assert steps == sorted(steps)
    assert check_tree(root).complete

    release.asked.clear()
    again = download_tree(release.url.rstrip("/"), root, patience=patience)
    assert release.gets() == []
    assert (again.fetched, again.present, again.bytes) == (0, len(release.files), 0)


def test_only_the_part(release: Release, root: Path, patience: Patience, tree: Tree):
    result = download_tree(release.url, root, "training/a", patience=patience)
    assert tree(root) == {
        name: content for name, content in release.files.items() if name.startswith("training/a/")
    }
    assert result.total == 6
    assert not check_tree(root).complete  # the list is the release's, so what is missing shows
    assert check_tree(root, "training/a").complete


def test_a_partial_copy_is_completed(release: Release, root: Path, patience: Patience, tree: Tree):
    download_tree(release.url, root, patience=patience)
    (root / "training/a/g1/A0003.mat").unlink()
    (root / "training/a/g1/A0004.mat").write_bytes(release.files["training/a/g1/A0004.mat"][:100])
    (root / "training/b/B0001.hea").write_text("record 9")
    assert len(check_tree(root).different) == 2
    release.asked.clear()
    result = download_tree(release.url, root, patience=patience)
    names = {"training/a/g1/A0003.mat", "training/a/g1/A0004.mat", "training/b/B0001.hea"}
    assert {name for name, _ in release.gets()} == names
    assert result.fetched == 3
    assert tree(root) == release.files


@pytest.mark.parametrize("beginning", [b"", b"x" * 1000])
def test_what_has_another_hash_does_not_stay(
    release: Release, root: Path, patience: Patience, tree: Tree, beginning: bytes
):
    """Once from the beginning if it was resumed; no more, and the others are not concerned."""
    root.mkdir(parents=True)
    if beginning:
        (root / "large.bin.part").write_bytes(beginning)
    release.act("large.bin", release.instead(b"y" * 5000), always=True)
    result = download_tree(release.url, root, patience=patience)
    assert [f.path for f in result.failed] == ["large.bin"]
    assert "does not have the listed SHA-256" in result.failed[0].reason
    assert len([1 for name, _ in release.gets() if name == "large.bin"]) == 1 + bool(beginning)
    expected = dict(release.files)
    del expected["large.bin"]
    assert tree(root) == expected


def test_troubles_that_pass(release: Release, root: Path, patience: Patience, tree: Tree):
    release.act("RECORDS", release.status(503), release.status(429, Retry_After="1"))
    release.act(MANIFEST, release.status(500), release.cut(100))
    begin = time.monotonic()
    assert download_tree(release.url, root, patience=patience).complete
    assert time.monotonic() - begin < 1  # no longer than patience.longest_wait
    assert [name for name, _ in release.gets()].count("RECORDS") == 3
    assert tree(root) == release.files


@pytest.mark.parametrize(
    ("status", "tries", "reason"),
    [
        (404, 1, "does not have it (404)"),
        (403, 1, "refuses it (403)"),
        (418, 1, "answers 418"),
        (503, 3, "answers 503 (3 tries)"),
    ],
)
def test_a_file_that_cannot_be_had_costs_no_other(
    release: Release,
    root: Path,
    patience: Patience,
    tree: Tree,
    status: int,
    tries: int,
    reason: str,
):
    release.act("RECORDS", release.status(status), always=True)
    result = download_tree(release.url, root, patience=patience)
    assert [f.path for f in result.failed] == ["RECORDS"]
    assert reason in result.failed[0].reason
    assert [name for name, _ in release.gets()].count("RECORDS") == tries
    assert tree(root) == {n: c for n, c in release.files.items() if n != "RECORDS"}


def test_waits_grow(patience: Patience):
    waits = [Patience().wait(tries, 0) for tries in range(1, 6)]
    assert waits == [0.5, 1, 2, 4, 8]
    assert Patience().wait(1, 30) == 30
    assert Patience().wait(1, 1e9) == Patience().wait(500, 0) == Patience().longest_wait


def test_a_server_that_goes_away_is_not_asked_for_every_file(
    serve: Callable[[dict[str, bytes]], Release], root: Path, patience: Patience
):
    release = serve({f"f{i:03d}": b"x" for i in range(200)})
    for name in release.files:
        release.act(name, release.status(502), always=True)
    result = download_tree(release.url, root, patience=replace(patience, retries=0))
    assert not result.complete
    assert result.not_tried > 150
    assert len(result.failed) + result.not_tried == 200


def test_a_chunked_body(release: Release, root: Path, patience: Patience, tree: Tree):
    release.act("large.bin", release.chunked)
    assert download_tree(release.url, root, patience=patience).complete
    assert tree(root) == release.files


def test_several_at_a_time(release: Release, root: Path, patience: Patience):
    for name in release.files:
        release.act(name, release.slow(0.03))
    assert download_tree(release.url, root, jobs=4, patience=patience).complete
    assert 1 < release.most <= 4


def test_no_release_at_the_address(release: Release, root: Path, patience: Patience):
    with pytest.raises(DataError, match=r"elsewhere/SHA256SUMS\.txt, cannot be had: .* \(404\)"):
        download_tree(release.url + "elsewhere", root, patience=patience)
    release.lines = ["<!DOCTYPE html>"]
    with pytest.raises(DataError, match="line 1 is not"):
        download_tree(release.url, root, patience=patience)
    release.server.server_close()
    release.server.shutdown()
    with pytest.raises(DataError, match="no connection to 127"):
        download_tree(release.url, root, patience=patience)
    assert not root.exists()


def test_a_server_that_says_nothing(release: Release, root: Path, patience: Patience):
    release.act("RECORDS", lambda handler, content: time.sleep(0.4), always=True)
    hasty = replace(patience, read_timeout=0.1, retries=1)
    result = download_tree(release.url, root, patience=hasty)
    assert [f.path for f in result.failed] == ["RECORDS"]
    assert "does not answer (2 tries)" in result.failed[0].reason
