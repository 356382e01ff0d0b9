"""Computing a pretraining cell: from the store to an encoder file, a history and its cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lcd_plugin.bench.datasets import pretrain_rows
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import PretrainCell
from lcd_plugin.bench.results import PretrainResult, SnapshotEntry
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import SIGNALS, Store
from lcd_plugin.encoders import create_encoder, load_encoder, network_settings, save_encoder
from lcd_plugin.files import write_whole
from lcd_plugin.methods.add_ons import build_method
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import PretrainOutcome, Report, Snapshot, Stop
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.snapshots import snapshot_epochs

ENCODER = "encoder.safetensors"
# State of a pretraining that is under way.
CHECKPOINT = "checkpoint.safetensors"


def compute_pretraining(
    cell: PretrainCell,
    plan: Plan,
    device: torch.device,
    folder: Path,
    report: Report,
    stop: Stop,
) -> tuple[PretrainResult, dict[str, bytes]]:
    """Train the method of a cell.

    Args:
        cell: the cell.
        plan: the plan that it is from.
        device: where to train.
        folder: of the cell; checkpoints and snapshots are written there on the way.
        report: called after each epoch.
        stop: whether to write a checkpoint and end.

    Returns:
        The result and its files by name.
    """
    setup = plan.setups[cell.recipe]
    store, planned = setup.stores[cell.dataset], setup.methods[cell.method]
    suite, trained = setup.suite, planned.spec.kind == "pretraining"
    encoder, data = suite.encoder(cell.encoder), store.manifest.data
    settings = network_settings(encoder.name, encoder.settings, len(data.leads))
    encoder_file = _encoder_file(cell, encoder.name, settings, data)

    def keep(snapshot: Snapshot) -> None:
        # At once, since a pretraining that goes on from a checkpoint does not come by here again.
        entry = _entry(snapshot)
        content = encoder_file(snapshot.encoder, snapshot=entry.model_dump())
        write_whole(folder / entry.file, content)

    outcome = pretrain(
        partial(_build, planned.method_class, planned.config, encoder.name, settings),
        _records(store, pretrain_rows(store, suite)),
        suite.pretrain,
        suite.views,
        seed=cell.seed,
        device=device,
        precision=plan.precision,
        train=trained,
        engine=suite.engine,
        checkpoint=folder / CHECKPOINT,
        progress=report,
        snapshots=suite.snapshots,
        keep=keep,
        stop=stop,
    )
    kept = _kept(folder, suite.snapshots, suite.pretrain.epochs) if trained else {}
    files = {ENCODER: encoder_file(outcome.encoder), "history.csv": _csv(outcome.history)}
    files |= {name: content for name, (_, content) in kept.items()}
    return _result(cell, outcome, tuple(entry for entry, _ in kept.values())), files


def _records(store: Store, rows: NDArray[np.int64]) -> Records:
    patients = np.unique(store.table["patient"].iloc[rows], return_inverse=True)[1]
    return Records(store.path / SIGNALS, store.signals.shape, rows, patients)


def _encoder_file(
    cell: PretrainCell, encoder: str, settings: dict[str, Any], data: DataSettings
) -> Callable[..., bytes]:
    """Makes encoder files that say what the weights need to be used again."""
    return partial(
        save_encoder,
        name=encoder,
        settings=settings,
        method=cell.method,
        dataset=cell.dataset,
        rate=data.rate,
        seconds=data.seconds,
        leads=list(data.leads),
        normalisation=data.normalisation,
    )


def _result(
    cell: PretrainCell, outcome: PretrainOutcome, snapshots: tuple[SnapshotEntry, ...]
) -> PretrainResult:
    return PretrainResult(
        key=cell.key,
        identity=cell.identity,
        phases=outcome.phases,
        updates=outcome.updates,
        records_per_s=outcome.records_per_s,
        data_wait_share=outcome.data_wait_share,
        peak_memory_mb=outcome.peak_memory_mb,
        final_loss=outcome.history[-1]["loss"] if outcome.history else None,
        engine=asdict(outcome.how),
        snapshots=snapshots,
    )


def snapshot_file(share: float) -> str:
    """Name of the encoder file that was taken at a share of the budget."""
    return f"snapshot-{share:g}.safetensors"


def _entry(snapshot: Snapshot) -> SnapshotEntry:
    return SnapshotEntry(
        share=snapshot.share,
        epoch=snapshot.epoch,
        updates=snapshot.updates,
        records=snapshot.records,
        seconds=snapshot.seconds,
        file=snapshot_file(snapshot.share),
    )


def _kept(
    folder: Path, shares: tuple[float, ...], epochs: int
) -> dict[str, tuple[SnapshotEntry, bytes]]:
    """Snapshots with what they say of themselves; some may be of before a restart."""
    found = {}
    for share in snapshot_epochs(shares, epochs).values():
        path = folder / snapshot_file(share)
        entry = SnapshotEntry.model_validate(load_encoder(path).notes["snapshot"])
        found[path.name] = entry, path.read_bytes()
    return found


def _build(
    method: type[Method], config: MethodConfig, encoder: str, settings: dict[str, Any]
) -> Method:
    return build_method(method, create_encoder(encoder, **settings), config)


def _csv(rows: list[dict[str, int | float]]) -> bytes:
    if not rows:
        return b""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
