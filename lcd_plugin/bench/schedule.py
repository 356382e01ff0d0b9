"""Which unit is next: scores as soon as their encoder is there, features used where they are."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lcd_plugin.bench.units import Unit

# What several units need: the key of a pretraining, or None for those that need none.
Need = str | None


@dataclass
class _Waiting:
    """Units that need one encoder, which is there, or is not yet."""

    units: deque[Unit] = field(default_factory=deque)
    ready: bool = False


class Schedule:
    """The units of a run that are still to be started.

    Args:
        units: in the order in which they are wanted; a pretraining before what needs it.
        there: keys of the pretrainings that are there already.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        units: Iterable[Unit],
        there: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._pretrain: deque[Unit] = deque()
        self._needing: dict[Need, _Waiting] = {None: _Waiting(ready=True)}
        # Needs that are met and have units left, in the order in which they came to be so.
        self._met: dict[Need, None] = {}
        self._later: list[tuple[float, Unit]] = []
        # What each slot has read of an encoder's records, it reads only once.
        self._in_slot: dict[int, Need] = {}
        known = set(there)
        for unit in units:
            if unit.pretraining:
                self._pretrain.append(unit)
            else:
                waiting = self._needing.setdefault(unit.needs, _Waiting())
                waiting.ready = waiting.ready or unit.needs in known
                waiting.units.append(unit)
        self._met = {n: None for n, w in self._needing.items() if w.ready and w.units and n}

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to start, now or later."""
        return not (self._pretrain or self._later or any(w.units for w in self._needing.values()))

    def next(self, slot: int) -> Unit | None:
        """The next unit for a slot; None while there is none that could be started."""
        self._take_up()
        unit = self._scores(slot)
        if unit is None and self._pretrain:
            unit = self._pretrain.popleft()
        if unit is None:
            unit = self._any_scores() or self._from(None)
        if unit is not None:
            self._in_slot[slot] = unit.needs
        return unit

    def trained(self, key: str) -> None:
        """A pretraining is there: what needs it can start."""
        if (waiting := self._needing.get(key)) is not None:
            waiting.ready = True
            if waiting.units:
                self._met[key] = None

    def give_up(self, key: str) -> list[Unit]:
        """A pretraining will not be there: what needs it is taken out."""
        waiting = self._needing.pop(key, _Waiting())
        self._met.pop(key, None)
        return list(waiting.units)

    def first(self, unit: Unit) -> None:
        """Put a unit in front of all of its kind."""
        if unit.pretraining:
            self._pretrain.appendleft(unit)
            return
        waiting = self._needing.setdefault(unit.needs, _Waiting(ready=True))
        waiting.units.appendleft(unit)
        if waiting.ready and unit.needs is not None:
            self._met[unit.needs] = None

    def later(self, unit: Unit, seconds: float) -> None:
        """Let a unit wait for so long at least."""
        self._later.append((self._clock() + seconds, unit))

    def _take_up(self) -> None:
        due = [unit for when, unit in self._later if when <= self._clock()]
        self._later = [(when, unit) for when, unit in self._later if when > self._clock()]
        for unit in due:
            self.first(unit)

    def _scores(self, slot: int) -> Unit | None:
        """Of the encoder that the slot has read, or of one that no other slot has."""
        own = self._in_slot.get(slot)
        if own in self._met:
            return self._from(own)
        read = set(self._in_slot.values())
        return next((self._from(need) for need in self._met if need not in read), None)

    def _any_scores(self) -> Unit | None:
        return next((self._from(need) for need in self._met), None)

    def _from(self, need: Need) -> Unit | None:
        waiting = self._needing[need]
        if not waiting.units:
            return None
        unit = waiting.units.popleft()
        if not waiting.units:
            self._met.pop(need, None)
        return unit
