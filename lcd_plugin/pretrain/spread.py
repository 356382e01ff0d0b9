"""How far the features of a few records are from collapse, to a point or to few directions."""

from __future__ import annotations

import math

import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn


@torch.no_grad()
def watch_spread(encoder: nn.Module, signals: Tensor) -> dict[str, float]:
    """What the history says of an encoder's features, of the same records in every epoch.

    Args:
        encoder: maps signals to features; it is in training mode again afterwards.
        signals: shape (records, leads, time), on the encoder's device.

    Returns:
        `embedding_std`, the standard deviation of normalised features over records (0 where all
        are one point, 1 / sqrt(features) is as wide as can be), and their `effective_rank`.
    """
    encoder.eval()
    # Not called but its forward: in another mode a compiled encoder would be compiled again.
    features = encoder.forward(signals.float())
    encoder.train()
    return {
        "embedding_std": float(std_of_l2_normalized(features)),
        "effective_rank": effective_rank(features),
    }


def effective_rank(features: Tensor) -> float:
    """The number of directions that features use: exp of the entropy of their singular values.

    Roy and Vetterli, EUSIPCO 2007, https://doi.org/10.5281/zenodo.40456, of features less their
    mean over records. As there, and in RankMe (Garrido et al., https://arxiv.org/abs/2210.02885),
    singular values are made to sum to 1 as they are, not squared.

    Args:
        features: shape (records, features).

    Returns:
        Between 1 and the smaller of features and records less one; 0 if all records have the same
        features, NaN if one is not finite.
    """
    # Of equal features float32 would leave rounding errors, which point in all directions.
    features = features.double()
    if not torch.isfinite(features).all():
        return math.nan
    sizes = torch.linalg.svdvals(features - features.mean(dim=0))
    if not sizes.any():
        return 0.0
    shares = sizes / sizes.sum()
    return float(torch.special.entr(shares).sum().exp())
