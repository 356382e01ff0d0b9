"""Lead decorrelation: what LCD asks of the projections of two leads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lcd_plugin.losses.batches import at_least_float32, check_gathering, check_rows, rows_of_all


class LeadDecorrelationTerms(NamedTuple):
    """Redundancy within each lead and between two, weights and gamma applied."""

    intra_decorrelation: Tensor
    inter_decorrelation: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.intra_decorrelation + self.inter_decorrelation


def decorrelation_losses(z_a: Tensor, z_b: Tensor, lambda_param: float) -> tuple[Tensor, Tensor]:
    """Redundancy within each lead and between the two, before the factor gamma.

    With Z the batch-standardised [z_a, z_b] (biased variance, eps 1e-5) and C = Z^T Z / B, the
    first is sum_i (C_ii - 1)^2 + lambda * sum_{i != j} C_ij^2 over the two diagonal blocks of C,
    the second lambda * sum C_ij^2 over the two off-diagonal blocks. They add up to the
    decorrelation term of LCD.

    Args:
        z_a: projections of the first lead, shape (batch, dim).
        z_b: projections of the second lead, shape (batch, dim).
        lambda_param: weight of the off-diagonal elements.

    Returns:
        Intra-lead and inter-lead decorrelation, two scalars.
    """
    batch = z_a.shape[0]
    z_a, z_b = _standardise(z_a), _standardise(z_b)
    intra = z_a.new_zeros(())
    for z in (z_a, z_b):
        c = z.T @ z / batch
        diagonal = torch.diagonal(c)
        off_diagonal = c.square().sum() - diagonal.square().sum()
        intra = intra + (diagonal - 1).square().sum() + lambda_param * off_diagonal
    # C is symmetric: each off-diagonal block counts once as C_ab and once as its transpose.
    inter = 2 * lambda_param * (z_a.T @ z_b / batch).square().sum()
    return intra, inter


def _standardise(z: Tensor) -> Tensor:
    """Zero mean and unit biased variance over the batch, as batch norm in training."""
    variance, mean = torch.var_mean(z, dim=0, correction=0)
    return (z - mean) * torch.rsqrt(variance + 1e-5)


class LeadDecorrelationLoss(nn.Module):
    """Implementation of the decorrelation terms of the LCD loss [0].

    The cross-correlation matrix of the projections of two leads of the same records, put side by
    side, is drawn to the identity: nothing is said twice within a lead, nor by both.

    - [0]: Lead Correlation and Decorrelation, Liu et al., Applied Soft Computing 172 (2025)
      112871

    Attributes:
        gamma:
            Weight of both terms.
        lambda_param:
            Weight of the off-diagonal elements.
        gather_distributed:
            If True, the loss is that of the batches of all processes put together. All must be
            of one size.
        intra_decorrelation, inter_decorrelation:
            Weight of redundancy within each lead and of that between them; 0 switches it off.

    Raises:
        ValueError: If gather_distributed is True but torch.distributed is not available.

    Examples:
        >>> loss_fn = LeadDecorrelationLoss()
        >>> view_a, view_b = MultiLeadViews("ab")(signals)
        >>> loss = loss_fn(projector(encoder(view_a)), projector(encoder(view_b)))
    """

    def __init__(
        self,
        gamma: float = 0.005,
        lambda_param: float = 0.0051,
        gather_distributed: bool = False,
        *,
        intra_decorrelation: float = 1.0,
        inter_decorrelation: float = 1.0,
    ) -> None:
        super().__init__()
        check_gathering(gather_distributed)
        self.gamma = gamma
        self.lambda_param = lambda_param
        self.gather_distributed = gather_distributed
        self.intra_decorrelation = intra_decorrelation
        self.inter_decorrelation = inter_decorrelation

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        """Sum of both terms; see `components` for the arguments.

        Returns:
            A scalar.
        """
        return self.components(z_a, z_b).total

    def components(self, z_a: Tensor, z_b: Tensor) -> LeadDecorrelationTerms:
        """The loss by term, weights and gamma applied.

        Args:
            z_a: Projections of lead a, shape (batch, dim).
            z_b: Projections of lead b, shape (batch, dim).

        Returns:
            Two scalars.

        Raises:
            ValueError: If shapes differ or the batch has fewer than two records.
        """
        check_rows("LeadDecorrelationLoss", z_a=z_a, z_b=z_b)
        with torch.autocast(device_type=z_a.device.type, enabled=False):
            z_a, z_b = (
                rows_of_all(at_least_float32(x), self.gather_distributed) for x in (z_a, z_b)
            )
            intra, inter = decorrelation_losses(z_a, z_b, self.lambda_param)
            return LeadDecorrelationTerms(
                self.gamma * self.intra_decorrelation * intra,
                self.gamma * self.inter_decorrelation * inter,
            )
