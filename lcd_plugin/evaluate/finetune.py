"""Training an encoder with a linear classifier on labels: fine-tuning, or from scratch."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.evaluate.protocols import Prediction, TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.settings import FinetuneSettings

INFERENCE_BATCH = 64


@dataclass(frozen=True)
class Part:
    """Records of one part: signals (records, leads, time) and targets (records, classes)."""

    signals: NDArray[np.float16]
    targets: NDArray[np.int8]


def finetune(
    encoder: nn.Module,
    train: Part,
    validation: Part,
    test_signals: NDArray[np.float16],
    kind: TaskKind,
    settings: FinetuneSettings,
    *,
    passes_of: int,
    seed: int,
    device: torch.device,
    precision: Literal["fp32", "bf16"],
) -> Prediction:
    """Train everything, stop by validation loss, score the test with the best state.

    Args:
        encoder: maps (batch, leads, time) to (batch, features); left as it was.
        train: the labelled training records of a fraction.
        validation: chooses the epoch.
        test_signals: scored once at the end; their labels are not seen here.
        kind: kind of the task.
        settings: budget and optimiser.
        passes_of: number of records that a pass counts; that of all labelled training records, so
            that every fraction gets as many updates.
        seed: of the classifier's weights and the order of records.
        device: where to train.
        precision: of the forward and backward pass.

    Raises:
        FloatingPointError: the validation loss is no longer finite.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        trainer = _Trainer(_Classifier(encoder, train).to(device), settings, kind, precision)
        chosen = _fit(trainer, train, validation, settings, passes_of, seed)
    return Prediction(
        trainer.probabilities(validation.signals), trainer.probabilities(test_signals), chosen
    )


def _fit(
    trainer: _Trainer,
    train: Part,
    validation: Part,
    settings: FinetuneSettings,
    passes_of: int,
    seed: int,
) -> dict[str, Any]:
    """Train until validation no longer gains, and go back to the best state."""
    order = torch.Generator().manual_seed(seed)
    batch = min(settings.batch_size, len(train.signals))
    steps = max(1, passes_of // settings.batch_size)
    best = (float("inf"), 0, trainer.model.state_dict())
    for epoch in range(1, settings.epochs + 1):
        trainer.epoch(train, _batches(len(train.signals), batch, steps, order))
        loss = trainer.loss_of(validation)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss} in epoch {epoch}; try a smaller learning rate"
            )
        if loss < best[0]:
            best = (loss, epoch, copy.deepcopy(trainer.model.state_dict()))
        elif epoch - best[1] >= settings.patience:
            break
    trainer.model.load_state_dict(best[2])
    return {"epoch": best[1], "validation_log_loss": best[0]}


class _Classifier(nn.Module):
    def __init__(self, encoder: nn.Module, example: Part) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).cpu().eval()
        # How many features a record has depends on its leads and on how the encoder reads them.
        with torch.no_grad():
            features = self.encoder(torch.from_numpy(np.array(example.signals[:1])).float())
        self.classifier = nn.Linear(features.shape[1], example.targets.shape[1])

    def forward(self, signals: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.encoder(signals))
        return scores


class _Trainer:
    """A model with its optimiser and loss on a device."""

    def __init__(
        self,
        model: nn.Module,
        settings: FinetuneSettings,
        kind: TaskKind,
        precision: Literal["fp32", "bf16"],
    ) -> None:
        self.model = model
        self.kind = kind
        self.device = next(model.parameters()).device
        self.bf16 = precision == "bf16"
        self.optimiser = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def epoch(self, train: Part, batches: list[Tensor]) -> None:
        self.model.train()
        for rows in batches:
            signals = self._tensor(train.signals[rows.numpy()])
            targets = self._tensor(train.targets[rows.numpy()])
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                scores = self.model(signals)
            self._loss(scores.float(), targets).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.optimiser.zero_grad()

    @torch.inference_mode()
    def loss_of(self, part: Part) -> float:
        return float(self._loss(self._scores(part.signals), self._tensor(part.targets)))

    def probabilities(self, signals: NDArray[np.float16]) -> NDArray[np.float32]:
        scores = self._scores(signals)
        single = self.kind == "single-label"
        probabilities: Any = scores.softmax(dim=1) if single else scores.sigmoid()
        result: NDArray[np.float32] = probabilities.cpu().numpy()
        return result

    @torch.inference_mode()
    def _scores(self, signals: NDArray[np.float16]) -> Tensor:
        self.model.eval()
        parts = range(0, len(signals), INFERENCE_BATCH)
        scores = [self.model(self._tensor(signals[i : i + INFERENCE_BATCH])) for i in parts]
        return torch.cat(scores)

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        if self.kind == "single-label":
            return F.cross_entropy(scores, targets.argmax(dim=1))
        return F.binary_cross_entropy_with_logits(scores, targets)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device).float()


def _batches(records: int, batch: int, steps: int, order: torch.Generator) -> list[Tensor]:
    """Batches for one pass: shuffled records, over again where the fraction is small."""
    per_pass = records // batch
    passes = -(-steps // per_pass)
    rows = [torch.randperm(records, generator=order)[: per_pass * batch] for _ in range(passes)]
    return list(torch.split(torch.cat(rows), batch))[:steps]
