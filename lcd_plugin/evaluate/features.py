"""Frozen features of records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Records a forward pass; small enough for the cache of a CPU and the memory of any GPU.
BATCH = 64


@torch.inference_mode()
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
    batches = []
    for start in range(0, len(signals), BATCH):
        # A copy: the store is read-only memory, which torch does not take.
        batch = torch.from_numpy(np.array(signals[start : start + BATCH])).to(device)
        batches.append(encoder(batch.float()).cpu())
    features: NDArray[np.float32] = torch.cat(batches).numpy()
    if not np.isfinite(features).all():
        raise FloatingPointError("the encoder's features are not finite")
    return features
