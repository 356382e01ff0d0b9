"""Frozen features of records, pooled over time or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.encoders import RecordEncoder

# Records a forward pass; small enough for the cache of a CPU and the memory of any GPU.
BATCH = 64


def extract_features(
    encoder: nn.Module,
    signals: NDArray[np.float16],
    device: torch.device,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Features of records, in float32 whatever the precision of the pretraining.

    Args:
        encoder: maps (batch, leads, time) to (batch, features).
        signals: shape (records, leads, time).
        device: where to compute.
        rows: which records; None is all of them.

    Returns:
        Shape (rows, features).

    Raises:
        FloatingPointError: a feature is not finite.
    """
    encoder = encoder.to(device).eval()
    features: NDArray[np.float32] = _outputs(encoder, signals, device, rows, torch.float32)
    return features


def extract_tokens(
    encoder: RecordEncoder,
    signals: NDArray[np.float16],
    device: torch.device,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float16]:
    """Features of records before they are pooled over time; their mean is the features.

    Kept in float16: there are as many as positions.

    Args:
        encoder: its network has `forward_features`.
        signals: shape (records, leads, time).
        device: where to compute.
        rows: which records; None is all of them.

    Returns:
        Shape (rows, leads, positions, features); leads is 1 for an encoder that reads all at once.

    Raises:
        ConfigError: the network has no `forward_features` of the shape that is needed.
        FloatingPointError: a feature is not finite, or too large for float16.
    """
    encoder = encoder.to(device).eval()
    tokens: NDArray[np.float16] = _outputs(
        encoder.forward_features, signals, device, rows, torch.float16
    )
    return tokens


def _outputs(
    network: Callable[[Tensor], Tensor],
    signals: NDArray[np.float16],
    device: torch.device,
    rows: NDArray[np.int64] | None,
    kept_as: torch.dtype,
) -> NDArray[Any]:
    """What the network makes of the records, batch by batch into one array on the CPU."""
    rows = np.arange(len(signals)) if rows is None else rows
    found: Tensor | None = None
    for start in range(0, len(rows), BATCH):
        # A copy: the store is read-only memory, which torch does not take.
        batch = torch.from_numpy(signals[rows[start : start + BATCH]]).to(device)
        with torch.inference_mode():
            output = network(batch.float()).to(kept_as)
        if not output.isfinite().all():
            raise FloatingPointError(
                f"the encoder's features are not finite in {str(kept_as).removeprefix('torch.')}"
            )
        if found is None:
            found = torch.empty((len(rows), *output.shape[1:]), dtype=kept_as)
        found[start : start + BATCH] = output.cpu()
    assert found is not None, "a dataset that is scored has records"
    return found.numpy()
