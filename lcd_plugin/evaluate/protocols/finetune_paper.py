"""Fine-tuning as the LCD paper does it: Adam for a fixed number of epochs, best validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Work
from lcd_plugin.evaluate.training import Budget, EncoderClassifier, train_and_score

if TYPE_CHECKING:
    from lcd_plugin.evaluate.settings import FinetunePaperSettings


def predict(work: Work, settings: FinetunePaperSettings) -> Iterator[Prediction]:
    """Train everything for all epochs, keep the one with the best validation loss.

    As in Liu et al., Applied Soft Computing 172 (2025) 112871. An epoch is a pass over the rows of
    the subset, so few labels also mean few updates.

    Raises:
        FloatingPointError: the validation loss is no longer finite.
    """

    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = EncoderClassifier(work).to(work.device)
        return model, torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)

    for subset in work.subsets:
        budget = Budget(settings.epochs, len(subset.rows), settings.batch_size)
        yield train_and_score(work, subset, start, budget, work.precision)


PROTOCOL = Protocol("finetune-paper", "signals", predict, trains_encoder=True)
