"""Notices what a GPU graph cannot hold: values read on the host, shapes that depend on values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten: Any = torch.ops.aten
SHAPES = (
    aten.nonzero,
    aten.masked_select,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.bincount,
    aten.repeat_interleave,
)
INDEXED = {aten.index, aten.index_put, aten.index_put_}
COPIES = {Tensor.tolist: "tolist", Tensor.numpy: "numpy", Tensor.cpu: "cpu"}


class HostReadError(RuntimeError):
    """A step does what a GPU cannot replay."""


class NoHostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context in which operations that wait for a device raise `HostReadError`.

    It sees operations of the CPU too, so that no GPU is needed to look for them.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Let an operation through, or raise."""
        packet, named = func.overloadpacket, kwargs or {}
        if packet is aten._local_scalar_dense:
            raise HostReadError("a value is read on the host (.item(), float(), bool() or `if`)")
        told = named.get("output_size") is not None
        masked = packet in INDEXED and any(_is_mask(index) for index in args[1])
        if masked or (packet in SHAPES and not told):
            raise HostReadError(
                f"a shape depends on values ({packet}{' with a mask' if masked else ''})"
            )
        return func(*args, **named)


class NoCopiesToHost(TorchFunctionMode):
    """A context in which `tolist`, `numpy` and `cpu` raise `HostReadError`.

    On a CPU those are no operations that `NoHostReads` would see.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Let a function through, or raise."""
        if func in COPIES:
            raise HostReadError(f"a value is read on the host (Tensor.{COPIES[func]})")
        return func(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)
