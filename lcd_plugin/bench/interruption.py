"""Ctrl-C and SIGTERM while cells are computed: the first asks, the second ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
def interruption(raising: bool) -> Iterator[Interruption]:
    """Notice signals, in place of what handled them before.

    Args:
        raising: see `Interruption`; else the first is only noted, so that no result is lost between
            its files.
    """
    noticed = Interruption(raising)
    before = {}
    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, noticed.handle)
    except ValueError:  # not in the main thread, which is who gets signals
        pass
    try:
        yield noticed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
