"""Three views of a batch: the leads they show against every lead of every record.

In one process for both; DataLoader workers divide the naive time by their number at best.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightly.data.multi_view_collate import MultiViewCollate
from naive.pipeline import Records
from torch import Tensor
from work import Work

from lcd_plugin.views import MultiLeadViews

PATTERN = "aba"


def test_views(timed: Callable[..., Any], work: Work, side: str) -> None:
    """The views of LCD, ready on the device."""
    signals = work.array()[: work.batch]
    dataset, collate = Records(signals, len(PATTERN)), MultiViewCollate()
    resident, views = torch.from_numpy(signals).to(work.device), MultiLeadViews(PATTERN)

    def naive() -> list[Tensor]:
        made, _, _ = collate([dataset[i] for i in range(work.batch)])
        return [view.to(work.device) for view in made]

    def engine() -> list[Tensor]:
        return views(resident)

    made = timed("views", {"naive": naive, "engine": engine}[side])
    leads = {"naive": work.shape[1], "engine": 1}[side]
    assert [view.shape for view in made] == 3 * [(work.batch, leads, work.shape[2])]
