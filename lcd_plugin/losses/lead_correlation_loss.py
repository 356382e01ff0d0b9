"""Lead correlation: what LCD asks of the predictions from two leads."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.losses.batches import at_least_float32, check_gathering, check_rows, rows_of_all


class LeadCorrelationTerms(NamedTuple):
    """Correlation within a lead and between two, each with its weight applied."""

    intra_correlation: Tensor
    inter_correlation: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.intra_correlation + self.inter_correlation


def correlation_loss(p: Tensor, t: Tensor) -> Tensor:
    """Mean of 2 - 2 cos(p, t) over the batch; `t` receives no gradient.

    Args:
        p: predictions, shape (batch, dim).
        t: target projections, shape (batch, dim).

    Returns:
        A scalar between 0 (same directions) and 4 (opposite directions).
    """
    return (2 - 2 * F.cosine_similarity(p, t.detach(), dim=1)).mean()


class LeadCorrelationLoss(nn.Module):
    """Implementation of the correlation terms of the LCD loss [0].

    The predictions from two leads a and b of the same records are both drawn to the target
    network's projection of lead a.

    - [0]: Lead Correlation and Decorrelation, Liu et al., Applied Soft Computing 172 (2025)
      112871

    Attributes:
        gather_distributed:
            If True, the loss is that of the batches of all processes put together. All must be
            of one size.
        intra_correlation, inter_correlation:
            Weight of the prediction from lead a and of that from lead b; 0 switches it off.

    Raises:
        ValueError: If gather_distributed is True but torch.distributed is not available.

    Examples:
        >>> loss_fn = LeadCorrelationLoss()
        >>> views = MultiLeadViews("aba")(signals)
        >>> p_a, p_b = predictor(online(views[0])), predictor(online(views[1]))
        >>> with torch.no_grad():
        >>>     t_a = target(views[2])
        >>> loss = loss_fn(p_a, p_b, t_a)
    """

    def __init__(
        self,
        gather_distributed: bool = False,
        *,
        intra_correlation: float = 1.0,
        inter_correlation: float = 1.0,
    ) -> None:
        super().__init__()
        check_gathering(gather_distributed)
        self.gather_distributed = gather_distributed
        self.intra_correlation = intra_correlation
        self.inter_correlation = inter_correlation

    def forward(self, p_a: Tensor, p_b: Tensor, t_a: Tensor) -> Tensor:
        """Sum of both terms; see `components` for the arguments.

        Returns:
            A scalar.
        """
        return self.components(p_a, p_b, t_a).total

    def components(self, p_a: Tensor, p_b: Tensor, t_a: Tensor) -> LeadCorrelationTerms:
        """The loss by term, weights applied.

        Args:
            p_a: Predictions from lead a, shape (batch, dim).
            p_b: Predictions from lead b, shape (batch, dim).
            t_a: Target projections of lead a, shape (batch, dim); no gradient.

        Returns:
            Two scalars.

        Raises:
            ValueError: If shapes differ or the batch is empty.
        """
        check_rows("LeadCorrelationLoss", fewest=1, p_a=p_a, p_b=p_b, t_a=t_a)
        with torch.autocast(device_type=p_a.device.type, enabled=False):
            p_a, p_b, t_a = (
                rows_of_all(at_least_float32(x), self.gather_distributed) for x in (p_a, p_b, t_a)
            )
            return LeadCorrelationTerms(
                self.intra_correlation * correlation_loss(p_a, t_a),
                self.inter_correlation * correlation_loss(p_b, t_a),
            )
