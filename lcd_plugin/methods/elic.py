"""ELIC: contrast of two leads, with decorrelated projections."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.loss import BarlowTwinsLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.losses import InfoNCELoss
from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)


class ELICConfig(MethodConfig):
    """Settings of ELIC; temperature, weights and dimensions of the loss are the authors'.

    Covariance grows with the number of dimensions and contrast does not: the weights fit these 64.
    """

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(64, ge=1)
    temperature: float = Field(0.1, gt=0)
    lambda_param: float = Field(0.0051, ge=0)
    invariance_share: float = Field(0.7, ge=0, le=1)


class ELIC(Method):
    """Two leads of a record attract each other, and no two of their dimensions say the same.

    Exploring Lead Invariance-Covariance, Pan et al. 2025, as the authors' code has it
    (https://github.com/Aiwiscal/ECG_SSL_ELIC). There each lead has a network and covariance is
    over all leads; here all leads share one, and a step has one pair of different leads, contrasted
    in both directions. Views 1 and 2 show leads a and b, views 3 and 4 show them again.
    """

    config_class: ClassVar[type[ELICConfig]] = ELICConfig
    views = "abab"
    capturable = True
    config: ELICConfig

    def __init__(self, encoder: nn.Module, config: ELICConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = SimCLRProjectionHead(features, c.hidden_dim, c.output_dim)
        self.invariance = InfoNCELoss(c.temperature, gather_distributed=across_devices())
        self.covariance = Float32Loss(
            BarlowTwinsLoss(lambda_param=c.lambda_param, gather_distributed=across_devices())
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Contrast of lead a with lead b, and the correlation of both leads' two views."""
        z_a, z_b, again_a, again_b = (self.projector(self.encoder(x)) for x in views)
        # Mean over leads, as the sum over dimensions grows with their number.
        covariance = self.covariance(torch.cat([z_a, z_b], 1), torch.cat([again_a, again_b], 1)) / 2
        share = self.config.invariance_share
        terms = {
            "invariance": share * self.invariance(z_a, again_b),
            "covariance": (1 - share) * covariance,
        }
        return StepOutput(loss=terms["invariance"] + terms["covariance"], terms=terms)
