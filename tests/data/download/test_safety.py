from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lcd_plugin.data.download.manifest import MANIFEST
from lcd_plugin.data.download.transfer import FetchError, Patience, _redirected
from lcd_plugin.data.download.tree import download_tree
from lcd_plugin.errors import ConfigError, DataError

if TYPE_CHECKING:
    from conftest import Release

Tree = Callable[[Path], dict[str, bytes]]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a\\..\\b", "a/../../x", "C:/x", "a\x00b", "a//b"]
)
def test_unsafe_names_fetch_nothing(
    release: Release, root: Path, patience: Patience, tmp_path: Path, name: str
):
    release.listed[name] = "0" * 64
    with pytest.raises(DataError, match=f"line {len(release.listed)}: the name"):
        download_tree(release.url, root, patience=patience)
    assert release.gets() == []
    assert list(tmp_path.rglob("*")) == [tmp_path / "outer"]


def test_a_link_out_of_the_folder_is_refused(
    release: Release, root: Path, patience: Patience, tmp_path: Path, tree: Tree
):
    outside = tmp_path / "outside"
    outside.mkdir()
    root.mkdir(parents=True)
    (root / "training").symlink_to(outside)
    with pytest.raises(DataError, match="line 1: a link in"):
        download_tree(release.url, root, patience=patience)
    assert release.gets() == []
    assert list(outside.iterdir()) == []
    assert list(root.iterdir()) == [root / "training"]


def test_links_of_unfinished_files_and_of_the_list_are_not_written_through(
    release: Release, root: Path, patience: Patience, tmp_path: Path
):
    outside = tmp_path / "precious"
    outside.write_text("mine")
    root.mkdir(parents=True)
    (root / "large.bin.part").symlink_to(outside)
    (root / MANIFEST).symlink_to(outside)
    os.mkfifo(root / "RECORDS")
    (root / "empty.txt").mkdir()
    result = download_tree(release.url, root, patience=patience)
    assert [f.path for f in result.failed] == ["RECORDS", "empty.txt", "large.bin"]
    assert all("remove it" in f.reason for f in result.failed)
    assert outside.read_text() == "mine"
    assert not (root / MANIFEST).is_symlink()


def test_a_root_that_is_a_link_is_followed(
    release: Release, root: Path, patience: Patience, tmp_path: Path, tree: Tree
):
    root.parent.mkdir()
    (tmp_path / "big disk").mkdir()
    root.symlink_to(tmp_path / "big disk")
    assert download_tree(release.url, root, patience=patience).complete
    assert tree(tmp_path / "big disk") == release.files


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large(
    release: Release, root: Path, patience: Patience, tree: Tree, announced: bool
):
    if not announced:
        release.act("large.bin", release.chunked, always=True)
    result = download_tree(release.url, root, patience=replace(patience, largest=200_000))
    assert [f.path for f in result.failed] == ["large.bin"]
    assert "larger than 200000 bytes" in result.failed[0].reason
    assert "large.bin" not in "".join(tree(root))
    assert (result.bytes > 100_000) == (not announced)


def test_a_list_that_is_too_large(release: Release, root: Path, patience: Patience):
    with pytest.raises(DataError, match="larger than 100 bytes"):
        download_tree(release.url, root, patience=replace(patience, largest_manifest=100))
    assert not root.exists()


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "/large.bin"]
)
def test_redirects_that_are_not_followed(
    release: Release, root: Path, patience: Patience, location: str
):
    """The last one leads to itself for ever."""
    release.act("large.bin", release.status(302, Location=location), always=True)
    result = download_tree(release.url, root, patience=patience)
    assert [f.path for f in result.failed] == ["large.bin"]
    assert "redirect" in result.failed[0].reason
    assert not (root / "large.bin").exists()


def test_the_body_of_a_redirect_is_not_read(release: Release, root: Path, patience: Patience):
    def endless(handler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "ftp://host/x")
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    release.act("large.bin", endless, always=True)
    result = download_tree(release.url, root, patience=patience)
    assert "not followed" in result.failed[0].reason


def test_a_redirect_to_another_server(
    release: Release,
    serve: Callable[[dict[str, bytes]], Release],
    root: Path,
    patience: Patience,
    tree: Tree,
):
    mirror = serve({"deep/large": release.files["large.bin"]})
    release.act("large.bin", release.status(302, Location=mirror.url + "deep/large"), always=True)
    mirror.act("deep/large", mirror.cut(200_000))
    assert download_tree(release.url, root, patience=patience).complete
    assert mirror.asked == [("deep/large", None), ("deep/large", "bytes=200000-")]
    assert tree(root) == release.files


def test_no_redirect_from_https_to_http():
    assert _redirected("https://a/b", "https://c/d") == "https://c/d"
    assert _redirected("http://a/b", "https://c/d") == "https://c/d"
    with pytest.raises(FetchError, match="not followed"):
        _redirected("https://a/b", "http://a/b")
    with pytest.raises(FetchError, match="not followed"):
        _redirected("https://a/b", "javascript:x")


@pytest.mark.parametrize(
    "source", ["file:///etc/", "ftp://host/x", "physionet.org/files", "https:///x", "http://h:x/y",
               "https://host/x?y=1", "https://host/#a", ""],
)  # fmt: skip
def test_sources_that_are_none(root: Path, source: str):
    with pytest.raises(ConfigError, match=re.escape(repr(source))):
        download_tree(source, root)
    assert not root.exists()


def test_a_password_in_an_address_is_not_repeated(root: Path):
    with pytest.raises(ConfigError, match="netrc") as caught:
        download_tree("https://me:secret@host/x", root)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_written(release: Release, root: Path, patience: Patience):
    root.parent.mkdir()
    root.write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        download_tree(release.url, root, patience=patience)
