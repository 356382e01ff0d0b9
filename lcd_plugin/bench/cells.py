"""Computing one cell: a pretraining or an evaluation, from the store to its files."""

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
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.results import EvaluateResult, PretrainResult, pack_arrays
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import SIGNALS, Labels, Store
from lcd_plugin.encoders import LeadwiseEncoder, create_encoder, load_encoder, save_encoder
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.evaluate.finetune import Part, finetune
from lcd_plugin.evaluate.knn import knn_probe
from lcd_plugin.evaluate.label_subsets import label_subset
from lcd_plugin.evaluate.linear import linear_probe
from lcd_plugin.evaluate.metrics import METRICS, choose_thresholds, macro, per_class
from lcd_plugin.evaluate.protocols import Prediction
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.records import Records
from lcd_plugin.timing import Phases

Report = Callable[[str], None]
Computed = tuple[Any, dict[str, bytes]]
Parts = dict[str, Labels]


def compute_pretraining(
    cell: PretrainCell, plan: Plan, device: torch.device, checkpoint: Path, report: Report
) -> tuple[PretrainResult, dict[str, bytes]]:
    """Train the method of a cell; the result and its files by name."""
    store, planned = plan.stores[cell.dataset], plan.methods[cell.method]
    settings = plan.suite.settings.get(cell.encoder, {})
    outcome = pretrain(
        partial(_build, planned.method_class, planned.config, cell.encoder, settings),
        Records(store.path / SIGNALS, store.signals.shape, pretrain_rows(store, plan.suite)),
        plan.suite.pretrain,
        plan.suite.views,
        seed=cell.seed,
        device=device,
        precision=plan.precision,
        train=planned.spec.kind == "pretraining",
        engine=plan.suite.engine,
        checkpoint=checkpoint,
        progress=lambda epoch, epochs, loss: report(f"epoch {epoch}/{epochs}, loss {loss:.4f}"),
    )
    data = store.manifest.data
    weights = save_encoder(
        outcome.encoder,
        cell.encoder,
        settings,
        method=cell.method,
        dataset=cell.dataset,
        rate=data.rate,
        seconds=data.seconds,
        leads=list(data.leads),
        normalisation=data.normalisation,
    )
    result = PretrainResult(
        key=cell.key,
        identity=cell.identity,
        phases=outcome.phases,
        updates=outcome.updates,
        records_per_s=outcome.records_per_s,
        data_wait_share=outcome.data_wait_share,
        peak_memory_mb=outcome.peak_memory_mb,
        final_loss=outcome.history[-1]["loss"] if outcome.history else None,
        engine=asdict(outcome.how),
    )
    return result, {"encoder.safetensors": weights, "history.csv": _csv(outcome.history)}


def _build(
    method: type[Method], config: MethodConfig, encoder: str, settings: dict[str, Any]
) -> Method:
    return method(create_encoder(encoder, **settings), config)


class Evaluator:
    """Evaluations one after another; an encoder's features of a dataset are kept.

    Args:
        plan: the plan that the cells are from.
        pretrained: folder with one folder a pretraining.
        device: where to compute.
    """

    def __init__(self, plan: Plan, pretrained: Path, device: torch.device) -> None:
        self._plan = plan
        self._pretrained = pretrained
        self._device = device
        self._kept: tuple[tuple[str, str], NDArray[np.float32]] | None = None

    def compute(self, cell: EvaluateCell) -> tuple[EvaluateResult, dict[str, bytes]]:
        """Score the encoder of a cell; the result and its files by name."""
        store = self._plan.stores[cell.dataset]
        task = next(t for t in self._plan.tasks[cell.dataset] if t.name == cell.task)
        parts: Parts = {s: store.labels(task, s) for s in ("train", "validation", "test")}
        train = parts["train"]
        targets = train.targets[train.first]
        labelled = label_subset(targets, cell.label_fraction, cell.seed, task.classes)
        chosen = train.windows_of(labelled)
        phases = Phases()
        if cell.protocol in ("finetune", "scratch"):
            with phases.phase("train"):
                prediction = self._train(cell, store, task, parts, chosen)
        else:
            with phases.phase("features"):
                features = self._features(cell, store)
            with phases.phase("fit"):
                prediction = self._probe(cell, task, features, parts, chosen)
        return _scored(cell, task, parts, len(labelled), prediction, phases)

    def _encoder(self, cell: EvaluateCell) -> LeadwiseEncoder:
        if cell.pretrain_key is not None:
            return load_encoder(self._pretrained / cell.pretrain_key / "encoder.safetensors")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            settings = self._plan.suite.settings.get(cell.encoder, {})
            return LeadwiseEncoder(create_encoder(cell.encoder, **settings))

    def _features(self, cell: EvaluateCell, store: Store) -> NDArray[np.float32]:
        assert cell.pretrain_key is not None, "only trained or calibrated encoders are probed"
        wanted = cell.pretrain_key, cell.dataset
        if self._kept is None or self._kept[0] != wanted:
            self._kept = None  # the old features need not lie beside the new ones
            features = extract_features(self._encoder(cell), store.signals, self._device)
            self._kept = wanted, features
        return self._kept[1]

    def _probe(
        self,
        cell: EvaluateCell,
        task: Task,
        features: NDArray[np.float32],
        parts: Parts,
        chosen: NDArray[np.int64],
    ) -> Prediction:
        train, validation, test = parts["train"], parts["validation"], parts["test"]
        arguments = (
            (features[train.rows[chosen]], train.targets[chosen]),
            (features[validation.rows], validation.targets),
            features[test.rows],
            task.kind,
        )
        if cell.protocol == "knn":
            return knn_probe(*arguments, self._plan.suite.knn)
        return linear_probe(*arguments, self._plan.suite.linear)

    def _train(
        self, cell: EvaluateCell, store: Store, task: Task, parts: Parts, chosen: NDArray[np.int64]
    ) -> Prediction:
        train, validation, test = parts["train"], parts["validation"], parts["test"]
        return finetune(
            self._encoder(cell),
            Part(store.signals[train.rows[chosen]], train.targets[chosen]),
            Part(store.signals[validation.rows], validation.targets),
            store.signals[test.rows],
            task.kind,
            self._plan.suite.finetune,
            passes_of=len(train.rows),
            seed=cell.seed,
            device=self._device,
            precision=self._plan.precision,
        )


def _scored(
    cell: EvaluateCell,
    task: Task,
    parts: Parts,
    n_labels: int,
    prediction: Prediction,
    phases: Phases,
) -> tuple[EvaluateResult, dict[str, bytes]]:
    validation, test = parts["validation"], parts["test"]
    # A record that was cut into windows has one score: their mean.
    thresholds = choose_thresholds(
        validation.targets[validation.first], validation.mean_of_windows(prediction.validation)
    )
    targets, scores = test.targets[test.first], test.mean_of_windows(prediction.test)
    once = np.ones((1, len(targets)))
    by_class = {
        metric: per_class(metric, targets, scores, thresholds, once)[0] for metric in METRICS
    }
    result = EvaluateResult(
        key=cell.key,
        identity=cell.identity,
        phases=phases.seconds,
        n_labels=n_labels,
        n_validation=len(validation.first),
        n_test=len(test.first),
        classes=task.classes,
        macro={metric: float(macro(values)) for metric, values in by_class.items()},
        per_class={
            metric: tuple(None if np.isnan(v) else float(v) for v in values)
            for metric, values in by_class.items()
        },
        chosen=prediction.chosen,
    )
    predictions = pack_arrays(
        rows=test.rows[test.first],
        patients=test.patients[test.first],
        targets=targets,
        scores=scores,
        thresholds=thresholds,
    )
    return result, {"predictions.npz": predictions}


def _csv(rows: list[dict[str, int | float]]) -> bytes:
    if not rows:
        return b""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
