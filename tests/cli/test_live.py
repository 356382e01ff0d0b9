from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
from rich.console import Console

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe.expected import TimeLeft
from lcd_plugin.cli.live import _Picture, _plain, _state, running
from lcd_plugin.cli.outcome import _say_failures
from lcd_plugin.cli.time_left import RunClock
from lcd_plugin.cli.words import words_of
from lcd_plugin.pretrain.job import EpochDone


@dataclass(frozen=True)
class _Cell:
    """What progress asks of a cell."""

    method: str
    number: int = 0
    protocol: str | None = None
    dataset: str = "d"
    encoder: str = "e"

    @property
    def title(self) -> str:
        return f"{'score' if self.protocol else 'pretrain'} {self.method} {self.number}"

    @property
    def key(self) -> str:
        return self.title


class _Clock:
    """Seconds that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


LCD = [_Cell("lcd", i) for i in range(3)]
RANDOM = _Cell("random")
SCORES = [_Cell("lcd", i, "linear") for i in range(4)]


@pytest.fixture
def now() -> _Clock:
    return _Clock()


def _compute(clock: RunClock, now: _Clock, cell: _Cell, seconds: float) -> None:
    clock.listen(CellEvent(cell, "started"))
    now.seconds += seconds
    clock.listen(CellEvent(cell, "done"))


class TestTimeLeft:
    def test_nothing_is_promised_before_anything_is_known(self, now: _Clock):
        clock = RunClock([*LCD, *SCORES], now)
        clock.listen(CellEvent(LCD[0], "started"))
        assert clock.left() is None

    def test_epochs_of_the_first_pretraining_tell_of_those_like_it(self, now: _Clock):
        clock = RunClock([*LCD, *SCORES], now)
        clock.listen(CellEvent(LCD[0], "started"))
        now.seconds = 30
        clock.listen(CellEvent(LCD[0], "progress", epoch=EpochDone(3, 10, 1.0, None)))
        left = clock.left()
        # 10 s an epoch: 100 s each, of which 30 are over; how long a score takes is not known.
        assert (left.seconds, left.at_least) == (pytest.approx(270), True)

    def test_between_two_epochs_the_rest_only_gets_shorter(self, now: _Clock):
        clock = RunClock(LCD[:1], now)
        clock.listen(CellEvent(LCD[0], "started"))
        now.seconds = 10
        clock.listen(CellEvent(LCD[0], "progress", epoch=EpochDone(1, 25, 1.0, None)))
        assert clock.left().seconds == pytest.approx(240)
        now.seconds = 19.9
        assert clock.left().seconds == pytest.approx(230.1)

    def test_another_encoder_is_not_expected_to_take_as_long(self, now: _Clock):
        large = [_Cell("lcd", i, encoder="large") for i in range(2)]
        clock = RunClock([LCD[0], *large], now)
        _compute(clock, now, LCD[0], 10)
        assert clock.left() is None
        _compute(clock, now, large[0], 100)
        assert clock.left().seconds == 100

    def test_each_kind_is_expected_to_take_what_its_like_took(self, now: _Clock):
        clock = RunClock([*LCD, RANDOM, *SCORES], now)
        _compute(clock, now, LCD[0], 100)
        _compute(clock, now, RANDOM, 1)
        _compute(clock, now, SCORES[0], 4)
        left = clock.left()
        assert (left.seconds, left.at_least) == (2 * 100 + 3 * 4, False)

    def test_what_was_there_before_takes_no_time_and_says_nothing_of_the_rest(self, now: _Clock):
        clock = RunClock([*LCD], now)
        clock.listen(CellEvent(LCD[0], "cached"))
        assert clock.left() is None
        _compute(clock, now, LCD[1], 50)
        assert clock.left().seconds == 50

    def test_a_cell_that_takes_longer_than_expected_leaves_no_negative_time(self, now: _Clock):
        clock = RunClock(LCD[:2], now)
        _compute(clock, now, LCD[0], 10)
        clock.listen(CellEvent(LCD[1], "started"))
        now.seconds += 500
        assert clock.left().seconds == 0


class TestPicture:
    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_it_is_two_lines_that_fit(self, now: _Clock, width: int):
        clock = RunClock([*LCD, *SCORES], now)
        clock.listen(CellEvent(LCD[0], "failed", "no"))
        clock.listen(CellEvent(LCD[1], "started"))
        now.seconds = 3723
        clock.listen(CellEvent(LCD[1], "progress", epoch=EpochDone(1, 4, 1.23456, 1543.2)))
        text = io.StringIO()
        Console(file=text, width=width, force_terminal=True, color_system=None).print(
            _Picture(clock)
        )
        lines = text.getvalue().rstrip("\n").split("\n")
        assert len(lines) == 2
        assert all(len(line) <= width for line in lines)
        if width >= 80:  # two pretrainings of 4 epochs of 3,723 s, less the one that is over
            assert lines[0].startswith("1 of 7 cells, 1 failed, 1:02:03, more than 7:14:21 left")
            assert "epoch 1/4, loss 1.235, 1,543 records/s: pretrain lcd 1" in lines[1]

    def test_a_run_that_is_over_promises_no_more(self, now: _Clock):
        clock = RunClock([RANDOM], now)
        _compute(clock, now, RANDOM, 2)
        assert _state(clock) == "1 of 1 cells, 0:00:02"


class TestOtherRunners:
    def test_they_are_counted_until_their_cells_are_over(self, now: _Clock):
        clock = RunClock([*LCD, RANDOM], now)
        for cell in LCD:
            clock.listen(CellEvent(cell, "waiting"))
            clock.listen(CellEvent(cell, "waiting"))
        assert _state(clock) == "0 of 4 cells, 0:00:00, 3 computed by other runners"
        clock.listen(CellEvent(LCD[0], "elsewhere"))
        clock.listen(CellEvent(LCD[1], "failed"))
        clock.listen(CellEvent(LCD[2], "started"))  # it was given back, and is ours now
        assert _state(clock) == "2 of 4 cells, 1 failed, 0:00:00"

    def test_a_pipe_is_told_at_once_and_then_each_minute(
        self, now: _Clock, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("lcd_plugin.cli.live.time.monotonic", now)
        text = io.StringIO()
        listen = _plain(Console(file=text, width=200), RunClock(LCD, now))
        for now.seconds in range(130):
            listen(CellEvent(LCD[now.seconds % 2], "waiting"))
        assert text.getvalue().splitlines() == [
            "0 of 3 cells, 0:00:00, 1 computed by other runners",
            "0 of 3 cells, 0:01:00, 2 computed by other runners",
            "0 of 3 cells, 0:02:00, 2 computed by other runners",
        ]


class TestInterrupted:
    def test_it_says_how_far_the_run_came(self):
        def interrupted() -> None:
            with running([*LCD, *SCORES]) as listen:
                for cell, status in zip(LCD, ("cached", "done", "failed"), strict=True):
                    listen(CellEvent(cell, status))
                listen(CellEvent(SCORES[0], "started"))
                listen(CellEvent(SCORES[1], "started"))
                listen(CellEvent(SCORES[0], "stopped"))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            interrupted()
        assert str(caught.value) == (
            "Interrupted: 2 of 7 cells are complete and saved, 2 were under way; "
            "the same command goes on from there."
        )


class TestWords:
    def test_more_than_nothing_is_not_said(self):
        assert words_of(TimeLeft(0.4, at_least=True)) == ""
        assert words_of(None) == ""
        assert words_of(TimeLeft(0.4, at_least=False)) == "about 0:00:00 left"
        assert words_of(TimeLeft(61, at_least=True)) == "more than 0:01:01 left"

    def test_equal_reasons_are_said_once(self, capsys: pytest.CaptureFixture[str]):
        many = [(f"pretrain {i}", "no memory") for i in range(40)]
        _say_failures([*many[:7], ("score \x1b[31m", "bad\nlabel"), *many[7:]])
        assert capsys.readouterr().err.splitlines() == [
            "Failed, 40 cells: no memory", "  pretrain 0", "  pretrain 1", "  pretrain 2",
            "  and 37 more", "Failed: score [31m: bad label",
        ]  # fmt: skip


def _run(command: list[str], terminal: bool, kind: str = "xterm") -> str:
    """What a command says on stderr, at a terminal of 80 columns or in a pipe."""
    environment = os.environ | {"COLUMNS": "80", "TERM": kind, "OMP_NUM_THREADS": "1"}
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        return done.stderr
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment) as p:
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        assert p.wait() == 0
    os.close(ours)
    return said.decode()


FAKE = """
import time
from dataclasses import dataclass
from lcd_plugin.bench.events import CellEvent
from lcd_plugin.cli.live import running
from lcd_plugin.pretrain.job import EpochDone

@dataclass(frozen=True)
class Cell:
    method: str
    title: str
    dataset: str = "d"
    encoder: str = "e"

    @property
    def key(self):
        return self.title

cells = [Cell("lcd", f"pretrain lcd, [bold]seed {i}[/bold]" + 60 * "x") for i in range(2)]
with running(cells) as listen:
    for cell in cells:
        listen(CellEvent(cell, "started"))
        for epoch in (1, 2):
            listen(CellEvent(cell, "progress", epoch=EpochDone(epoch, 2, 0.5, 100.0)))
            time.sleep(0.4)
        listen(CellEvent(cell, "done", "1.0 s"))
"""


class TestSecondProcess:
    def test_a_pipe_gets_one_plain_line_a_cell(self):
        said = _run([sys.executable, "-c", FAKE], terminal=False)
        title = "pretrain lcd, [bold]seed 0[/bold]" + 60 * "x"
        assert said.splitlines()[0] == f"[1/2] {title}: 1.0 s"
        assert len(said.splitlines()) == 2
        assert "\x1b" not in said

    def test_a_terminal_shows_epoch_loss_and_speed_while_it_goes_on(self):
        said = _run([sys.executable, "-c", FAKE], terminal=True)
        assert re.search(r"epoch 1/2, loss 0\.5, 100 records/s: pretrain lcd", said)
        assert "0 of 2 cells" in said
        assert "[2/2] pretrain lcd, [bold]seed 1[/bold]" in said

    def test_a_terminal_that_cannot_redraw_gets_lines(self):
        said = _run([sys.executable, "-c", FAKE], terminal=True, kind="dumb")
        assert [line[:5] for line in said.splitlines()] == ["[1/2]", "[2/2]"]
