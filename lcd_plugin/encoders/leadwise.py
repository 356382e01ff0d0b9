"""From an encoder of one lead to an encoder of any set of leads."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lcd_plugin.errors import ConfigError


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
        features: Tensor = self.encoder(_lead_by_lead(signals))
        return features.reshape(len(signals), signals.shape[1] * self.num_features)

    def forward_features(self, signals: Tensor) -> Tensor:
        """Map (batch, leads, time) to (batch, leads, positions, features), not pooled over time.

        Raises:
            ConfigError: the network has no `forward_features` that maps (batch, 1, time) to
                (batch, features, positions).
            ValueError: the input is not three-dimensional.
        """
        single = _lead_by_lead(signals)
        network = getattr(self.encoder, "forward_features", None)
        tokens: Tensor | None = None if network is None else network(single)
        if tokens is None or tokens.dim() != 3 or tokens.shape[1] != self.num_features:
            raise ConfigError(
                f"{type(self.encoder).__name__} gives no features before pooling: that takes a "
                f"method forward_features from (batch, 1, time) to "
                f"(batch, {self.num_features}, positions)."
            )
        return tokens.reshape(*signals.shape[:2], *tokens.shape[1:]).transpose(2, 3)


def _lead_by_lead(signals: Tensor) -> Tensor:
    """From (batch, leads, time) to (batch * leads, 1, time)."""
    if signals.dim() != 3:
        raise ValueError(f"signals must be (batch, leads, time), got {tuple(signals.shape)}.")
    batch, leads, time = signals.shape
    return signals.reshape(batch * leads, 1, time)
