"""Why a cell did not come to a result, and whether trying again can help."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Literal

import torch

from lcd_plugin.bench.own_state import AttemptError
from lcd_plugin.errors import DataError, MemoryShortageError

# `raised`: its code raised something. `crashed`: it took its process with it. `time`: it reached
# its limit. `memory`: so did its memory. `device`: a GPU had no room, which others may have taken.
# `killed`: something else ended its process. `lost`: its machine is gone. `data`: its records
# cannot be read any more. `disk`: it could not write. `stopped`: the run was interrupted.
Kind = Literal[
    "raised", "crashed", "time", "memory", "device", "killed", "lost", "data", "disk", "stopped"
]
# What may be over at the next try, and nothing that the cell itself could help.
PASSING = frozenset({"device", "killed", "lost", "data", "disk"})
# Seconds before each further try within a run; a run does not wait for data or room to come back.
PAUSES = (2.0, 10.0)
NO_MEMORY = ("bad_alloc", "can't allocate memory", "Cannot allocate memory", "MemoryError")
# And those that got no thread, whose stack is memory.
NO_THREAD = ("can't start new thread", "Thread creation failed", "pthread_create failed")
# What an OSError says of a disk that is full, or whose mount was lost or is read-only now.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}


@dataclass(frozen=True)
class Fault:
    """How the computing of some cells ended before its time.

    Attributes:
        kind: see `Kind`.
        reason: one sentence.
        last_lines: the end of the traceback, or of what its process printed.
        whole: whether it is known to hold for all cells that were computed together.
    """

    kind: Kind
    reason: str
    last_lines: str = ""
    whole: bool = False

    @property
    def passing(self) -> bool:
        """Whether a later try may go well by itself."""
        return self.kind in PASSING

    @property
    def own(self) -> bool:
        """Whether it is the fault of the cell that was being computed."""
        return self.kind in ("crashed", "time", "memory")

    def pause(self, tries: int) -> float | None:
        """Seconds until the next try in this run after so many; None where it is the end."""
        if not self.passing or self.kind in ("data", "disk") or tries > len(PAUSES):
            return None
        return PAUSES[tries - 1]


def fault_of(failure: AttemptError, whole: bool = False) -> Fault:
    """What an exception says of the cell that raised it."""
    return Fault(_kind(failure.error), failure.reason, failure.traceback, whole)


def _kind(error: BaseException) -> Kind:
    chain = [error, *([error.__cause__] if error.__cause__ else [])]
    if any(isinstance(e, torch.OutOfMemoryError) for e in chain):
        return "device"
    if any(isinstance(e, MemoryError | MemoryShortageError) for e in chain):
        return "memory"
    if any(isinstance(e, RuntimeError) and names_memory(str(e)) for e in chain):
        return "memory"
    if any(isinstance(e, OSError) and e.errno in NO_ROOM for e in chain):
        return "disk"
    return "data" if isinstance(error, DataError) else "raised"


def names_memory(text: str) -> bool:
    """Whether a text is what libraries say that got no memory."""
    return any(phrase in text for phrase in NO_MEMORY)


def names_threads(text: str) -> bool:
    """Whether a text is what libraries say that got no thread."""
    return any(phrase in text for phrase in NO_THREAD)
