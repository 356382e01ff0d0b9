"""Where a number comes from: versions, machine, git state, command line, environment, time."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lcd_plugin.bench.secrets import without_secrets
from lcd_plugin.plugins import Registry
from lcd_plugin.pretrain.device import processor

PACKAGES = (
    "lcd-plugin", "torch", "lightly", "timm", "pytorch-lightning", "scikit-learn", "scipy",
    "numpy", "pandas", "wfdb",
)  # fmt: skip
# Variables that change numbers or speed, and nothing else of the environment: results travel.
VARIABLES = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_DYNAMIC",
    "GOMP_SPINCOUNT", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_BLOCKTIME",
    "MKL_NUM_THREADS", "MKL_DYNAMIC", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "PYTHONHASHSEED",
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_DETERMINISTIC",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "TORCH_COMPILE_DISABLE",
)  # fmt: skip
LONGEST_VALUE = 200


def provenance(device: torch.device, threads: int) -> dict[str, Any]:
    """What is the same for all results of a process, apart from the time."""
    return {
        "packages": _packages(),
        "python": platform.python_version(),
        "machine": machine(device, threads),
        "git": _git_state(),
        # Where the program lies is nobody's business.
        "argv": [Path(sys.argv[0]).name, *without_secrets(sys.argv[1:])],
        "environment": environment(),
    }


def environment() -> dict[str, str]:
    """What is set of `VARIABLES` in this process."""
    return {name: os.environ[name][:LONGEST_VALUE] for name in VARIABLES if name in os.environ}


def plugin_origin(registry: Registry[Any], name: str) -> dict[str, str]:
    """Which plugin a result was made with: its name, whose it is, and which code it was."""
    origin = registry.origin(name)
    return {
        "name": name,
        "distribution": origin.distribution,
        "version": origin.version,
        "code": origin.code,
    }


def machine(device: torch.device, threads: int) -> dict[str, Any]:
    """What wall-time depends on; times are comparable where this is equal."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{processor()}, {threads} threads"
    return {
        "name": name,
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device.type,
        "system": f"{platform.system()} {platform.machine()}",
        "torch": version("torch"),
    }


@functools.cache
def _packages() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


@functools.cache
def _git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this code runs from, or None for an installed package."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
