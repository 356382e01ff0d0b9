"""From an encoder of one lead to an encoder of any set of leads."""

from __future__ import annotations

from torch import Tensor

from lcd_plugin.encoders.base import RecordEncoder


class LeadwiseEncoder(RecordEncoder):
    """One single-lead network shared over leads, its features concatenated.

    (batch, leads, time) comes to (batch, leads * features), and not pooled to
    (batch, leads, positions, features).
    """

    def arrange(self, signals: Tensor) -> Tensor:
        """From (batch, leads, time) to (batch, leads, 1, time)."""
        return signals.unsqueeze(2)
