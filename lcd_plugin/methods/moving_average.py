"""A moving average of a network: how it starts, and how it moves."""

from __future__ import annotations

import copy

import torch
from torch import nn


def frozen_copy(network: nn.Module) -> nn.Module:
    """A copy that gradients do not train: what a moving average starts as."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def update_moving_average(online: nn.Module, average: nn.Module, momentum: float) -> None:
    """Move `average` a step towards `online`: momentum * average + (1 - momentum) * online.

    As lightly's `update_momentum`, parameters only; a few launches in place of two a parameter,
    and in place, so that the addresses stay those that a captured graph knows.
    """
    torch._foreach_lerp_(list(average.parameters()), list(online.parameters()), weight=1 - momentum)
