"""What the losses have in common: checks, precision, and the rows of all processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import nn as dist_nn


def check_gathering(gather_distributed: bool) -> None:
    """Raise ValueError if rows should be gathered and torch cannot."""
    if gather_distributed and not dist.is_available():
        raise ValueError(
            "gather_distributed is True but torch.distributed is not available. "
            "Please set gather_distributed=False or install a torch version with "
            "distributed support."
        )


def check_rows(loss: str, fewest: int = 2, **tensors: Tensor) -> None:
    """Raise ValueError unless all tensors are (batch, dim) of one shape with enough records.

    Args:
        loss: its name, for the message.
        fewest: records that the loss needs.
        tensors: its arguments by name.
    """
    came = ", ".join(f"{name} {tuple(x.shape)}" for name, x in tensors.items())
    shapes = {tuple(x.shape) for x in tensors.values()}
    shape = next(iter(shapes))
    if len(shapes) != 1 or len(shape) != 2:
        raise ValueError(f"{loss} needs tensors of one shape (batch, dim), got {came}.")
    if shape[0] < fewest:
        raise ValueError(f"{loss} needs {fewest} or more records in the batch, got {came}.")


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision would lose small off-diagonal elements and small angles."""
    return x if x.dtype == torch.float64 else x.float()


def rows_of_all(x: Tensor, gather_distributed: bool) -> Tensor:
    """The rows of all processes, if asked for; gradients go back to where they came from.

    Each process computes the whole loss, so the gradients that come back are summed over
    processes; DDP's mean over processes makes that the gradient of one loss (lightly#1977).
    """
    if not (gather_distributed and dist.is_initialized() and dist.get_world_size() > 1):
        return x
    gathered: Tensor = torch.cat(dist_nn.all_gather(x.contiguous()), dim=0)  # type: ignore[no-untyped-call]
    return gathered
