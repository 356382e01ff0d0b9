"""Where the records of a pretraining live: on the device, or read ahead of the steps."""

from __future__ import annotations

import logging

import torch

from lcd_plugin.errors import MemoryShortageError
from lcd_plugin.pretrain.memory import available_memory, enough_memory
from lcd_plugin.pretrain.records import Records, Resident, Source, Streamed
from lcd_plugin.pretrain.settings import EngineSettings

log = logging.getLogger(__name__)

# Of the free memory, how much resident records may take; the rest is for the steps.
RESIDENT_SHARE = 0.5


def choose_source(
    records: Records, device: torch.device, engine: EngineSettings, processes: int = 1
) -> Source:
    """Put records where the work is if they fit, or have them read ahead of the steps.

    Args:
        records: the training records.
        device: where the steps compute.
        engine: `records` can force either, `memory_gb` is what resident records may take.
        processes: how many share the memory of a CPU, each with records of its own.

    Raises:
        MemoryShortageError: `resident` was asked for and the records do not fit.
    """
    if engine.records == "stream":
        return Streamed(records, device)
    if engine.records == "auto":
        budget = None if engine.memory_gb is None else engine.memory_gb * 1e9
        if budget is None and (free := available_memory(device)) is not None:
            budget = RESIDENT_SHARE * free / (processes if device.type == "cpu" else 1)
        if budget is not None and records.nbytes > budget:
            return Streamed(records, device)
    try:
        with enough_memory(
            f"{records.nbytes / 1e9:.1f} GB of records do not fit into the memory of the device; "
            f"use --set engine.records=stream, with --retry-failed."
        ):
            return Resident(records, device)
    except MemoryShortageError as error:
        if engine.records == "resident":
            raise
        log.warning("%s Reading them ahead of the steps instead.", error)
        return Streamed(records, device)
