"""What both sides of a comparison are given, and what they say of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.pretrain.records import Records

SEED = 0


@dataclass(frozen=True)
class Work:
    """Records in a file, and how they are taken.

    Attributes:
        file: float16 values, as in a prepared store; may hold more records than are used.
        shape: records, leads and samples.
        batch: records an update.
        device: cpu or cuda.
    """

    file: Path
    shape: tuple[int, int, int]
    batch: int
    device: str = "cpu"

    @classmethod
    def write(cls, folder: Path, shape: tuple[int, int, int], batch: int, device: str) -> Work:
        """Make the file.

        Random records cost as much as real ones: no time depends on their values.
        """
        file = folder / "signals.f16"
        values = np.random.default_rng(SEED).standard_normal(shape, np.float32)
        values.astype(np.float16).tofile(file)
        return cls(file, shape, batch, device)

    def array(self) -> NDArray[np.float16]:
        """The records in memory."""
        count = self.shape[0] * self.shape[1] * self.shape[2]
        return np.fromfile(self.file, np.float16, count).reshape(self.shape)

    def records(self) -> Records:
        """The records as the engine gets them: by the name of their file."""
        return Records(self.file, self.shape, np.arange(self.shape[0]))


@dataclass(frozen=True)
class Timing:
    """How long epochs took.

    Attributes:
        wall_s: all of the call.
        records_per_s: while training; None if no update was timed.
    """

    wall_s: float
    records_per_s: float | None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
