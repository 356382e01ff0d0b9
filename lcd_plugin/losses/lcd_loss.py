"""Lead Correlation and Decorrelation (LCD) loss."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from lcd_plugin.losses.batches import check_rows
from lcd_plugin.losses.lead_correlation_loss import LeadCorrelationLoss
from lcd_plugin.losses.lead_decorrelation_loss import LeadDecorrelationLoss


class LCDTerms(NamedTuple):
    """The four mechanisms of LCD, each with its weight applied, and their sum."""

    intra_correlation: Tensor
    inter_correlation: Tensor
    intra_decorrelation: Tensor
    inter_decorrelation: Tensor
    total: Tensor


class LCDLoss(nn.Module):
    """Implementation of the LCD loss [0].

    Two leads a and b of the same records are encoded by one network. The prediction of lead a
    (view 1) and that of lead b (view 2) are both drawn to the target network's projection of
    lead a (view 3): intra- and inter-lead correlation. The projections' cross-correlation matrix
    is drawn to the identity: intra- and inter-lead decorrelation.

    - [0]: Lead Correlation and Decorrelation, Liu et al., Applied Soft Computing 172 (2025)
      112871

    Args:
        gamma:
            Weight of both decorrelation terms.
        lambda_param:
            Weight of the off-diagonal elements in the decorrelation terms.
        gather_distributed:
            If True, the loss is that of the batches of all processes put together. All must be
            of one size.
        intra_correlation:
            Weight of the correlation within a lead; 0 switches it off, as for the others.
        inter_correlation:
            Weight of the correlation between leads.
        intra_decorrelation:
            Weight of the decorrelation within each lead.
        inter_decorrelation:
            Weight of the decorrelation between leads.

    Attributes:
        correlation:
            The loss of the predictions.
        decorrelation:
            The loss of the projections.

    Raises:
        ValueError: If gather_distributed is True but torch.distributed is not available.

    Examples:
        >>> loss_fn = LCDLoss()
        >>> views = MultiLeadViews("aba")(signals)
        >>> z_a, z_b = online(views[0]), online(views[1])
        >>> with torch.no_grad():
        >>>     t_a = target(views[2])
        >>> loss = loss_fn(z_a, z_b, predictor(z_a), predictor(z_b), t_a)
    """

    def __init__(
        self,
        gamma: float = 0.005,
        lambda_param: float = 0.0051,
        gather_distributed: bool = False,
        *,
        intra_correlation: float = 1.0,
        inter_correlation: float = 1.0,
        intra_decorrelation: float = 1.0,
        inter_decorrelation: float = 1.0,
    ) -> None:
        super().__init__()
        self.correlation = LeadCorrelationLoss(
            gather_distributed,
            intra_correlation=intra_correlation,
            inter_correlation=inter_correlation,
        )
        self.decorrelation = LeadDecorrelationLoss(
            gamma,
            lambda_param,
            gather_distributed,
            intra_decorrelation=intra_decorrelation,
            inter_decorrelation=inter_decorrelation,
        )

    def forward(self, z_a: Tensor, z_b: Tensor, p_a: Tensor, p_b: Tensor, t_a: Tensor) -> Tensor:
        """Total loss; see `components` for the arguments.

        Returns:
            A scalar.
        """
        return self.components(z_a, z_b, p_a, p_b, t_a).total

    def components(
        self, z_a: Tensor, z_b: Tensor, p_a: Tensor, p_b: Tensor, t_a: Tensor
    ) -> LCDTerms:
        """The loss by mechanism, weights and gamma applied.

        Args:
            z_a: Online projections of lead a in view 1, shape (batch, dim).
            z_b: Online projections of lead b in view 2, shape (batch, dim).
            p_a: Predictions from z_a, shape (batch, dim).
            p_b: Predictions from z_b, shape (batch, dim).
            t_a: Target projections of lead a in view 3, shape (batch, dim); no gradient.

        Returns:
            Four scalars that add up to `total`.

        Raises:
            ValueError: If shapes differ or the batch has fewer than two records.
        """
        check_rows("LCDLoss", z_a=z_a, z_b=z_b, p_a=p_a, p_b=p_b, t_a=t_a)
        terms = (
            *self.correlation.components(p_a, p_b, t_a),
            *self.decorrelation.components(z_a, z_b),
        )
        return LCDTerms(*terms, total=terms[0] + terms[1] + terms[2] + terms[3])
