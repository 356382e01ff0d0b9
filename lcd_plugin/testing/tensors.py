"""What checks of methods and of encoders share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, which small networks are fastest on, and random numbers of their own."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that differ."""
    return [name for name, value in after.items() if not torch.equal(value, before[name])]


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they are now."""
    return {name: value.detach().clone() for name, value in tensors.items()}


def named(names: list[str]) -> str:
    """The first few of many names, quoted."""
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
