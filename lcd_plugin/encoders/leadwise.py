"""From an encoder of one lead to an encoder of any set of leads."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class LeadwiseEncoder(nn.Module):
    """One single-lead network shared over leads, its features concatenated.

    Args:
        encoder: maps (batch, 1, time) to (batch, features), with the attribute `num_features`.

    Attributes:
        num_features: features of one lead.
        notes: what a pretraining says of its weights; empty for a fresh encoder.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_features = int(encoder.num_features)  # type: ignore[arg-type]
        self.notes: dict[str, Any] = {}

    def forward(self, signals: Tensor) -> Tensor:
        """Map (batch, leads, time) to (batch, leads * features), lead by lead.

        Raises:
            ValueError: the input is not three-dimensional.
        """
        if signals.dim() != 3:
            raise ValueError(f"signals must be (batch, leads, time), got {tuple(signals.shape)}.")
        batch, leads, time = signals.shape
        features: Tensor = self.encoder(signals.reshape(batch * leads, 1, time))
        return features.reshape(batch, leads * self.num_features)
