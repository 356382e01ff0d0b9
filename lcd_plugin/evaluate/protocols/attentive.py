"""Attention pooling over time and leads, trained on the features of a frozen encoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Work
from lcd_plugin.evaluate.training import Budget, train_and_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.settings import AttentiveSettings

# Rows whose tokens are in float64 at once while their scale is measured.
SCALE_ROWS = 256


def predict(work: Work, settings: AttentiveSettings) -> Iterator[Prediction]:
    """Train the pooling with AdamW, stop by validation loss.

    Every subset gets as many updates as all labelled rows would, as in `finetune`.

    Raises:
        FloatingPointError: the validation loss is no longer finite.
    """
    budget = Budget(
        settings.epochs, len(work.train.targets), settings.batch_size, settings.patience
    )
    leads, classes = work.train.inputs.shape[1], work.train.targets.shape[1]
    for subset in work.subsets:
        mean, deviation = channel_scale(work.train.inputs, subset.rows)

        def start(
            mean: Tensor = mean, deviation: Tensor = deviation
        ) -> tuple[nn.Module, torch.optim.Optimizer]:
            model = AttentivePooling(leads, classes, mean, deviation).to(work.device)
            optimiser = torch.optim.AdamW(
                model.parameters(),
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                fused=True,
            )
            return model, optimiser

        yield train_and_score(work, subset, start, budget)


class AttentivePooling(nn.Module):
    """A query for each class attends over the tokens of all leads; what it finds is scored.

    The attentive probe of Bardes et al., V-JEPA, https://arxiv.org/abs/2404.08471, in its smallest
    form: pooling by attention with learned queries (Lee et al., Set Transformer,
    https://arxiv.org/abs/1810.00825) and one head. Projections of keys and values are left out:
    with one head they are part of the query and of the score. A token is scored by weights of its
    lead, so that even attention to all is a linear probe on the pooled features.

    Args:
        leads: number of leads.
        classes: number of classes.
        mean: of the tokens, by which they are standardised, shape (features,).
        deviation: the same.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, leads: int, classes: int, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        features = len(mean)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        # Small queries begin with nearly the mean of all tokens.
        self.queries = nn.Parameter(0.02 * torch.randn(classes, features))
        self.lead_embeddings = nn.Parameter(0.02 * torch.randn(leads, features))
        self.scores = nn.Parameter(torch.zeros(classes, leads, features))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (batch, leads, positions, features) to scores (batch, classes)."""
        tokens = (tokens - self.mean) / self.deviation
        # A key is a token plus the embedding of its lead; the query meets both apart, which is
        # the same and does not need the sum of each.
        of_tokens = tokens @ self.queries.T
        of_leads = self.lead_embeddings @ self.queries.T
        match = (of_tokens + of_leads[:, None]) / math.sqrt(len(self.mean))
        attention = match.flatten(1, 2).softmax(dim=1).reshape(match.shape)
        # Shape (batch, leads, classes, features).
        pooled = attention.transpose(2, 3) @ tokens
        scores: Tensor = torch.einsum("blcf,clf->bc", pooled, self.scores) + self.bias
        return scores


def channel_scale(tokens: NDArray[np.float16], rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over rows, leads and positions.

    Args:
        tokens: shape (all rows, leads, positions, features).
        rows: that are looked at.

    Returns:
        Two of shape (features,); the deviation of a channel that never changes is 1.
    """
    chunks = [rows[i : i + SCALE_ROWS] for i in range(0, len(rows), SCALE_ROWS)]
    axes = (0, 1, 2)
    sums = [tokens[chunk].sum(axis=axes, dtype=np.float64) for chunk in chunks]
    count = len(rows) * tokens.shape[1] * tokens.shape[2]
    mean = np.sum(sums, axis=0) / count
    squares = [((tokens[chunk] - mean) ** 2).sum(axis=axes) for chunk in chunks]
    deviation = np.sqrt(np.sum(squares, axis=0) / count)
    deviation[deviation == 0] = 1
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


PROTOCOL = Protocol("attentive", "tokens", predict)
