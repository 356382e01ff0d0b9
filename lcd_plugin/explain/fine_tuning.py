"""Fine-tuning an encoder as the benchmark does, and keeping the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from lcd_plugin.data.cohort import SPLITS
from lcd_plugin.data.store import TaskEntry
from lcd_plugin.encoders import load_encoder
from lcd_plugin.evaluate.label_subsets import label_subset
from lcd_plugin.evaluate.metrics import macro, per_class
from lcd_plugin.evaluate.protocols.base import Part, Subset, Work
from lcd_plugin.evaluate.protocols.finetune import PROTOCOL, train_on
from lcd_plugin.explain.model_file import (
    FineTuned,
    ModelHeader,
    as_classifier,
    encoder_header,
    fresh_encoder,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Split, Task
    from lcd_plugin.data.store import Labels, Store
    from lcd_plugin.encoders import RecordEncoder
    from lcd_plugin.evaluate.protocols.base import Prediction
    from lcd_plugin.evaluate.settings import FinetuneSettings

SCRATCH = "from scratch"


@dataclass(frozen=True)
class Start:
    """What a fine-tuning begins with.

    Attributes:
        name: what the model will be called.
        encoder: name of the encoder.
        settings: its settings.
        weights: SHA-256 of the pretrained file, or "" for random weights.
        make: gives the encoder with its weights.
    """

    name: str
    encoder: str
    settings: dict[str, Any]
    weights: str
    make: Callable[[], RecordEncoder]

    @classmethod
    def pretrained(cls, path: Path) -> Start:
        """From an encoder file; named by its method, or else its file."""
        header = encoder_header(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name = str(header.notes.get("method", path.stem))
        return cls(name, header.encoder, header.settings, digest, lambda: load_encoder(path))

    @classmethod
    def scratch(cls, encoder: str, settings: dict[str, Any], seed: int) -> Start:
        """From the random weights of a seed."""
        return cls(SCRATCH, encoder, settings, "", lambda: fresh_encoder(encoder, settings, seed))


@dataclass(frozen=True)
class Recipe:
    """How models are fine-tuned, one like another.

    Attributes:
        store: prepared records.
        task: that is learned.
        label_fraction: share of the labelled training records that may be used.
        seed: of the label subset, the weights, dropout and the order of records.
        settings: of the benchmark's fine-tuning.
        device: where to train.
        precision: of forward and backward passes.
    """

    store: Store
    task: Task
    label_fraction: float
    seed: int
    settings: FinetuneSettings
    device: torch.device
    precision: Literal["fp32", "bf16"]


def fine_tune(start: Start, recipe: Recipe) -> FineTuned:
    """Train an encoder with a classifier on the labels of a fraction, as `lcd-bench run` does.

    Split, label subset, updates and the choice of the epoch are those of the protocol `finetune`.

    Raises:
        ConfigError: the fraction leaves a class without a record.
        FloatingPointError: the validation loss is no longer finite.
    """
    parts = {split: recipe.store.labels(recipe.task, split) for split in SPLITS}
    settings = recipe.settings
    if not start.weights:
        # Training from scratch trains all layers at one rate, as the supervised baseline does.
        settings = settings.model_copy(update={"layer_decay": 1.0})
    train = parts["train"]
    labelled = label_subset(
        train.targets[train.first], recipe.label_fraction, recipe.seed, recipe.task.classes
    )
    work = _work(start, recipe, parts, train.windows_of(labelled))
    prediction, trained = train_on(work, work.subsets[0], settings)
    model = as_classifier(trained.encoder, trained.classifier)
    training = {
        "protocol": PROTOCOL.name,
        "protocol_version": PROTOCOL.version,
        "settings": settings.model_dump(mode="json"),
        "precision": recipe.precision,
        "pretrained_sha256": start.weights,
        "label_fraction": recipe.label_fraction,
        "n_labels": len(labelled),
        "seed": recipe.seed,
        "test_auroc": _auroc(parts["test"], prediction),
        **prediction.chosen,
    }
    return FineTuned(_header(start, recipe, training), model, _seen(recipe.store))


def _work(
    start: Start, recipe: Recipe, parts: dict[Split, Labels], rows: NDArray[np.int64]
) -> Work:
    """The parts of a task, with one subset of the training part."""
    signals = recipe.store.signals
    read = {split: Part(signals[parts[split].rows], parts[split].targets) for split in SPLITS[:2]}
    return Work(
        encoder=start.make(),
        train=read["train"],
        validation=read["validation"],
        test_inputs=signals[parts["test"].rows],
        kind=recipe.task.kind,
        subsets=(Subset(rows, recipe.seed),),
        device=recipe.device,
        precision=recipe.precision,
    )


def _header(start: Start, recipe: Recipe, training: dict[str, Any]) -> ModelHeader:
    task, manifest = recipe.task, recipe.store.manifest
    return ModelHeader(
        name=start.name,
        encoder=start.encoder,
        settings=start.settings,
        data=manifest.data,
        dataset=manifest.dataset,
        fingerprint=manifest.fingerprint,
        task=TaskEntry(name=task.name, classes=task.classes, kind=task.kind),
        training=training,
    )


def _auroc(test: Labels, prediction: Prediction) -> float | None:
    """Macro AUROC of the test part, None where it has no class to score."""
    scores = test.mean_of_windows(prediction.test)
    found = float(macro(per_class("auroc", test.targets[test.first], scores)[0]))
    return found if found == found else None


def _seen(store: Store) -> dict[str, frozenset[str]]:
    table = store.table
    return {
        part: frozenset(table.loc[table["split"] == part, "content"])
        for part in ("train", "validation")
    }
