"""Lead Correlation and Decorrelation (LCD) loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import nn as dist_nn


class LCDTerms(NamedTuple):
    """The four mechanisms of LCD, each with its weight applied, and their sum."""

    intra_correlation: Tensor
    inter_correlation: Tensor
    intra_decorrelation: Tensor
    inter_decorrelation: Tensor
    total: Tensor


def correlation_loss(p: Tensor, t: Tensor) -> Tensor:
    """Mean of 2 - 2 cos(p, t) over the batch; `t` receives no gradient.

    Args:
        p: predictions, shape (batch, dim).
        t: target projections, shape (batch, dim).

    Returns:
        A scalar between 0 (same directions) and 4 (opposite directions).
    """
    return (2 - 2 * F.cosine_similarity(p, t.detach(), dim=1)).mean()


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


class LCDLoss(nn.Module):
    """Implementation of the LCD loss [0].

    Two leads a and b of the same records are encoded by one network. The prediction of lead a
    (view 1) and that of lead b (view 2) are both drawn to the target network's projection of
    lead a (view 3): intra- and inter-lead correlation. The projections' cross-correlation matrix
    is drawn to the identity: intra- and inter-lead decorrelation.

    - [0]: Lead Correlation and Decorrelation, Liu et al., Applied Soft Computing 172 (2025)
      112871

    Attributes:
        gamma:
            Weight of both decorrelation terms.
        lambda_param:
            Weight of the off-diagonal elements in the decorrelation terms.
        gather_distributed:
            If True, the loss is that of the batches of all processes put together. All must be
            of one size.
        intra_correlation, inter_correlation, intra_decorrelation, inter_decorrelation:
            Weight of each mechanism; 0 switches it off.

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
        if gather_distributed and not dist.is_available():
            raise ValueError(
                "gather_distributed is True but torch.distributed is not available. "
                "Please set gather_distributed=False or install a torch version with "
                "distributed support."
            )
        self.gamma = gamma
        self.lambda_param = lambda_param
        self.gather_distributed = gather_distributed
        self.intra_correlation = intra_correlation
        self.inter_correlation = inter_correlation
        self.intra_decorrelation = intra_decorrelation
        self.inter_decorrelation = inter_decorrelation

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
        _check_shapes(z_a=z_a, z_b=z_b, p_a=p_a, p_b=p_b, t_a=t_a)
        # A correlation matrix in half precision would lose the small off-diagonal elements.
        with torch.autocast(device_type=z_a.device.type, enabled=False):
            z_a, z_b, p_a, p_b, t_a = (_at_least_float32(x) for x in (z_a, z_b, p_a, p_b, t_a))
            if self.gather_distributed and dist.is_initialized() and dist.get_world_size() > 1:
                z_a, z_b, p_a, p_b, t_a = (_gather(x) for x in (z_a, z_b, p_a, p_b, t_a))
            intra, inter = decorrelation_losses(z_a, z_b, self.lambda_param)
            terms = (
                self.intra_correlation * correlation_loss(p_a, t_a),
                self.inter_correlation * correlation_loss(p_b, t_a),
                self.gamma * self.intra_decorrelation * intra,
                self.gamma * self.inter_decorrelation * inter,
            )
            return LCDTerms(*terms, total=terms[0] + terms[1] + terms[2] + terms[3])


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _gather(x: Tensor) -> Tensor:
    """The rows of all processes; gradients flow back to the process that they came from.

    Each process computes the whole loss, so the gradients that come back are summed over
    processes; DDP's mean over processes makes that the gradient of one loss (lightly#1977).
    """
    gathered: Tensor = torch.cat(dist_nn.all_gather(x.contiguous()), dim=0)  # type: ignore[no-untyped-call]
    return gathered


def _check_shapes(**tensors: Tensor) -> None:
    came = ", ".join(f"{name} {tuple(x.shape)}" for name, x in tensors.items())
    shapes = {tuple(x.shape) for x in tensors.values()}
    if len(shapes) != 1 or tensors["z_a"].dim() != 2:
        raise ValueError(f"LCDLoss needs five tensors of one shape (batch, dim), got {came}.")
    if tensors["z_a"].shape[0] < 2:
        raise ValueError(f"LCDLoss needs at least two records in the batch, got {came}.")
