"""Memory of a pretraining: what there is, what was used, and what to say when it is too little."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from lcd_plugin.errors import MemoryShortageError

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
MEMINFO = Path("/proc/meminfo")
# Limit and use of the control group, as in containers: version 2, then version 1.
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next step, in place of returning it at once.

    A step frees and takes again hundreds of MB; given back to the system, every page of them is
    faulted in and cleared anew. Concerns the whole process, so it is for programs to call.

    Returns:
        Whether the C library is glibc and did as told.
    """
    libc = _glibc()
    if libc is None:
        return False
    kept = bool(libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))
    # Older versions take no more than 32 MB here.
    mapped = any(libc.mallopt(M_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25))
    return kept and mapped


def _glibc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libc.so.6") if sys.platform.startswith("linux") else None
    except OSError:
        return None


def available_memory(device: torch.device) -> int | None:
    """Free memory of a GPU, or of the machine or container, in bytes; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + _kept_by_torch(device)
    known = [free for free in (_machine_memory(), *map(_group_memory, CGROUPS)) if free is not None]
    return min(known) if known else None


def _kept_by_torch(device: torch.device) -> int:
    """What tensors of before have left to torch's allocator, which is free to new ones."""
    return torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _machine_memory() -> int | None:
    if MEMINFO.exists():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _group_memory(files: tuple[Path, Path]) -> int | None:
    try:
        limit, used = (int(path.read_text()) for path in files)
    except (OSError, ValueError):  # there is none, or it says "max"
        return None
    return max(0, limit - used)


def reset_peak_memory(device: torch.device) -> None:
    """Start counting anew, so that a cell does not inherit the memory of an earlier one."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return
    if (libc := _glibc()) is not None:
        # What `keep_freed_memory` keeps would count as used.
        libc.malloc_trim(0)
    if CLEAR_REFS.exists():
        # 5 resets the kernel's high-water mark; where that is not allowed, it stays the process's.
        with contextlib.suppress(OSError):
            CLEAR_REFS.write_text("5")


def peak_memory_mb(device: torch.device) -> float | None:
    """Largest memory since `reset_peak_memory`: of the GPU's tensors, else of this process.

    None where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Without /proc there is only the peak of the whole process; macOS counts it in bytes.
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


@contextlib.contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Turn running out of memory into one sentence.

    Args:
        advice: what needed the memory and which setting to change.

    Raises:
        MemoryShortageError: the body ran out of memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryShortageError(advice) from error
    except RuntimeError as error:
        # What torch's allocator of host memory says; it has no type of its own.
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryShortageError(advice) from error
