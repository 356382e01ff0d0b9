"""A number behind the picture: how far a score falls without the moments that were marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

SHARES = (0.1, 0.2, 0.3)
DRAWS = 100


@dataclass(frozen=True)
class Deletion:
    """What happens without a share of the time.

    Attributes:
        share: of the time that all leads are set to zero.
        fall: of the score without the most attributed moments.
        random_fall: mean fall without as much time elsewhere.
        random_std: standard deviation of that.
        beaten: share of the random choices whose fall is smaller.
    """

    share: float
    fall: float
    random_fall: float
    random_std: float
    beaten: float


def deletion_curve(
    model: nn.Module,
    signal: NDArray[np.floating],
    column: int,
    attribution: NDArray[np.floating],
    shares: tuple[float, ...] = SHARES,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Deletion]:
    """Fall of a class's score without the moments that an attribution says speak for it.

    The idea is that of Samek et al., IEEE TNNLS 28 (2017), https://arxiv.org/abs/1509.06321. What
    it is compared with is the same pattern of spans, moved along the record by a random time: the
    same number of cuts with the same lengths and the same rhythm, but in another place.

    Args:
        model: in eval mode; maps (batch, leads, time) to scores (batch, classes).
        signal: the record as the model is shown it, shape (leads, time).
        column: of the class.
        attribution: smoothed, shape (leads, time).
        shares: of the time.
        draws: random times.
        seed: of the draws.
    """
    order = np.argsort(-attribution.sum(axis=0), kind="stable")
    rng = np.random.default_rng(seed)
    samples = signal.shape[1]
    found = []
    for share in shares:
        gone = np.zeros(samples, dtype=bool)
        gone[order[: round(share * samples)]] = True
        moved = [np.roll(gone, shift) for shift in rng.integers(1, samples, draws)]
        falls = _falls(model, signal, column, np.stack([gone, *moved]))
        others = falls[1:]
        found.append(
            Deletion(
                share,
                float(falls[0]),
                float(others.mean()),
                float(others.std()),
                float((others < falls[0]).mean()),
            )
        )
    return found


@torch.inference_mode()
def _falls(
    model: nn.Module, signal: NDArray[np.floating], column: int, gone: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fall of the score for each row of `gone`, True where all leads are set to zero."""
    device = next(model.parameters()).device
    whole = torch.from_numpy(np.array(signal, dtype=np.float32)).to(device)
    masks = torch.from_numpy(gone).to(device)
    score = model(whole[None])[0, column]
    left = torch.cat(
        [model(whole.masked_fill(part[:, None], 0.0))[:, column] for part in torch.split(masks, 32)]
    )
    falls: NDArray[np.float64] = (score - left).double().cpu().numpy()
    return falls
