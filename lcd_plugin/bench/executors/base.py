"""What a run asks of whoever computes its cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from lcd_plugin.bench.executors.messages import Message
from lcd_plugin.bench.units import Unit

# Takes the number of a slot and what was said of the unit in it.
Sink = Callable[[int, Message], None]


class Executor(Protocol):
    """Computes units, each in a slot that takes one at a time.

    A slot keeps what it has read of an encoder's records, so that units of one encoder are best
    given to one slot. The last that is said of a unit is `Over`, also where its worker died: an
    executor raises for what is wrong with itself, and for nothing that a unit does.

    Attributes:
        name: for provenance.
        slots: how many units at a time.
        interruptible: whether an interruption raises in the middle of `wait`, since units are
            computed in there.
    """

    name: str
    slots: int
    interruptible: bool

    def start(self, slot: int, unit: Unit) -> None:
        """Compute a unit in a slot that is free."""

    def wait(self, seconds: float, sink: Sink) -> None:
        """Pass on what has been said; wait for it no longer than this."""

    def stop(self, seconds: float, sink: Sink) -> None:
        """Ask all units to save what they have and end; end those that take longer than this."""

    def close(self) -> None:
        """End all that was started; units under way are lost."""

    def facts(self) -> dict[str, Any]:
        """How it computes, for provenance: what wall-time depends on."""
