"""Computing evaluation cells: the encoder read once, scored with all of its label subsets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from lcd_plugin.bench.suite import ALL_LEADS
from lcd_plugin.data.cohort import SPLITS, Task
from lcd_plugin.data.store import Labels, Store
from lcd_plugin.encoders import (
    JointEncoder,
    RecordEncoder,
    create_encoder,
    load_encoder,
    network_settings,
    read_leads,
)
from lcd_plugin.evaluate.features import extract_features, extract_tokens
from lcd_plugin.evaluate.label_subsets import cut, label_order
from lcd_plugin.evaluate.metrics import METRICS, choose_thresholds, macro, per_class
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Protocol, Subset, Work

Computed = tuple[EvaluateCell, EvaluateResult, dict[str, bytes]]
Parts = dict[str, Labels]


@dataclass(frozen=True)
class Exam:
    """Cells of one group, with all that their scores are made from."""

    cells: Sequence[EvaluateCell]
    task: Task
    parts: Parts
    work: Work
    n_labels: list[int]
    read_s: float


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
        # Of one encoder and dataset; by what the encoder was shown.
        self._kept_of: tuple[Any, ...] = ()
        self._kept: dict[str, tuple[NDArray[np.int64], NDArray[Any]]] = {}
        self._orders: dict[tuple[str, str, int], NDArray[np.int64]] = {}

    def forget(self) -> None:
        """Free what was read: a pretraining needs the memory."""
        self._kept = {}

    def prepare(self, cells: Sequence[EvaluateCell]) -> Exam:
        """Read an encoder's records; what fails here fails for all of the cells.

        Args:
            cells: of one group (`EvaluateCell.group`).

        Raises:
            ConfigError: the encoder cannot be read in the way that the protocol needs.
            DataError: the encoder's file cannot be read.
            FloatingPointError: a feature is not finite.
        """
        start = time.perf_counter()
        first = cells[0]
        setup = self._plan.setups[first.recipe]
        store = setup.stores[first.dataset]
        task = next(t for t in setup.tasks[first.dataset] if t.name == first.task)
        protocol, _ = protocol_of(first.protocol, setup.suite)
        parts: Parts = {s: store.labels(task, s) for s in SPLITS}
        encoder = self._encoder(first, setup, store)
        shown = leads_of(first.leads, store.manifest.data.leads)
        leads: list[int] | None = shown
        if isinstance(encoder, JointEncoder):
            # It always reads all leads: those that it is not shown are zero.
            encoder, leads = encoder.showing(shown), None
        rows, inputs = self._inputs(
            first, protocol, encoder, store, setup.tasks[first.dataset], leads
        )
        read = {
            split: _shown(inputs, np.searchsorted(rows, labels.rows), leads, protocol)
            for split, labels in parts.items()
        }
        subsets = [self._subset(cell, store, task, parts["train"]) for cell in cells]
        work = Work(
            encoder=encoder,
            train=Part(read["train"], parts["train"].targets),
            validation=Part(read["validation"], parts["validation"].targets),
            test_inputs=read["test"],
            kind=task.kind,
            subsets=tuple(
                Subset(parts["train"].windows_of(labelled), first.seed) for labelled in subsets
            ),
            device=self._device,
            precision=self._plan.precision,
        )
        sizes = [len(labelled) for labelled in subsets]
        return Exam(cells, task, parts, work, sizes, time.perf_counter() - start)

    def compute(self, exam: Exam) -> Iterator[Computed]:
        """Score the encoder with each label subset.

        Yields:
            Each cell with its result and its files by name, as soon as it is there.
        """
        first = exam.cells[0]
        protocol, settings = protocol_of(first.protocol, self._plan.setups[first.recipe].suite)
        seconds, start = {"read": exam.read_s}, time.perf_counter()
        predictions = protocol.predict(exam.work, settings)
        for cell, n, prediction in zip(exam.cells, exam.n_labels, predictions, strict=True):
            # Reading is counted once, with the first; so is what a protocol solves for all at once.
            seconds["fit"] = time.perf_counter() - start
            result, files = _scored(cell, exam.task, exam.parts, n, prediction, seconds)
            yield cell, result, files
            seconds, start = {}, time.perf_counter()

    def _subset(
        self, cell: EvaluateCell, store: Store, task: Task, train: Labels
    ) -> NDArray[np.int64]:
        targets = train.targets[train.first]
        which = store.manifest.fingerprint, task.name, cell.label_seed
        if which not in self._orders:
            self._orders[which] = label_order(targets, cell.label_seed)
        return cut(targets, self._orders[which], cell.label_fraction, task.classes)

    def _encoder(self, cell: EvaluateCell, setup: Setup, store: Store) -> RecordEncoder:
        if cell.pretrain_key is not None:
            name = ENCODER if cell.snapshot is None else snapshot_file(cell.snapshot)
            return load_encoder(self._pretrained / cell.pretrain_key / name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            choice = setup.suite.encoder(cell.encoder)
            n_leads = len(store.manifest.data.leads)
            settings = network_settings(choice.name, choice.settings, n_leads)
            return read_leads(create_encoder(choice.name, **settings)).eval()

    def _inputs(
        self,
        cell: EvaluateCell,
        protocol: Protocol,
        encoder: RecordEncoder,
        store: Store,
        tasks: tuple[Task, ...],
        leads: list[int] | None,
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Rows with a label in any of the tasks, and what a protocol reads of them.

        That is of all leads one by one, or, with `leads` None, of all leads at once.
        """
        if protocol.reads == "signals":
            return np.arange(len(store.signals)), store.signals
        assert cell.pretrain_key is not None, "only trained or calibrated encoders are probed"
        wanted = (cell.pretrain_key, cell.snapshot, store.manifest.fingerprint, protocol.reads)
        if self._kept_of != wanted:
            # The old ones need not lie beside the new ones.
            self._kept_of, self._kept = wanted, {}
        shown = cell.leads if leads is None else ALL_LEADS
        if shown not in self._kept:
            labelled = [store.labels(task, split).rows for task in tasks for split in SPLITS]
            rows = np.unique(np.concatenate(labelled))
            if protocol.reads == "tokens":
                read: NDArray[Any] = extract_tokens(encoder, store.signals, self._device, rows)
            else:
                features = extract_features(encoder, store.signals, self._device, rows)
                parts = 1 if leads is None else store.signals.shape[1]
                read = features.reshape(len(features), parts, -1)
            self._kept[shown] = rows, read
        return self._kept[shown]


def _shown(
    inputs: NDArray[Any], places: NDArray[np.intp], leads: list[int] | None, protocol: Protocol
) -> NDArray[Any]:
    """The inputs of some records: of these leads, or all that there is."""
    every = leads is None or leads == list(range(inputs.shape[1]))
    shown: NDArray[Any] = inputs[places] if every else inputs[places[:, None], leads]
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
