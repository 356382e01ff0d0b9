"""Barlow Twins from lightly's head and loss."""

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


class BarlowTwinsConfig(MethodConfig):
    """Settings of Barlow Twins; the weight is the paper's, the heads are of the size of LCD's.

    The paper's 8192 dimensions are for ImageNet; beside a few thousand records and an encoder of
    64 features they cost most of a step.
    """

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=2)
    lambda_param: float = Field(0.005, ge=0)


class BarlowTwins(Method):
    """The cross-correlation of two views' dimensions is drawn to the identity.

    Zbontar et al., https://arxiv.org/abs/2103.03230. Both views show one lead.
    """

    config_class: ClassVar[type[BarlowTwinsConfig]] = BarlowTwinsConfig
    views = "aa"
    capturable = True
    config: BarlowTwinsConfig

    def __init__(self, encoder: nn.Module, config: BarlowTwinsConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = BarlowTwinsProjectionHead(features, c.hidden_dim, c.output_dim)
        self.loss = Float32Loss(
            BarlowTwinsLoss(lambda_param=c.lambda_param, gather_distributed=across_devices())
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Invariance on the diagonal and redundancy off it, of two views of one lead."""
        z_a, z_b = (self.projector(self.encoder(x)) for x in views)
        return StepOutput(loss=self.loss(z_a, z_b), terms={})
