"""SimCLR from lightly's head and loss."""

from __future__ import annotations

from typing import ClassVar

from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)


class SimCLRConfig(MethodConfig):
    """Settings of SimCLR; the temperature is that of lightly's ImageNet benchmark."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(128, ge=1)
    temperature: float = Field(0.1, gt=0)


class SimCLR(Method):
    """Two views of a record attract each other and repel all other records of the batch.

    Chen et al., https://arxiv.org/abs/2002.05709. Both views show one lead.
    """

    config_class: ClassVar[type[SimCLRConfig]] = SimCLRConfig
    views = "aa"
    config: SimCLRConfig

    def __init__(self, encoder: nn.Module, config: SimCLRConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = SimCLRProjectionHead(features, c.hidden_dim, c.output_dim)
        self.loss = Float32Loss(
            NTXentLoss(temperature=c.temperature, gather_distributed=across_devices())
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Normalised temperature-scaled cross entropy of two views of one lead."""
        z_0, z_1 = (self.projector(self.encoder(x)) for x in views)
        return StepOutput(loss=self.loss(z_0, z_1), terms={})
