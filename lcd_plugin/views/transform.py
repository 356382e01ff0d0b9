"""Lightly's own way: a transform in the dataset makes the views, a DataLoader collates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch import Tensor

from lcd_plugin.views.multi_lead import NO_GAIN, MultiLeadViews

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ECGAugment:
    """Random resized crop, time-out and gain of one record, all of its leads alike.

    Randomness is torch's own, which a DataLoader seeds differently in each of its workers.

    Args:
        crop: range of the share of the record that is kept.
        time_out: range of the share that is set to zero.
        gain: range of the factor of the amplitude; off at (1, 1).
    """

    def __init__(
        self,
        crop: tuple[float, float] = (0.5, 1.0),
        time_out: tuple[float, float] = (0.0, 0.5),
        gain: tuple[float, float] = NO_GAIN,
    ) -> None:
        self._views = MultiLeadViews("*", crop=crop, time_out=time_out, gain=gain)

    def __call__(self, record: Tensor | NDArray[np.floating]) -> Tensor:
        """Augment a record of shape (leads, time); the input is left as it was."""
        return self._views(torch.as_tensor(record).unsqueeze(0))[0].squeeze(0)


class LCDTransform(MultiViewTransform):
    """LCD's views of one record for `LightlyDataset` or any dataset with a transform.

    A dataset sees one record at a time, and LCD draws its pair of leads once a batch: every view
    therefore holds all leads, and `draw_leads` with `take_leads` chooses in the training step.
    `MultiLeadViews` does the same work for a batch on its device and is much faster.

    Args:
        n_views: number of views; LCD needs three.
        crop: range of the share of the record that a view keeps.
        time_out: range of the share of a view that is set to zero.
        gain: range of the factor of a view's amplitude; off at (1, 1).

    Examples:
        >>> dataset = LightlyDataset.from_torch_dataset(records, transform=LCDTransform())
        >>> (x1, x2, x3), _, _ = next(iter(DataLoader(dataset, batch_size=256)))
        >>> leads = draw_leads("ab", n_leads=x1.shape[1], batch=len(x1))
        >>> views = [take_leads(x, leads[c]) for x, c in zip((x1, x2, x3), "aba")]
    """

    def __init__(
        self,
        n_views: int = 3,
        crop: tuple[float, float] = (0.5, 1.0),
        time_out: tuple[float, float] = (0.0, 0.5),
        gain: tuple[float, float] = NO_GAIN,
    ) -> None:
        super().__init__(transforms=[ECGAugment(crop, time_out, gain)] * n_views)
