"""LFBT: Barlow Twins within a lead and between two, from lightly's head and loss."""

from __future__ import annotations

from typing import ClassVar

from lightly.loss import BarlowTwinsLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)


class LFBTConfig(MethodConfig):
    """Settings of LFBT; both weights of the loss are the authors'."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    lambda_param: float = Field(0.0051, ge=0)
    intra_share: float = Field(0.8, ge=0, le=1)


class LFBT(Method):
    """Barlow Twins of two views of a lead, fused with Barlow Twins of two leads.

    Lead-fusion Barlow Twins, Liu et al., Information Fusion 114 (2025) 102698. The paper has a
    network for each lead and compares all pairs; here all leads share one, and a step compares
    one pair. Views 1 and 2 show lead a, view 3 shows lead b.
    """

    config_class: ClassVar[type[LFBTConfig]] = LFBTConfig
    views = "aab"
    capturable = True
    config: LFBTConfig

    def __init__(self, encoder: nn.Module, config: LFBTConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = BarlowTwinsProjectionHead(features, c.hidden_dim, c.output_dim)
        self.loss = Float32Loss(
            BarlowTwinsLoss(lambda_param=c.lambda_param, gather_distributed=across_devices())
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Weighted mean of the loss within lead a and of that between leads a and b."""
        z_1, z_2, z_b = (self.projector(self.encoder(x)) for x in views)
        share = self.config.intra_share
        terms = {
            "intra_lead": share * self.loss(z_1, z_2),
            "inter_lead": (1 - share) * self.loss(z_1, z_b),
        }
        return StepOutput(loss=terms["intra_lead"] + terms["inter_lead"], terms=terms)
