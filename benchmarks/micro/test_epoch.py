"""An epoch: a whole `pretrain` call of the engine, from reading the file on, without calibration.

The naive side starts its DataLoader workers, one a core, but has built its method and read its
records before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sides import engine_epochs, naive_epochs
from work import Work

EPOCHS = {"naive": naive_epochs, "engine": engine_epochs}


def test_epoch(
    timed: Callable[..., Any], remote: Callable[..., Any], work: Work, method: str, side: str
) -> None:
    """Once over the records, in a process of its side."""
    timing = timed(f"epoch, {method}", lambda: remote(side, EPOCHS[side], method, work))
    assert timing.wall_s > 0
