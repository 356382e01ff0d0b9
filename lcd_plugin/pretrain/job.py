"""What a pretraining is given and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from torch import nn

from lcd_plugin.methods.base import Method
from lcd_plugin.pretrain.device import Precision
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings


class PretrainingStopped(Exception):  # noqa: N818 - nothing went wrong
    """A pretraining was asked to stop between two epochs; its checkpoint has all that is done."""


class EpochDone(NamedTuple):
    """How far a pretraining is.

    Attributes:
        epoch: that has ended, from 1.
        epochs: in all.
        loss: mean over its updates.
        records_per_s: records, over all devices, that a second of steps has taken in so far; None
            before there was a step that was timed.
    """

    epoch: int
    epochs: int
    loss: float
    records_per_s: float | None


# Called after each epoch.
Report = Callable[[EpochDone], None]


@dataclass(frozen=True)
class Snapshot:
    """The encoder as it was during a pretraining.

    Attributes:
        share: of the epochs, as it was asked for.
        epoch: the epoch at whose end it was taken.
        updates: optimiser updates so far.
        records: records that those took in, over all devices; one seen twice counts twice.
        seconds: what a pretraining that ended here would have taken: all phases so far, and the
            calibration of this encoder. Earlier snapshots are in none of them.
        encoder: on the CPU, in eval mode, calibrated as a finished one.
    """

    share: float
    epoch: int
    updates: int
    records: int
    seconds: float
    encoder: nn.Module


# Asked between epochs: whether to end here, so that the pretraining can be gone on with later.
Stop = Callable[[], bool]
# Called with each snapshot as soon as it is taken; the pretraining goes on when it returns.
Keep = Callable[[Snapshot], None]


@dataclass(frozen=True)
class Job:
    """Everything a pretraining needs, so that another process can be told."""

    build: Callable[[], Method]
    records: Records
    settings: PretrainSettings
    views: ViewSettings
    engine: EngineSettings
    seed: int
    precision: Precision
    train: bool
    checkpoint: Path | None
    snapshots: tuple[float, ...] = ()


@dataclass(frozen=True)
class HowComputed:
    """How the engine went about a pretraining.

    Attributes:
        records: where they lived; None for a baseline that is not trained.
        devices: GPUs, or processes on a CPU.
        compiled: whether the encoder was compiled.
        cuda_graph: whether steps were replayed as a CUDA graph.
        resumed_at: epochs that were done when it last went on from a checkpoint, or None.
    """

    records: Literal["resident", "stream"] | None = None
    devices: int = 1
    compiled: bool = False
    cuda_graph: bool = False
    resumed_at: int | None = None


@dataclass(frozen=True)
class PretrainOutcome:
    """A finished pretraining.

    Attributes:
        encoder: the method's encoder, of one lead or of all, on the CPU, in eval mode.
        history: one row an epoch: epoch, updates, loss, the method's terms, learning_rate,
            embedding_std (spread of normalised features: 0 is collapse to a point),
            effective_rank (directions that they use: 1 is collapse to a line, see
            `effective_rank` in `spread.py`), seconds of steps so far.
        updates: optimiser updates.
        phases: seconds by phase: load, compile (the first updates, where there is something to
            compile or capture), steps, monitor, checkpoint, calibrate.
        records_per_s: records taken in by one second of the phase steps.
        data_wait_share: share of the phases steps and compile in which the host waited for records.
        peak_memory_mb: largest memory of the process or GPU; None if unknown.
        how: how it was computed.
    """

    encoder: nn.Module
    history: list[dict[str, int | float]]
    updates: int
    phases: dict[str, float]
    records_per_s: float | None
    data_wait_share: float | None
    peak_memory_mb: float | None
    how: HowComputed
