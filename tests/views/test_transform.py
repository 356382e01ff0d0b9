"""The sample-level transform in lightly's own loading path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lightly.data import LightlyDataset
from lightly.data.multi_view_collate import MultiViewCollate
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch.utils.data import DataLoader, Dataset

from lcd_plugin import LCDTransform
from lcd_plugin.views import draw_leads, take_leads


class Records(Dataset[tuple[Any, int]]):
    """Signals that say which record they are; `transform` is set by lightly."""

    def __init__(self, records: int, leads: int, time: int) -> None:
        self.signals = np.arange(1, records + 1, dtype=np.float32)[:, None, None] * np.ones(
            (1, leads, time), dtype=np.float32
        )
        self.transform: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        signal = self.signals[index]
        return (self.transform(signal) if self.transform else signal), index


def test_is_one_of_lightlys_transforms() -> None:
    assert isinstance(LCDTransform(), MultiViewTransform)


@pytest.mark.parametrize("n_views", [1, 2, 3])
@pytest.mark.parametrize(
    "make",
    [np.asarray, torch.from_numpy, np.float16],
    ids=["numpy", "torch", "half"],
)
def test_views_of_a_record(make: Callable[[np.ndarray], Any], n_views: int) -> None:
    record = make(np.random.default_rng(0).standard_normal((4, 60)).astype(np.float32))
    views = LCDTransform(n_views)(record)
    assert len(views) == n_views
    assert all(isinstance(v, torch.Tensor) and v.shape == (4, 60) for v in views)
    assert all(v.dtype == torch.float32 for v in views)


def test_views_differ() -> None:
    ramp = torch.arange(1.0, 201).expand(2, 200)
    views = LCDTransform()(ramp)
    assert len({float(v.sum()) for v in views}) == 3


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_record_is_left_as_it_was(make: Callable[[np.ndarray], Any]) -> None:
    original = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    record = make(original.copy())
    for view in LCDTransform()(record):
        view.fill_(9)
    assert np.array_equal(np.asarray(record), original)


def test_leads_of_a_record_stay_together() -> None:
    ramp = torch.arange(1.0, 101).expand(5, 100)
    for view in LCDTransform()(ramp):
        assert torch.equal(view, view[:1].expand_as(view))


def test_settings_reach_the_augmentation() -> None:
    views = LCDTransform(crop=(1.0, 1.0), time_out=(0.5, 0.5))(torch.ones(2, 80))
    assert all((view[0] == 0).sum() == 40 for view in views)
    loud = LCDTransform(crop=(1.0, 1.0), time_out=(0.0, 0.0), gain=(2.0, 8.0))(torch.ones(2, 80))
    assert all(2 <= view[0, 0] <= 8 and torch.unique(view).numel() == 1 for view in loud)
    assert len({float(view[0, 0]) for view in loud}) == 3
    with pytest.raises(ValueError, match="crop must be a range"):
        LCDTransform(crop=(0.0, 1.0))
    with pytest.raises(ValueError, match="gain must be a range"):
        LCDTransform(gain=(0.0, 1.0))


def test_in_lightlys_dataset_and_a_data_loader() -> None:
    dataset = LightlyDataset.from_torch_dataset(Records(10, 3, 50), transform=LCDTransform())
    loader = DataLoader(dataset, batch_size=5, collate_fn=MultiViewCollate())
    seen = []
    for views, labels, filenames in loader:
        assert [tuple(v.shape) for v in views] == [(5, 3, 50)] * 3
        assert len(filenames) == 5
        for view in views:
            # A crop of a constant record is that constant, and a silence leaves half of it.
            assert torch.equal(view.amax(dim=(1, 2)), labels + 1.0)
        seen += labels.tolist()
    assert seen == list(range(10))


def test_lead_pairs_from_collated_views() -> None:
    """The way of the docstring: views hold all leads, the training step chooses."""
    dataset = LightlyDataset.from_torch_dataset(
        Records(6, 4, 30), transform=LCDTransform(time_out=(0, 0))
    )
    views, _, _ = next(iter(DataLoader(dataset, batch_size=6)))
    leads = draw_leads("ab", n_leads=4, batch=6)
    taken = [take_leads(x, leads[c]) for x, c in zip(views, "aba", strict=True)]
    assert [tuple(x.shape) for x in taken] == [(6, 1, 30)] * 3
