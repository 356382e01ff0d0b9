"""Computing evaluation cells: the encoder read once, scored with all of its label subsets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lcd_plugin.bench.lead_subsets import leads_of
from lcd_plugin.bench.plan import Plan, Setup
from lcd_plugin.bench.planned import EvaluateCell, protocol_of
from lcd_plugin.bench.pretraining import ENCODER, snapshot_file
from lcd_plugin.bench.results import EvaluateResult, pack_arrays
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Labels, Store
from lcd_plugin.encoders import LeadwiseEncoder, create_encoder, load_encoder
from lcd_plugin.evaluate.features import extract_features, extract_tokens
from lcd_plugin.evaluate.label_subsets import label_subset
from lcd_plugin.evaluate.metrics import METRICS, choose_thresholds, macro, per_class
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Protocol, Subset, Work
from lcd_plugin.timing import Phases

Computed = tuple[EvaluateCell, EvaluateResult, dict[str, bytes]]
Parts = dict[str, Labels]


class Evaluator:
    """Evaluations one group after another; what was read of an encoder's records is kept.

    Args:
        plan: the plan that the cells are from.
        pretrained: folder with one folder a pretraining.
        device: where to compute.
    """

    def __init__(self, plan: Plan, pretrained: Path, device: torch.device) -> None:
        self._plan = plan
        self._pretrained = pretrained
        self._device = device
        self._kept: tuple[tuple[Any, ...], NDArray[Any]] | None = None

    def compute(self, cells: Sequence[EvaluateCell]) -> Iterator[Computed]:
        """Score an encoder with several label subsets; each score as soon as it is there.

        Args:
            cells: of one group (`EvaluateCell.group`).

        Yields:
            Each cell with its result and its files by name.
        """
        first = cells[0]
        setup = self._plan.setups[first.recipe]
        store = setup.stores[first.dataset]
        task = next(t for t in setup.tasks[first.dataset] if t.name == first.task)
        protocol, settings = protocol_of(first.protocol, setup.suite)
        parts: Parts = {s: store.labels(task, s) for s in ("train", "validation", "test")}
        phases = Phases()
        with phases.phase("read"):
            work, n_labels = self._work(cells, setup, store, task, parts, protocol)
        start = time.perf_counter()
        for cell, n, prediction in zip(
            cells, n_labels, protocol.predict(work, settings), strict=True
        ):
            # Reading is counted once, with the first; so is what a protocol solves for all at once.
            seconds = {**phases.seconds, "fit": time.perf_counter() - start}
            result, files = _scored(cell, task, parts, n, prediction, seconds)
            yield cell, result, files
            phases, start = Phases(), time.perf_counter()

    def _work(
        self,
        cells: Sequence[EvaluateCell],
        setup: Setup,
        store: Store,
        task: Task,
        parts: Parts,
        protocol: Protocol,
    ) -> tuple[Work, list[int]]:
        first, train = cells[0], parts["train"]
        encoder = self._encoder(first, setup)
        leads = leads_of(first.leads, store.manifest.data.leads)
        inputs = self._inputs(first, protocol, encoder, store)
        read = {s: _shown(inputs, labels.rows, leads, protocol) for s, labels in parts.items()}
        targets = train.targets[train.first]
        chosen = [
            label_subset(targets, cell.label_fraction, cell.label_seed, task.classes)
            for cell in cells
        ]
        work = Work(
            encoder=encoder,
            train=Part(read["train"], train.targets),
            validation=Part(read["validation"], parts["validation"].targets),
            test_inputs=read["test"],
            kind=task.kind,
            subsets=tuple(Subset(train.windows_of(rows), first.seed) for rows in chosen),
            device=self._device,
            precision=self._plan.precision,
        )
        return work, [len(rows) for rows in chosen]

    def _encoder(self, cell: EvaluateCell, setup: Setup) -> LeadwiseEncoder:
        if cell.pretrain_key is not None:
            name = ENCODER if cell.snapshot is None else snapshot_file(cell.snapshot)
            return load_encoder(self._pretrained / cell.pretrain_key / name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            settings = setup.suite.settings.get(cell.encoder, {})
            return LeadwiseEncoder(create_encoder(cell.encoder, **settings)).eval()

    def _inputs(
        self, cell: EvaluateCell, protocol: Protocol, encoder: LeadwiseEncoder, store: Store
    ) -> NDArray[Any]:
        """What a protocol reads of all records and prepared leads: (records, leads, ...)."""
        if protocol.reads == "signals":
            return store.signals
        assert cell.pretrain_key is not None, "only trained or calibrated encoders are probed"
        wanted = (cell.pretrain_key, cell.snapshot, store.manifest.fingerprint, protocol.reads)
        if self._kept is None or self._kept[0] != wanted:
            self._kept = None  # the old ones need not lie beside the new ones
            if protocol.reads == "tokens":
                read: NDArray[Any] = extract_tokens(encoder, store.signals, self._device)
            else:
                features = extract_features(encoder, store.signals, self._device)
                read = features.reshape(len(features), store.signals.shape[1], -1)
            self._kept = wanted, read
        return self._kept[1]


def _shown(
    inputs: NDArray[Any], rows: NDArray[np.int64], leads: list[int], protocol: Protocol
) -> NDArray[Any]:
    """The inputs of some rows, with the leads that the encoder is shown."""
    shown = inputs[rows] if leads == list(range(inputs.shape[1])) else inputs[rows][:, leads]
    return shown.reshape(len(shown), -1) if protocol.reads == "features" else shown


def _scored(
    cell: EvaluateCell,
    task: Task,
    parts: Parts,
    n_labels: int,
    prediction: Prediction,
    seconds: dict[str, float],
) -> tuple[EvaluateResult, dict[str, bytes]]:
    validation, test = parts["validation"], parts["test"]
    # A record that was cut into windows has one score: their mean.
    truth, seen = validation.targets[validation.first], test.targets[test.first]
    validation_scores = validation.mean_of_windows(prediction.validation)
    scores = test.mean_of_windows(prediction.test)
    thresholds = choose_thresholds(truth, validation_scores)
    by_class = {m: per_class(m, seen, scores, thresholds, None)[0] for m in METRICS}
    chosen_on = {
        m: float(macro(per_class(m, truth, validation_scores, thresholds, None)[0]))
        for m in METRICS
    }
    result = EvaluateResult(
        key=cell.key,
        identity=cell.identity,
        phases=seconds,
        n_labels=n_labels,
        n_validation=len(validation.first),
        n_test=len(test.first),
        classes=task.classes,
        macro={metric: float(macro(values)) for metric, values in by_class.items()},
        # A few validation records can choose, and yet have no class that can be scored.
        validation_macro={m: v for m, v in chosen_on.items() if not np.isnan(v)},
        per_class={
            metric: tuple(None if np.isnan(v) else float(v) for v in values)
            for metric, values in by_class.items()
        },
        chosen=prediction.chosen,
    )
    predictions = pack_arrays(
        rows=test.rows[test.first],
        patients=test.patients[test.first],
        targets=seen,
        scores=scores,
        thresholds=thresholds,
    )
    return result, {"predictions.npz": predictions}
