"""VICReg from lightly's head and loss."""

from __future__ import annotations

from typing import ClassVar

from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)


class VICRegConfig(MethodConfig):
    """Settings of VICReg; weights are the paper's."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    invariance: float = Field(25.0, ge=0)
    variance: float = Field(25.0, ge=0)
    covariance: float = Field(1.0, ge=0)


class VICReg(Method):
    """Views agree, every dimension keeps its spread, no two dimensions say the same.

    Bardes et al., https://arxiv.org/abs/2105.04906. Both views show one lead.
    """

    config_class: ClassVar[type[VICRegConfig]] = VICRegConfig
    views = "aa"
    config: VICRegConfig

    def __init__(self, encoder: nn.Module, config: VICRegConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = VICRegProjectionHead(features, c.hidden_dim, c.output_dim)
        self.loss = Float32Loss(
            VICRegLoss(
                lambda_param=c.invariance,
                mu_param=c.variance,
                nu_param=c.covariance,
                gather_distributed=across_devices(),
            )
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Variance, invariance and covariance of two views of one lead."""
        z_a, z_b = (self.projector(self.encoder(x)) for x in views)
        return StepOutput(loss=self.loss(z_a, z_b), terms={})
