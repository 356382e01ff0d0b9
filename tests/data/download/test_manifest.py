from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcd_plugin.data.download.check import check_tree
from lcd_plugin.data.download.manifest import read_manifest, safe_name
from lcd_plugin.errors import DataError

ONE, TWO = "1" * 64, "2" * 64

NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b.dat", "...", ".. ", "C:", "\\", "~", "\0", "ä", "x:y"])
    | st.text(max_size=6),
    min_size=1,
    max_size=5,
).map("/".join)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "SHA256SUMS.txt"
    path.write_bytes("\n".join(lines).encode())
    return path


@given(NAMES | st.text())
def test_an_accepted_name_stays_inside(name: str):
    try:
        accepted = safe_name(name)
    except ValueError:
        return
    root = Path("/releases/one")
    joined = root / accepted
    assert joined.resolve().is_relative_to(root)
    assert joined.resolve() != root
    assert safe_name(accepted) == accepted


@pytest.mark.parametrize(
    "line",
    [
        f"{ONE}  a/b.dat",
        f"{ONE} *a/b.dat",
        f"{ONE} a/b.dat",
        f"{ONE}  ./a/b.dat\r",
        f"{'F' * 64} a/b.dat",
    ],
)
def test_ways_to_write_a_line(tmp_path: Path, line: str):
    assert list(read_manifest(written(tmp_path, line, "", line))) == ["a/b.dat"]


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "/etc/x", "a\\..\\b", "C:/x", "c:x", "a/C:/x", "a//b", "a/", "..", ".",
        "a/.. /b", "...", "a\x07b", "a\x00b", "a\x7f", "a\u2028b", "a\u202eb", "//host/x",
    ],
)  # fmt: skip
def test_names_that_may_lead_elsewhere_are_refused_with_their_line(tmp_path: Path, name: str):
    path = written(tmp_path, f"{ONE}  fine", f"{TWO}  {name}")
    with pytest.raises(DataError, match="line 2: the name"):
        read_manifest(path)
    with pytest.raises(DataError, match="line 2: the name"):
        read_manifest(path, part="fine")


@pytest.mark.parametrize(
    "line", ["<html>", "1" * 63 + "  a", ONE, f"\\{ONE}  a", f"{ONE}  {'a' * 9000}", "\udcff"]
)
def test_lines_that_are_none(tmp_path: Path, line: str):
    path = tmp_path / "SHA256SUMS.txt"
    path.write_bytes(f"{ONE}  fine\n".encode() + line.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match="line 2 is not '<SHA-256>"):
        read_manifest(path)


def test_one_file_with_two_hashes(tmp_path: Path):
    assert read_manifest(written(tmp_path, f"{ONE}  a", f"{ONE}  a")) == {"a": b"\x11" * 32}
    with pytest.raises(DataError, match=r"line 2: 'a' was listed before with another hash"):
        read_manifest(written(tmp_path, f"{ONE}  a", f"{TWO}  ./a"))


def test_a_part_and_nothing_else(tmp_path: Path):
    path = written(tmp_path, f"{ONE}  t/cpsc/a", f"{ONE}  t/cpsc_extra/a", f"{TWO}  SHA256SUMS.txt")
    assert list(read_manifest(path, "t/cpsc")) == ["t/cpsc/a"]
    assert list(read_manifest(path, "t/")) == ["t/cpsc/a", "t/cpsc_extra/a"]
    with pytest.raises(DataError, match="lists no file under t/ptb"):
        read_manifest(path, "t/ptb")
    with pytest.raises(DataError, match="lists no file under SHA256SUMS"):
        read_manifest(path, "SHA256SUMS.txt")


def test_a_file_named_like_another_on_its_way(tmp_path: Path):
    with pytest.raises(DataError, match=r"'a', which lies as 'a\.part'"):
        read_manifest(written(tmp_path, f"{ONE}  a", f"{ONE}  a.part"))


def test_links_that_lead_out_are_refused_with_their_line(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "inner").mkdir()
    (root / "fine").symlink_to(root / "inner")
    (root / "folder").symlink_to(outside)
    (root / "circle").symlink_to(root / "circle")
    (root / "file").symlink_to(outside / "not there")
    path = written(tmp_path, f"{ONE}  fine/a", f"{ONE}  {'n' * 300}")
    assert len(read_manifest(path, inside=root)) == 2
    for name in ("folder/a", "folder/b/c", "file", "circle/a"):
        path = written(tmp_path, f"{ONE}  fine/a", f"{ONE}  {name}")
        with pytest.raises(DataError, match="line 2: a link in"):
            read_manifest(path, inside=root)


def test_a_folder_against_its_list(tmp_path: Path):
    sums = [f"{hashlib.sha256(n.encode()).hexdigest()}  p/{n}" for n in "abcde"]
    written(tmp_path, *sums, f"{ONE}  other")
    (tmp_path / "p").mkdir()
    for name, content in {"a": "a", "b": "", "c": "x"}.items():
        (tmp_path / "p" / name).write_text(content)
    (tmp_path / "p" / "d").mkdir()
    steps: list[tuple[int, int, int]] = []
    found = check_tree(tmp_path, "p", lambda *step: steps.append(step))
    assert (found.ok, found.missing, found.different) == (1, ("p/e",), ("p/b", "p/c", "p/d"))
    assert steps[-1] == (5, 5, 2)
    assert not found.complete
    assert "other" in check_tree(tmp_path).missing
    with pytest.raises(DataError, match=r"has no SHA256SUMS\.txt"):
        check_tree(tmp_path / "p")
