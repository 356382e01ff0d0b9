"""Short pieces of views, the one-dimensional counterpart of small image crops."""

from __future__ import annotations

import torch
from torch import Tensor

# Encoders halve time about five times; below this hardly a position would be left.
MIN_SAMPLES = 64


def short_views(views: list[Tensor], share: float, count: int) -> list[Tensor]:
    """Cut random contiguous pieces out of views, one view after the other in turn.

    Every record has a start of its own, which all its leads share. The length is the same for all
    pieces, so that shapes do not change from step to step, and samples stay as far apart as they
    were: rhythm and widths of waves are those of the view. Starts are drawn from torch's own
    generator.

    Args:
        views: each of shape (batch, leads, time).
        share: length of a piece as a share of `time`; at least `MIN_SAMPLES` where there are so
            many.
        count: number of pieces of each record.

    Returns:
        `count` tensors of shape (batch, leads, length).
    """
    return [_random_piece(views[i % len(views)], share) for i in range(count)]


def _random_piece(view: Tensor, share: float) -> Tensor:
    batch, leads, time = view.shape
    length = min(time, max(MIN_SAMPLES, round(share * time)))
    start = torch.randint(time - length + 1, (batch, 1, 1), device=view.device)
    index = start + torch.arange(length, device=view.device)
    return view.gather(2, index.expand(batch, leads, length))
