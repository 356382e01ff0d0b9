"""An encoder that reads all leads of a record at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lcd_plugin.encoders.base import RecordEncoder


class JointEncoder(RecordEncoder):
    """A network of several leads, which always reads the leads that it was made for.

    (batch, leads, time) comes to (batch, features), and not pooled to
    (batch, 1, positions, features).

    Args:
        encoder: maps (batch, in_leads, time) to (batch, features), with the attributes `in_leads`
            and `num_features`.
        shown: places of the leads that it is shown, the others are zero; None is all of them.

    Attributes:
        in_leads: leads that it reads, no more and no fewer.
    """

    hidden: Tensor | None

    def __init__(self, encoder: nn.Module, shown: Sequence[int] | None = None) -> None:
        super().__init__(encoder)
        self.in_leads = int(encoder.in_leads)  # type: ignore[arg-type]
        hidden = None
        if shown is not None:
            hidden = torch.ones(self.in_leads, 1, dtype=torch.bool)
            hidden[list(shown)] = False
        self.register_buffer("hidden", hidden, persistent=False)

    def showing(self, leads: Sequence[int]) -> JointEncoder:
        """The same network, shown only the leads at these places; the others are zero."""
        encoder = JointEncoder(self.encoder, leads)
        encoder.notes = self.notes
        return encoder.train(self.training)

    def arrange(self, signals: Tensor) -> Tensor:
        """From (batch, leads, time) to (batch, 1, leads, time).

        Raises:
            ValueError: another number of leads than the network reads.
        """
        if signals.shape[1] != self.in_leads:
            names = f" ({', '.join(self.notes['leads'])})" if "leads" in self.notes else ""
            raise ValueError(
                f"This encoder reads {self.in_leads} leads at once{names}, got signals with "
                f"{signals.shape[1]}; leads that are missing must be there as zeros."
            )
        if self.hidden is not None:
            signals = signals.masked_fill(self.hidden, 0.0)
        return signals.unsqueeze(1)
