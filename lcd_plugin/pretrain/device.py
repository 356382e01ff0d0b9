"""Where a pretraining runs and in which precision."""

from __future__ import annotations

import contextlib
import functools
import json
import platform
import time
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from lcd_plugin.data.prepare import cache_folder
from lcd_plugin.errors import ConfigError
from lcd_plugin.files import write_whole

DeviceName = Literal["auto", "cpu", "cuda"]
PrecisionName = Literal["auto", "fp32", "bf16"]
Precision = Literal["fp32", "bf16"]

# Below this gain the rounding is not worth it.
WORTHWHILE = 1.1
TRIALS = 5


def choose_device(device: DeviceName) -> torch.device:
    """The device for a name; `auto` takes a GPU if there is one.

    Raises:
        ConfigError: a GPU was asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("There is no CUDA device here; use --device cpu or auto.")
    gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return torch.device("cuda", 0) if gpu else torch.device("cpu")


def check_devices(device: torch.device, devices: int) -> None:
    """Raise ConfigError if there are not so many GPUs; processes of a CPU are not limited."""
    if device.type == "cuda" and devices > torch.cuda.device_count():
        raise ConfigError(
            f"There are {torch.cuda.device_count()} CUDA devices here, not {devices}; use "
            f"--devices {torch.cuda.device_count()} or less."
        )


def choose_precision(precision: PrecisionName, device: torch.device) -> Precision:
    """`auto` is bf16 where the hardware computes with it, and on a CPU is faster; else fp32.

    A CPU is measured once, and what came out is remembered in the cache folder.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # Emulated bf16 on older processors is always slower than fp32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return _remembered(cache_folder() / "precision.json") if supported() else "fp32"


def _remembered(path: Path) -> Precision:
    machine = f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        known = {}
    if not isinstance(known, dict) or known.get(machine) not in ("fp32", "bf16"):
        known = known if isinstance(known, dict) else {}
        known[machine] = "bf16" if bf16_gain() > WORTHWHILE else "fp32"
        with contextlib.suppress(OSError):  # then it is measured again next time
            write_whole(path, json.dumps(known, indent=1).encode())
    chosen: Precision = known[machine]
    return chosen


def bf16_gain() -> float:
    """How many times faster a convolution of an encoder's shape is in bf16, both ways, on the CPU.

    Takes some tenths of a second; the two precisions take turns, so that other work on the machine
    meets both.
    """
    weight = torch.randn(32, 32, 1, 3, requires_grad=True)
    x = torch.randn(64, 32, 1, 512).contiguous(memory_format=torch.channels_last)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TRIALS + 1):
        for bf16, times in seconds.items():
            start = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                y = F.conv2d(x, weight, padding=(0, 1)).relu()
            torch.autograd.grad(y.sum(), weight)
            times.append(time.perf_counter() - start)
    # The first of each is warm-up; the least of the others, since other work only adds.
    return min(seconds[False][1:]) / min(seconds[True][1:])


def make_fabric(device: torch.device, devices: int = 1) -> Fabric:
    """Lightning Fabric on one device, or on several with a process each.

    Its precision stays that of the tensors: `Step` sets that of a training step.
    """
    which: int | list[int] = devices
    if device.type == "cuda" and devices == 1:
        which = [device.index or 0]
    return Fabric(
        accelerator=device.type,
        devices=which,
        strategy="ddp_spawn" if devices > 1 else "auto",
        # Processes are started here, also where a cluster's scheduler started this one.
        plugins=[LightningEnvironment()],
    )


def synchronise(device: torch.device) -> None:
    """Wait for work queued on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@functools.cache
def processor() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
