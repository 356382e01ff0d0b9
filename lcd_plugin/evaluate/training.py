"""Training on the labels of one subset: shuffled batches, the best epoch by validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.evaluate.protocols.base import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.protocols.base import Subset, Work

INFERENCE_BATCH = 64

# Makes a fresh model on the device, and the optimiser of its parameters.
Start = Callable[[], tuple[nn.Module, torch.optim.Optimizer]]


@dataclass(frozen=True)
class Budget:
    """How long to train, and in what steps.

    Attributes:
        epochs: after each, validation looks at the model.
        rows: that an epoch goes over; more than the subset has is the subset over again.
        batch_size: rows of an update, at most; batches are of nearly equal size, since one of a few
            left-over rows would have batch-norm statistics of its own.
        patience: epochs without a better validation loss after which training stops; None does not
            stop.
    """

    epochs: int
    rows: int
    batch_size: int
    patience: int | None = None


def train_and_score(
    work: Work,
    subset: Subset,
    start: Start,
    budget: Budget,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> Prediction:
    """Train on a subset, go back to the epoch with the best validation loss, score both parts.

    Args:
        work: the parts and the kind of the task.
        subset: what to train on; its seed is that of weights, dropout and the order of rows.
        start: called once, with torch's global random state seeded.
        budget: length of the training.
        precision: of forward and backward passes.

    Raises:
        FloatingPointError: the validation loss is no longer finite.
    """
    with torch.random.fork_rng(devices=[work.device] if work.device.type == "cuda" else []):
        torch.manual_seed(subset.seed)
        model, optimiser = start()
        trainer = _Trainer(work, subset, model, optimiser, bf16=precision == "bf16")
        chosen = _fit(trainer, subset, budget)
    return Prediction(
        trainer.probabilities(work.validation.inputs),
        trainer.probabilities(work.test_inputs),
        chosen,
    )


def _fit(trainer: _Trainer, subset: Subset, budget: Budget) -> dict[str, Any]:
    """Train, and go back to the best state."""
    order = torch.Generator().manual_seed(subset.seed)
    best = (float("inf"), 0, trainer.model.state_dict())
    for epoch in range(1, budget.epochs + 1):
        trainer.epoch(_batches(len(subset.rows), budget, order))
        loss = trainer.validation_loss()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss} in epoch {epoch}; try a smaller learning rate"
            )
        if loss < best[0]:
            best = (loss, epoch, copy.deepcopy(trainer.model.state_dict()))
        elif budget.patience is not None and epoch - best[1] >= budget.patience:
            break
    trainer.model.load_state_dict(best[2])
    return {"epoch": best[1], "validation_log_loss": best[0]}


def _batches(rows: int, budget: Budget, order: torch.Generator) -> list[Tensor]:
    """Batches of an epoch: shuffled places in the subset, over again where it is small."""
    steps = math.ceil(budget.rows / budget.batch_size)
    per_pass = math.ceil(rows / budget.batch_size)
    batches: list[Tensor] = []
    while len(batches) < steps:
        batches += torch.randperm(rows, generator=order).tensor_split(per_pass)
    return batches[:steps]


class _Trainer:
    """A model with its optimiser and loss on a device."""

    def __init__(
        self,
        work: Work,
        subset: Subset,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        bf16: bool,
    ) -> None:
        self.model = model
        self._work = work
        self._rows = subset.rows
        self._optimiser = optimiser
        self._bf16 = bf16
        self._targets = self._tensor(work.train.targets[subset.rows])
        self._validation_targets = self._tensor(work.validation.targets)

    def epoch(self, batches: list[Tensor]) -> None:
        self.model.train()
        for batch in batches:
            # Batch by batch: all inputs at once may be more than memory or the device holds.
            inputs = self._tensor(self._work.train.inputs[self._rows[batch.numpy()]])
            with torch.autocast(self._work.device.type, dtype=torch.bfloat16, enabled=self._bf16):
                scores = self.model(inputs)
            targets = self._targets[batch.to(self._work.device)]
            self._loss(scores.float(), targets).backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            self._optimiser.zero_grad()

    def validation_loss(self) -> float:
        return float(
            self._loss(self._scores(self._work.validation.inputs), self._validation_targets)
        )

    def probabilities(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        scores = self._scores(inputs)
        single = self._work.kind == "single-label"
        probabilities: Any = scores.softmax(dim=1) if single else scores.sigmoid()
        result: NDArray[np.float32] = probabilities.cpu().numpy()
        return result

    @torch.inference_mode()
    def _scores(self, inputs: NDArray[Any]) -> Tensor:
        self.model.eval()
        starts = range(0, len(inputs), INFERENCE_BATCH)
        return torch.cat(
            [self.model(self._tensor(inputs[i : i + INFERENCE_BATCH])) for i in starts]
        )

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        if self._work.kind == "single-label":
            return F.cross_entropy(scores, targets.argmax(dim=1))
        return F.binary_cross_entropy_with_logits(scores, targets)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        # Torch does not take read-only memory, such as a mapped file: that alone is copied.
        array = np.require(array, requirements=["C", "W"])
        return torch.from_numpy(array).to(self._work.device).float()


class EncoderClassifier(nn.Module):
    """A copy of an encoder with a fresh linear classifier on its features.

    Args:
        work: whose encoder is copied; its task says how many classes there are.
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(work.encoder).cpu().eval()
        # How many features a record has depends on its leads and on how the encoder reads them.
        with torch.no_grad():
            features = self.encoder(torch.from_numpy(np.array(work.train.inputs[:1])).float())
        self.classifier = nn.Linear(features.shape[1], work.train.targets.shape[1])

    def forward(self, signals: Tensor) -> Tensor:
        """Map (batch, leads, time) to scores (batch, classes), before softmax or sigmoid."""
        scores: Tensor = self.classifier(self.encoder(signals))
        return scores
