"""Frozen features of records, pooled over time or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.encoders import LeadwiseEncoder

# Records a forward pass; small enough for the cache of a CPU and the memory of any GPU.
BATCH = 64


def extract_features(
    encoder: nn.Module, signals: NDArray[np.float16], device: torch.device
) -> NDArray[np.float32]:
    """Features of all records, in float32 whatever the precision of the pretraining.

    Args:
        encoder: maps (batch, leads, time) to (batch, features).
        signals: shape (records, leads, time).
        device: where to compute.

    Returns:
        Shape (records, features).

    Raises:
        FloatingPointError: a feature is not finite.
    """
    encoder = encoder.to(device).eval()
    features: NDArray[np.float32] = torch.cat(list(_outputs(encoder, signals, device))).numpy()
    if not np.isfinite(features).all():
        raise FloatingPointError("the encoder's features are not finite")
    return features


def extract_tokens(
    encoder: LeadwiseEncoder, signals: NDArray[np.float16], device: torch.device
) -> NDArray[np.float16]:
    """Features of all records before they are pooled over time; their mean is the features.

    Kept in float16: there are as many as positions.

    Args:
        encoder: its network has `forward_features`.
        signals: shape (records, leads, time).
        device: where to compute.

    Returns:
        Shape (records, leads, positions, features).

    Raises:
        ConfigError: the network has no `forward_features` of the shape that is needed.
        FloatingPointError: a feature is not finite, or too large for float16.
    """
    encoder = encoder.to(device).eval()
    batches = _outputs(encoder.forward_features, signals, device)
    tokens: NDArray[np.float16] = torch.cat(
        [batch.half().contiguous() for batch in batches]
    ).numpy()
    if not np.isfinite(tokens).all():
        raise FloatingPointError("the encoder's features are not finite in float16")
    return tokens


def _outputs(
    network: Callable[[Tensor], Tensor], signals: NDArray[np.float16], device: torch.device
) -> Iterator[Tensor]:
    """What the network makes of the records, batch by batch, on the CPU."""
    for start in range(0, len(signals), BATCH):
        # A copy: the store is read-only memory, which torch does not take.
        batch = torch.from_numpy(np.array(signals[start : start + BATCH])).to(device)
        with torch.inference_mode():
            output = network(batch.float()).cpu()
        yield output
