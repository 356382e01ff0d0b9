"""Which executor a run gets, and what of the machine each of its workers may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import torch

from lcd_plugin.bench.executors.base import Executor
from lcd_plugin.bench.executors.inline import InlineExecutor
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.plan import Plan
from lcd_plugin.data.parallel import cores
from lcd_plugin.errors import ConfigError

log = logging.getLogger(__name__)

# Workers of one run; what a slip of the finger asks for beyond that no machine has.
MOST_JOBS = 1024


@dataclass(frozen=True)
class Workers:
    """Who should compute the cells of a run, as the command line says it.

    Attributes:
        executor: `local` or `ray`.
        jobs: workers; 0 is none but this process. None is what fits on Ray, and 1 on this machine,
            or 0 on Windows, which has no workers.
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
    if workers.executor == "local" and workers.jobs is None:
        workers = replace(workers, jobs=1 if _has_workers() else 0)
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
    jobs, root = workers.jobs, out.absolute()
    if not jobs:
        return InlineExecutor(plan, root, device)
    from lcd_plugin.bench.executors.local import LocalExecutor

    order = WorkOrder.of(
        plan,
        root,
        device=device.type,
        threads=threads_each(jobs, os.environ),
        memory_gb=workers.memory_gb,
    )
    gpus = _gpus() if device.type == "cuda" else []
    if idle := idle_gpus(len(gpus), jobs, each):
        log.warning(idle)
    return LocalExecutor(order, jobs, gpus=gpus, gpus_each=each, time_s=workers.time_s)


def threads_each(jobs: int, environment: Mapping[str, str]) -> int | None:
    """Threads of each of so many workers; None is what torch takes by itself."""
    # One worker has what one process had before there were workers; what a user has set is theirs.
    if jobs == 1 or "OMP_NUM_THREADS" in environment:
        return None
    return max(1, cores() // jobs)


def idle_gpus(gpus: int, jobs: int, each: int) -> str | None:
    """A sentence if more workers would use more of this machine's GPUs."""
    most = gpus // each
    if jobs >= most:
        return None
    used = f"{jobs * each} of {gpus} GPUs {'is' if jobs * each == 1 else 'are'} used"
    return f"{used}; --jobs {most} uses {'all' if most * each == gpus else most * each}."


def _has_workers() -> bool:
    """Whether this system has what workers need: limits, signals and sockets of POSIX."""
    return find_spec("resource") is not None


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
    if workers.jobs is not None and workers.jobs > MOST_JOBS:
        raise ConfigError(f"--jobs takes at most {MOST_JOBS}; got {workers.jobs}.")
    if workers.executor == "local" and workers.jobs and not _has_workers():
        raise ConfigError("Workers need Linux or macOS; use --jobs 0.")


def _gpus() -> list[str]:
    """The GPUs of this machine that are to be used, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]
