from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from lcd_plugin.cli.tables import print_board
from lcd_plugin.report.exports.tables import not_beating_random
from lcd_plugin.report.model import Leaderboard, Row
from lcd_plugin.report.options import Scores

LONG = "a_method_with_a_name_that_is_longer_than_any_column (pretrained on a-big-dataset@2)"
COMMAND = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(board: Leaderboard, columns: int) -> str:
    """What `print_board` writes to a real terminal of this width."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ.pop("COLUMNS", None)
        os.environ["TERM"] = "xterm"
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        print_board(board)
        sys.stdout.flush()
        os._exit(0)
    written = b""
    try:
        while part := os.read(terminal, 4096):
            written += part
    except OSError:  # the way a terminal ends
        pass
    assert os.waitpid(child, 0)[1] == 0
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def wide(board: Leaderboard) -> Leaderboard:
    """A board of 18 lines and four label fractions, one with a very long name."""
    names = {f"{m}_{i}": m for i in range(4) for m in ("lcd", "simclr", "byol", "vicreg")}
    names |= {"random": "random", "supervised": "supervised", LONG: "lcd"}

    def called(row: Row, name: str, fraction: float | None = None) -> Row:
        change = {"method": name, "tied_with": ()}
        return row.model_copy(
            update=change if fraction is None else change | {"label_fraction": fraction}
        )

    own = [row for row in board.rows if row.metric == "auroc" and row.task == "superclass"]
    rows = [called(row, new) for new, old in names.items() for row in own if row.method == old]
    rows += [called(row, row.method, 0.3) for row in rows if row.label_fraction == 0.1]
    factors = [f.model_copy(update={"method": "lcd_0"}) for f in board.label_factors
               if (f.method, f.task) == ("lcd", "superclass")]  # fmt: skip
    return board.model_copy(update={"rows": tuple(rows), "label_factors": tuple(factors)})


def joined(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("columns", [50, 80, 100, 200])
def test_a_real_terminal_shows_whole_lines_and_names(wide: Leaderboard, columns: int):
    written = on_a_terminal(wide, columns)
    assert COMMAND.search(written)  # it is a terminal
    plain = COMMAND.sub("", written)
    lines = plain.splitlines()
    assert max(map(len, lines)) <= columns
    assert "\u2026" not in plain
    # The long name goes on in the lines below its first, in the column of names.
    at = next(i for i, line in enumerate(lines) if " a_method" in line)
    start = lines[at].index("a_method")
    name = re.split(r"\s\s", lines[at][start:])[0]
    for line in lines[at + 1 :]:
        if line[:start].strip():
            break
        name += line[start:]
    assert joined(name).startswith(joined(LONG))


def test_eighty_columns_hold_scores_and_label_factors(wide: Leaderboard):
    short = wide.model_copy(update={"rows": tuple(r for r in wide.rows if r.method != LONG)})
    plain = COMMAND.sub("", on_a_terminal(short, 80))
    line = next(line for line in plain.splitlines() if " lcd_0 " in line)
    cells = line.split()
    by_fraction = {
        row.label_fraction: f"{row.mean:.3f}" for row in short.rows if row.method == "lcd_0"
    }
    shown = [cell.strip("*~") for cell in cells[2:6]]
    assert shown == [by_fraction[f] for f in (0.01, 0.1, 0.3, 1.0)]
    assert cells[-2:] == ["3", "1,514.0"]  # the label factor and the seconds
    assert "No room for: records/s" in plain


def test_what_has_no_room_is_named(wide: Leaderboard):
    plain = joined(COMMAND.sub("", on_a_terminal(wide, 60)))
    for left_out in ("records/s", "intervals", "labelfactors"):
        assert left_out in plain.partition("Noroomfor:")[2].partition(";")[0]
    assert "theyareinthereport" in plain


def test_a_pipe_gets_text_alone_and_every_name_in_one_line(
    wide: Leaderboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_board(wide)
    first = capsys.readouterr().out
    assert all(c == "\n" or unicodedata.category(c) != "Cc" for c in first)
    assert sum(LONG in line for line in first.splitlines()) == 1
    points = [
        [place for place, c in enumerate(line) if c == "."]
        for line in first.splitlines()
        if line.count(".") > 3 and line.strip()[0].isdigit()
    ]
    assert len(points) == 19
    # The points of the scores stand below each other, with marks and without.
    assert len({tuple(places[:4]) for places in points}) == 1
    print_board(wide)
    assert capsys.readouterr().out == first


def test_ties_and_baselines_are_marked(
    board: Leaderboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "100")
    print_board(board)
    first = capsys.readouterr().out.split("\n\n")[0]
    largest = [
        row
        for row in board.rows
        if (row.task, row.metric, row.label_fraction) == ("superclass", "auroc", 1.0)
    ]
    best = max(largest, key=lambda row: row.mean)
    for row in largest:
        baseline = "^" * (row.kind != "pretraining")
        line = next(line for line in first.splitlines() if f" {row.method}{baseline} " in line)
        mark = "*" if row is best else "~" if row.method in best.tied_with else " "
        assert f"{row.mean:.3f}{mark} " in line
        assert line.split()[0] == f"{row.rank}" + "=" * bool(row.tied_with)


def printed(board: Leaderboard, capsys: pytest.CaptureFixture[str]) -> str:
    print_board(board)
    return " ".join(capsys.readouterr().out.split())


def test_the_legend_is_of_what_is_shown(
    board: Leaderboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    said = printed(board, capsys)
    signs = [
        "* best", "~ cannot", "= cannot", "^ baseline", "Rank: 1 + the number of lines shown to be",
        "Interval:", "Time: pretraining, for supervised training from scratch", "factor: how many",
    ]  # fmt: skip
    assert all(sign in said for sign in signs)
    monkeypatch.setenv("COLUMNS", "40")
    narrow = printed(board, capsys)
    assert not any(sign in narrow for sign in signs[-3:])
    assert all(sign in narrow for sign in signs[:5])
    monkeypatch.setenv("COLUMNS", "120")
    alone = tuple(
        row.model_copy(update={"tied_with": ()})
        for row in board.rows
        if (row.method, row.metric) == ("lcd", "auroc")
    )
    single = printed(board.model_copy(update={"rows": alone, "label_factors": ()}), capsys)
    assert not any(sign in single for sign in signs[:5])
    assert "Interval:" in single


def test_supervised_has_its_time_too(board: Leaderboard, capsys: pytest.CaptureFixture[str]):
    print_board(board)
    line = next(x for x in capsys.readouterr().out.splitlines() if " supervised^" in x)
    seconds = {f"{r.pretrain_wall_s:,.1f}" for r in board.rows if r.method == "supervised"}
    assert seconds & set(line.split())


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        (("lcd",), "lcd"),
        (("lcd", "byol"), "byol, lcd"),
        (("lcd", "byol", "vicreg", "supervised"), "all but simclr"),
        (("lcd", "byol", "vicreg"), "all but supervised and simclr"),
        (("lcd", "byol", "vicreg", "simclr", "supervised"), "all 5 lines beside it"),
        ((), ""),
    ],
)
def test_what_does_not_beat_random_is_said_in_few_names(
    board: Leaderboard, behind: tuple[str, ...], said: str
):
    rows = [
        row.model_copy(
            update={"beats_random": None if row.kind == "random" else row.method not in behind}
        )
        for row in board.rows
        if (row.task, row.metric) == ("superclass", "auroc")
    ]
    found = not_beating_random(rows)
    order = [row.method for row in rows if row.label_fraction == 1.0]
    order.sort(key=lambda m: -next(r.mean for r in rows if (r.method, r.label_fraction) == (m, 1)))
    names = [name for name in re.findall(r"[a-z]+", said) if name in order]
    assert sorted(re.findall("[a-z0-9]+", found)) == sorted(re.findall("[a-z0-9]+", said))
    shown = [name for name in re.findall(r"[a-z]+", found) if name in order]
    assert shown == sorted(names, key=order.index)


def test_percentages_as_asked_for(board: Leaderboard, capsys: pytest.CaptureFixture[str]):
    print_board(board, Scores.percent)
    assert " 91.2" in capsys.readouterr().out


def test_a_terminal_without_the_letters_gets_their_numbers(
    board: Leaderboard,
    renamed: Callable[[Leaderboard, dict[str, str]], Leaderboard],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    path = tmp_path / "out"
    with path.open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        print_board(renamed(board, {"lcd": "\u4e2d", "ptbxl": "\u00e9"}))
    assert r" \u4e2d " in path.read_text(encoding="ascii")
