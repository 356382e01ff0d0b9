"""The two sides of a comparison, the engine and the naive pipeline, each for its own process.

How the C library treats freed memory is part of the engine's speed and concerns a whole process
(`keep_freed_memory`): the naive side must be measured where that was not called. A process is told
what to do by the name of a function below and the work; it keeps what it has set up between calls.
"""

from __future__ import annotations

import functools
import itertools
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from naive.pipeline import NaivePipeline
from work import SEED, Timing, Work, cores

from lcd_plugin import create_encoder
from lcd_plugin.cli.ending import SPINS
from lcd_plugin.methods.base import Method
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain.device import (
    Precision,
    choose_device,
    choose_precision,
    make_fabric,
    synchronise,
)
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import Job
from lcd_plugin.pretrain.memory import keep_freed_memory
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings
from lcd_plugin.pretrain.step import Step
from lcd_plugin.views import MultiLeadViews

T = TypeVar("T")


def process(side: Literal["naive", "engine"]) -> ProcessPoolExecutor:
    """A process for one side; it lives until `shutdown`.

    An executor's, since a `Pool`'s processes may not have DataLoader workers.
    """
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(1, spawn, initializer=_prepare, initargs=(side,))
    # As `lcd-bench` does; it is read when torch is loaded, so before the process starts.
    if side == "engine":
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    executor.submit(torch.get_num_threads).result()
    os.environ.pop("GOMP_SPINCOUNT", None)
    return executor


def _prepare(side: str) -> None:
    # A spawned process would spawn its DataLoader workers too, each importing torch anew, which
    # would cost the naive side seconds an epoch; in a program of its own it would have the default.
    multiprocessing.set_start_method(None, force=True)
    # Which says at every `pretrain` that it computes in bf16.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if side == "engine":
        keep_freed_memory()


def do(make: Callable[..., Callable[[], T]], *arguments: Any) -> T:
    """Do a piece of work; `make` sets it up at the first call with these arguments."""
    work: Callable[[], T] = _set_up(make, *arguments)
    return work()


@functools.cache
def _set_up(make: Callable[..., Callable[[], T]], *arguments: Any) -> Callable[[], T]:
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    return make(*arguments)


@functools.cache
def engine_precision(device: str) -> Precision:
    """The precision that the engine chooses in this process."""
    return choose_precision("auto", choose_device(device))  # type: ignore[arg-type]


def naive_step(method: str, work: Work) -> Callable[[], None]:
    """One update on views that are ready, in float32."""
    pipeline = NaivePipeline(
        method, work.array(), batch_size=work.batch, workers=0, device=work.device
    )
    views, target, names = next(iter(pipeline.loader))
    # An epoch of this one batch is the update alone.
    pipeline.loader = [([v.to(work.device) for v in views], target, names)]  # type: ignore
    return lambda: _discard(pipeline.epoch())


def engine_step(method: str, work: Work) -> Callable[[], None]:
    """One update on the leads of a batch; making the views is part of it."""
    job = _job(method, work, PretrainSettings(epochs=1, batch_size=work.batch))
    device = choose_device(work.device)  # type: ignore[arg-type]
    model = job.build().to(device)
    views = MultiLeadViews(model.views)
    step = Step(model, views, job, make_fabric(device), steps_per_epoch=1)
    leads = torch.arange(len(set(model.views)))
    signals = job.records.read(slice(work.batch))[:, leads].to(device)
    draws = views.draw(work.batch, device=device)
    updates = itertools.count()
    while step.warm_up_left:
        step(next(updates), signals, draws)

    def update() -> None:
        step(next(updates), signals, draws)
        synchronise(device)

    return update


def naive_epochs(method: str, work: Work, epochs: int = 1) -> Callable[[], Timing]:
    """Epochs, DataLoader workers included; building and reading the file are not."""
    pipeline = NaivePipeline(
        method, work.array(), batch_size=work.batch, workers=cores(), device=work.device
    )

    def train() -> Timing:
        start = time.perf_counter()
        rate = pipeline.records_per_s(epochs)
        return Timing(time.perf_counter() - start, rate)

    return train


def engine_epochs(
    method: str, work: Work, epochs: int = 1, calibrate: bool = False
) -> Callable[[], Timing]:
    """A whole pretraining, from building the method and reading the file on."""
    settings = PretrainSettings(
        epochs=epochs, batch_size=work.batch, calibrate_batch_norm=calibrate
    )
    job = _job(method, work, settings)
    device = choose_device(work.device)  # type: ignore[arg-type]

    def train() -> Timing:
        start = time.perf_counter()
        outcome = pretrain(
            job.build,
            job.records,
            job.settings,
            job.views,
            seed=job.seed,
            device=device,
            precision=job.precision,
        )
        synchronise(device)
        return Timing(time.perf_counter() - start, outcome.records_per_s)

    return train


def _job(method: str, work: Work, settings: PretrainSettings) -> Job:
    return Job(
        build=partial(_build, method),
        records=work.records(),
        settings=settings,
        views=ViewSettings(),
        engine=EngineSettings(),
        seed=SEED,
        precision=engine_precision(work.device),
        train=True,
        checkpoint=None,
    )


def _build(method: str) -> Method:
    built: Method = METHODS.load(method)(create_encoder("vgg16_1d"))
    return built


def _discard(_: object) -> None:
    """Nothing has to travel back between processes."""
