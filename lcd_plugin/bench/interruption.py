"""Ctrl-C, SIGTERM and SIGHUP while cells are computed: the first asks, the second ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
# Whether one came while `interrupts` was in force: what it raises is lost where it happens to come
# in a callback of the interpreter, or in code that takes any exception for a failure of its own.
_SEEN = [False]


def interrupts() -> None:
    """Let signals raise KeyboardInterrupt wherever the program happens to be, from now on."""
    _SEEN[0] = False
    for number in _heeded():
        signal.signal(number, _raise)


def require_none() -> None:
    """Raise KeyboardInterrupt if a signal has come since `interrupts`."""
    if _SEEN[0]:
        raise KeyboardInterrupt


def _heeded() -> list[signal.Signals]:
    # What whoever started us ignores is not meant for us: `nohup`, and Ctrl-C where a script has
    # started us with `&`.
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    _SEEN[0] = True
    raise KeyboardInterrupt


class Interruption:
    """Whether somebody wants the run to end.

    Attributes:
        wanted: whether a signal has come.
        raising: whether the next one raises KeyboardInterrupt where the program happens to be.
    """

    def __init__(self, raising: bool) -> None:
        self.wanted = False
        self.raising = raising

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take in a signal."""
        again, self.wanted = self.wanted, True
        if again or self.raising:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the first signal raise at the end of this, and not in the middle."""
        raising, self.raising = self.raising, False
        try:
            yield
        finally:
            self.raising = raising
        if raising and self.wanted:
            raise KeyboardInterrupt


@contextmanager
def interruption(raising: bool) -> Iterator[Interruption]:
    """Notice signals, in place of what handled them before.

    Args:
        raising: see `Interruption`; else the first is only noted, so that no result is lost between
            its files.
    """
    require_none()
    noticed = Interruption(raising)
    before = {}
    try:
        for number in _heeded():
            before[number] = signal.signal(number, noticed.handle)
    except ValueError:  # not in the main thread, which is who gets signals
        pass
    try:
        yield noticed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
