"""Which executor a run gets, and what of the machine each of its workers may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from lcd_plugin.bench.executors.base import Executor
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.local import LocalExecutor
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.plan import Plan
from lcd_plugin.data.parallel import cores
from lcd_plugin.errors import ConfigError


@dataclass(frozen=True)
class Workers:
    """Who should compute the cells of a run, as the command line says it.

    Attributes:
        executor: `local` or `ray`.
        jobs: workers; 0 is none but this process, None is 1 on this machine and what fits on Ray.
        address: of a Ray cluster; None starts one on this machine.
        time_s: seconds that a cell may take.
        memory_gb: memory in GB (1e9 bytes) that a worker may take.
    """

    executor: str = "local"
    jobs: int | None = None
    address: str | None = None
    time_s: float | None = None
    memory_gb: float | None = None


def executor_for(plan: Plan, out: Path, device: torch.device, workers: Workers) -> Executor:
    """The executor for the cells of a plan.

    Raises:
        ConfigError: the workers cannot be had as they are wanted.
    """
    _check(workers)
    each = plan.suite.engine.devices
    if workers.executor == "ray":
        from lcd_plugin.bench.executors.ray import RayExecutor

        return RayExecutor(
            WorkOrder.of(plan, out.absolute(), device=device.type, memory_gb=workers.memory_gb),
            workers.jobs,
            address=workers.address,
            gpus_each=each if device.type == "cuda" else 0,
            time_s=workers.time_s,
        )
    jobs = 1 if workers.jobs is None else workers.jobs
    root = out.absolute()
    if jobs == 0:
        return InlineExecutor(plan, root, device)
    order = WorkOrder.of(
        plan,
        root,
        device=device.type,
        # One worker has what one process had before there were workers.
        threads=max(1, cores() // jobs) if jobs > 1 else None,
        memory_gb=workers.memory_gb,
    )
    gpus = _gpus() if device.type == "cuda" else []
    return LocalExecutor(order, jobs, gpus=gpus, gpus_each=each, time_s=workers.time_s)


def _check(workers: Workers) -> None:
    limits = {"--time-limit": workers.time_s, "--memory-limit": workers.memory_gb}
    for flag, value in limits.items():
        if value is not None and not value > 0:
            raise ConfigError(f"{flag} takes a positive number; got {value:g}.")
        if value is not None and workers.jobs == 0:
            raise ConfigError(f"{flag} needs a worker to be limited; use --jobs 1 or more.")
    if workers.address is not None and workers.executor != "ray":
        raise ConfigError("--address is that of a Ray cluster; add --executor ray.")
    if workers.executor == "ray" and workers.jobs == 0:
        raise ConfigError("--jobs 0 computes in this process; with --executor ray use 1 or more.")


def _gpus() -> list[str]:
    """The GPUs of this machine that are to be used, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]
