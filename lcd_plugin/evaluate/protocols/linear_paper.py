"""Linear probe as the LCD paper does it: a linear layer on frozen features, trained by Adam."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Work
from lcd_plugin.evaluate.training import Budget, train_and_score

if TYPE_CHECKING:
    from lcd_plugin.evaluate.settings import LinearPaperSettings


def predict(work: Work, settings: LinearPaperSettings) -> Iterator[Prediction]:
    """Train for all epochs, keep the one with the best validation loss.

    As in Liu et al., Applied Soft Computing 172 (2025) 112871: features are not scaled, and an
    epoch is a pass over the rows of the subset, so few labels also mean few updates. The protocol
    `linear` has neither property.

    Raises:
        FloatingPointError: the validation loss is no longer finite.
    """
    features, classes = work.train.inputs.shape[1], work.train.targets.shape[1]

    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = nn.Linear(features, classes).to(work.device)
        return model, torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)

    for subset in work.subsets:
        budget = Budget(settings.epochs, len(subset.rows), settings.batch_size)
        yield train_and_score(work, subset, start, budget)


PROTOCOL = Protocol("linear-paper", "features", predict)
