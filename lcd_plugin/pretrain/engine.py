"""The pretraining engine: one host for every method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lcd_plugin.errors import ConfigError
from lcd_plugin.methods.base import Method
from lcd_plugin.pretrain.device import Precision, check_devices, make_fabric
from lcd_plugin.pretrain.job import Job, Keep, PretrainOutcome, Report, Stop
from lcd_plugin.pretrain.launch import run_on_several
from lcd_plugin.pretrain.loop import run_job
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings
from lcd_plugin.pretrain.snapshots import check_shares


def pretrain(
    build: Callable[[], Method],
    records: Records | NDArray[np.float16],
    settings: PretrainSettings,
    views: ViewSettings,
    *,
    seed: int,
    device: torch.device,
    precision: Precision,
    train: bool = True,
    engine: EngineSettings | None = None,
    checkpoint: Path | None = None,
    progress: Report = lambda done: None,
    snapshots: tuple[float, ...] = (),
    keep: Keep = lambda snapshot: None,
    stop: Stop = lambda: False,
) -> PretrainOutcome:
    """Train a method on records, or only calibrate its encoder.

    Args:
        build: makes the method; called under the seed, so that equal seeds start from equal
            encoders whatever the method. With several devices it must be picklable.
        records: training records, or a float16 array of shape (records, leads, time).
        settings: budget and optimiser.
        views: augmentation.
        seed: of weights, order of records and views.
        device: where to train.
        precision: of the forward and backward pass; losses are computed in float32.
        train: False for the random baseline.
        engine: how to compute.
        checkpoint: file for the state between epochs; if there is one, the pretraining goes on
            from it. Whoever stores the outcome deletes it.
        progress: called after each epoch.
        snapshots: rising shares of the epochs, in (0, 1). At the end of the epoch nearest to each
            (never the last) a copy of the encoder is made ready as the finished one is; this
            changes nothing of the training and is in no phase. A baseline that is not trained has
            none.
        keep: called with each snapshot at once, and before any checkpoint that has its epoch
            behind it. A pretraining that goes on from a checkpoint takes no snapshots of epochs
            that are done: what was kept must outlive the process. After an interruption an epoch,
            and with it its snapshot, may come a second time.
        stop: asked after each epoch but the last, on one device only: whether to write a checkpoint
            now and end.

    Returns:
        The encoder with the record of its training.

    Raises:
        ConfigError: the batch is larger than the data or does not divide over the devices,
            there are not so many devices, or `snapshots` are no rising shares.
        FloatingPointError: the loss is no longer finite.
        PretrainingStopped: `stop` said so.
        MemoryShortageError: a step, or records that must be resident, do not fit.
    """
    engine = engine or EngineSettings()
    records = records if isinstance(records, Records) else Records.of(records)
    check_shares(snapshots)
    job = Job(
        build, records, settings, views, engine, seed, precision, train, checkpoint, snapshots
    )
    if not train:
        return run_job(make_fabric(device), job, progress, keep, stop)
    check_batch(settings.batch_size, len(records), engine.devices)
    check_devices(device, engine.devices)
    if engine.devices > 1:
        return run_on_several(make_fabric(device, engine.devices), job, progress, keep)
    return run_job(make_fabric(device), job, progress, keep, stop)


def check_batch(batch_size: int, n_records: int, devices: int = 1) -> None:
    """Raise ConfigError if no batch can be filled, or the devices cannot share it evenly."""
    if batch_size > n_records:
        raise ConfigError(
            f"The batch size {batch_size} is larger than the {n_records} training records; "
            f"use --batch-size {n_records} or less."
        )
    if batch_size % devices or batch_size < 2 * devices:
        raise ConfigError(
            f"{devices} devices cannot share batches of {batch_size} records evenly, with two or "
            f"more for each; use a --batch-size that is a multiple of {devices}, from "
            f"{2 * devices} on."
        )
