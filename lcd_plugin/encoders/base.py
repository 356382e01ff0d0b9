"""What every encoder of records is: a network, and how leads go into it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from lcd_plugin.errors import ConfigError


class RecordEncoder(nn.Module, ABC):
    """A network with a way to read the leads of a record.

    Args:
        encoder: maps (batch, in_leads, time) to (batch, features), with the attribute
            `num_features`.

    Attributes:
        num_features: features that the network gives at once.
        notes: what a pretraining says of its weights; empty for a fresh encoder.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_features = int(encoder.num_features)  # type: ignore[arg-type]
        self.notes: dict[str, Any] = {}

    @abstractmethod
    def arrange(self, signals: Tensor) -> Tensor:
        """From (batch, leads, time) to (batch, parts, in_leads, time).

        A part is what the network reads at once.
        """

    def forward(self, signals: Tensor) -> Tensor:
        """Map (batch, leads, time) to (batch, parts * features), part by part.

        Raises:
            ValueError: the input is not three-dimensional, or its leads cannot be read.
        """
        arranged = self._arranged(signals)
        features: Tensor = self.encoder(arranged.flatten(0, 1))
        batch, parts = arranged.shape[:2]
        return features.reshape(batch, parts * self.num_features)

    def forward_features(self, signals: Tensor) -> Tensor:
        """Map (batch, leads, time) to (batch, parts, positions, features), not pooled over time.

        Raises:
            ConfigError: the network has no `forward_features` that maps (batch, in_leads, time) to
                (batch, features, positions).
            ValueError: the input is not three-dimensional, or its leads cannot be read.
        """
        arranged = self._arranged(signals)
        network = getattr(self.encoder, "forward_features", None)
        tokens: Tensor | None = None if network is None else network(arranged.flatten(0, 1))
        if tokens is None or tokens.dim() != 3 or tokens.shape[1] != self.num_features:
            raise ConfigError(
                f"{type(self.encoder).__name__} gives no features before pooling: that takes a "
                f"method forward_features from (batch, {arranged.shape[2]}, time) to "
                f"(batch, {self.num_features}, positions)."
            )
        return tokens.reshape(*arranged.shape[:2], *tokens.shape[1:]).transpose(2, 3)

    def _arranged(self, signals: Tensor) -> Tensor:
        if signals.dim() != 3:
            raise ValueError(f"signals must be (batch, leads, time), got {tuple(signals.shape)}.")
        return self.arrange(signals)
