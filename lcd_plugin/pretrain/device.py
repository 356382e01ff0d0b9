"""Where a pretraining runs and in which precision."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric

from lcd_plugin.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]
PrecisionName = Literal["auto", "fp32", "bf16"]

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


def choose_device(device: DeviceName) -> torch.device:
    """The device for a name; `auto` takes a GPU if there is one.

    Raises:
        ConfigError: a GPU was asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("There is no CUDA device here; use --device cpu or auto.")
    gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return torch.device("cuda", 0) if gpu else torch.device("cpu")


def choose_precision(precision: PrecisionName, device: torch.device) -> Literal["fp32", "bf16"]:
    """`auto` is bf16 where the hardware computes with it, else fp32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # Emulated bf16 on older processors is slower than fp32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if supported() else "fp32"


def make_fabric(device: torch.device, precision: Literal["fp32", "bf16"]) -> Fabric:
    """Lightning Fabric on one device."""
    mixed = precision == "bf16"
    return Fabric(
        accelerator=device.type, devices=1, precision="bf16-mixed" if mixed else "32-true"
    )


def synchronise(device: torch.device) -> None:
    """Wait for work queued on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Start counting anew, so that a cell does not inherit the peak of an earlier one."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR_REFS.exists():
        # 5 resets the kernel's high-water mark; where that is not allowed, it stays the process's.
        with contextlib.suppress(OSError):
            CLEAR_REFS.write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory since `reset_peak_memory`: of the GPU's tensors, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    # Without /proc there is only the peak of the whole process; macOS counts it in bytes.
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)
