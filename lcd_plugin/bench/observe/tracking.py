"""Trackers of experiments follow a run; none of them can slow it, end it or fail a cell."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lcd_plugin.errors import ConfigError, suggest
from lcd_plugin.plugins.complaint import named

if TYPE_CHECKING:
    from lcd_plugin.bench.events import CellEvent

log = logging.getLogger(__name__)

# By the name that is also that of the extra which installs it.
TRACKERS = {"tensorboard": "TensorBoard", "mlflow": "MLflow"}
FOLLOWED = ("started", "progress", "done", "failed", "retry", "stopped")
MOST = 10_000  # events that may wait for a tracker
PATIENCE = 30.0  # seconds that the end of a run waits for a tracker


class Tracker(Protocol):
    """Takes events into a tracker of experiments; whatever it raises switches it off."""

    def listen(self, event: CellEvent) -> None:
        """Take in what happened to a cell."""

    def close(self) -> None:
        """Write what is not written yet."""


class Aside:
    """Lets a tracker work in a thread of its own, since its server may be slow or away.

    Args:
        name: of the tracker, for messages.
        tracker: called in that thread only.
        patience: seconds that `close` waits for it.
    """

    def __init__(self, name: str, tracker: Tracker, patience: float = PATIENCE) -> None:
        self._name, self._tracker, self._patience = name, tracker, patience
        self._waiting: queue.Queue[CellEvent | None] = queue.Queue(MOST)
        self._off = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def listen(self, event: CellEvent) -> None:
        """Pass an event on, without waiting for the tracker."""
        if event.status in FOLLOWED:
            self._put(event)

    def close(self) -> None:
        """Wait until the tracker has taken all that happened, or for as long as is patient."""
        self._put(None)
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self._switch_off(f"it has not taken all events within {self._patience:g} s")

    def _put(self, event: CellEvent | None) -> None:
        if self._off:
            return
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._switch_off("it cannot keep up with the run")

    def _work(self) -> None:
        try:
            while (event := self._waiting.get()) is not None:
                self._tracker.listen(event)
            self._tracker.close()
        except Exception as error:  # of someone else's library, server or disk
            self._switch_off(named(error))

    def _switch_off(self, reason: str) -> None:
        if not self._off:
            self._off = True
            called = TRACKERS.get(self._name, self._name)
            log.warning("%s is switched off, and the run goes on: %s.", called, reason.rstrip("."))


@contextmanager
def tracked(names: Sequence[str], out: Path, suite: str) -> Iterator[list[Aside]]:
    """The trackers that were asked for, until the end of a `with` statement; see `trackers`."""
    made = trackers(names, out, suite)
    try:
        yield made
    finally:
        for one in made:
            one.close()


def trackers(names: Sequence[str], out: Path, suite: str) -> list[Aside]:
    """The trackers that were asked for, each at work.

    Args:
        names: keys of `TRACKERS`; one that stands there twice is used once.
        out: folder of the run, where they write if nothing else is set.
        suite: its name.

    Raises:
        ConfigError: there is no such tracker, or it is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"There is no tracker '{name}'{suggest(name, TRACKERS)}")
    made = [(name, _tracker(name, out, suite)) for name in dict.fromkeys(names)]
    return [Aside(name, tracker) for name, tracker in made]


def _tracker(name: str, out: Path, suite: str) -> Tracker:
    try:
        if name == "tensorboard":
            from lcd_plugin.bench.observe.tensorboard import TensorBoard

            return TensorBoard(out)
        from lcd_plugin.bench.observe.mlflow import MLflow

        return MLflow(out, suite)
    except ImportError as error:
        raise ConfigError(
            f"{TRACKERS[name]} cannot be loaded ({named(error)}); "
            f"install it with: pip install 'lcd-plugin[{name}]'"
        ) from error
