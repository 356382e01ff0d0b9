"""Reading the batches of an epoch from a file that the system's cache holds.

The engine reads the leads that a step needs; mapped memory is indexed by whole records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from work import Work

from lcd_plugin.pretrain.draws import draw_epoch
from lcd_plugin.pretrain.records import Streamed
from lcd_plugin.views import MultiLeadViews, take_leads


def test_store(timed: Callable[..., Any], work: Work, side: str) -> None:
    """The two leads of LCD for every record, in float16 on the device."""
    device = torch.device(work.device)
    views = MultiLeadViews("aba")
    draws = draw_epoch(views, work.shape[:2], work.batch, seed=0, epoch=1, device=device)

    def naive() -> int:
        signals = np.memmap(work.file, np.float16, mode="r", shape=work.shape)
        read = 0
        for rows, leads in zip(draws.rows, draws.leads, strict=True):
            whole = torch.from_numpy(signals[rows.numpy()])
            read += len(take_leads(whole, leads).to(device))
        return read

    def engine() -> int:
        source = Streamed(work.records(), device)
        with contextlib.closing(source.batches(draws.rows, draws.leads)) as batches:
            return sum(len(batch) for batch in batches)

    read = timed("store", {"naive": naive, "engine": engine}[side])
    assert read == draws.rows.numel()
