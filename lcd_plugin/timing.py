"""Wall-time by phase, on a monotonic clock; and what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def now() -> str:
    """UTC time in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Phases:
    """Seconds spent in named phases; a phase entered again adds up.

    Args:
        synchronise: called at both edges of a phase, so that work queued on a device counts where
            it was asked for.
    """

    def __init__(self, synchronise: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self._synchronise = synchronise

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the body of a `with` statement."""
        self._synchronise()
        start = time.perf_counter()
        try:
            yield
        finally:
            self._synchronise()
            elapsed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed

    @property
    def total(self) -> float:
        """Sum of all phases in s."""
        return sum(self.seconds.values())
