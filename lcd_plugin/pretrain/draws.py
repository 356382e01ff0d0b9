"""All that is random in an epoch, drawn before it starts.

Everything follows from the seed and the number of the epoch: a pretraining that goes on from a
checkpoint draws what it would have drawn, and several devices agree on the batch that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from lcd_plugin.views import MultiLeadViews


class Purpose(IntEnum):
    """What a stream of random numbers is for."""

    ORDER = 0
    LEADS = 1
    VIEWS = 2
    METHOD = 3


@dataclass(frozen=True)
class EpochDraws:
    """What one device does in an epoch.

    Attributes:
        rows: records of each step, on the host, shape (steps, batch).
        leads: leads of each record, on the host, shape (steps, batch, channels).
        views: crops, silences and gains, on the device, shape (steps, 4 or 5, batch, views); see
            `MultiLeadViews.draw`.
    """

    rows: Tensor
    leads: Tensor
    views: Tensor


def derive_seed(seed: int, epoch: int, purpose: Purpose, rank: int = 0) -> int:
    """A seed of its own for every epoch, purpose and device."""
    sequence = np.random.SeedSequence((seed, epoch, int(purpose), rank))
    # torch takes 63 bits.
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw_epoch(
    views: MultiLeadViews,
    shape: tuple[int, int],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    device: torch.device,
    rank: int = 0,
    ranks: int = 1,
) -> EpochDraws:
    """Draw an epoch: every record at most once, in whole batches.

    With several devices each draws for the whole batch and takes its part of it, so that no record
    is seen twice and lead pairs are those of the whole batch.

    Args:
        views: draws leads and augmentations.
        shape: number of records and of leads.
        batch_size: records a step, over all devices.
        seed: of the pretraining.
        epoch: its number.
        device: where the views are made.
        rank: number of this device.
        ranks: number of devices; divides `batch_size`.
    """
    n_records, n_leads = shape
    steps = n_records // batch_size

    def generator(purpose: Purpose, where: torch.device | str = "cpu") -> torch.Generator:
        return torch.Generator(where).manual_seed(derive_seed(seed, epoch, purpose))

    order = torch.randperm(n_records, generator=generator(Purpose.ORDER))
    rows = order[: steps * batch_size].reshape(steps, batch_size)
    for_leads = generator(Purpose.LEADS)
    leads = [views.leads(n_leads, batch_size, for_leads) for _ in range(steps)]
    for_views = generator(Purpose.VIEWS, device)
    draws = torch.stack([views.draw(batch_size, for_views, device) for _ in range(steps)])
    part = slice(rank, None, ranks)
    return EpochDraws(rows[:, part], torch.stack(leads)[:, part], draws[:, :, part])
