"""TiCo from lightly's head and loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.loss import TiCoLoss
from lightly.models.modules.heads import TiCoProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average


class TiCoConfig(MethodConfig):
    """Settings of TiCo; weights are the paper's, and its output dimension, to which `rho` fits."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(256, ge=1)
    momentum: float = Field(0.99, ge=0, le=1)
    beta: float = Field(0.9, ge=0, lt=1)
    rho: float = Field(8.0, ge=0)


class TiCo(Method):
    """A view agrees with its moving average and avoids directions that were much used of late.

    Zhu et al., https://arxiv.org/abs/2206.10698. Both views show one lead.
    """

    config_class: ClassVar[type[TiCoConfig]] = TiCoConfig
    views = "aa"
    config: TiCoConfig

    def __init__(self, encoder: nn.Module, config: TiCoConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = TiCoProjectionHead(features, c.hidden_dim, c.output_dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        loss = TiCoLoss(beta=c.beta, rho=c.rho, gather_distributed=across_devices())
        # Lightly has the running covariance as a plain attribute that starts as None; as a buffer
        # it is in the state and moves between devices. Zeros are what the loss would start from.
        del loss.C
        loss.register_buffer("C", torch.zeros(c.output_dim, c.output_dim))
        self.loss = Float32Loss(loss)

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Invariance and contrast with the running covariance, of two views of one lead."""
        z = self.projector(self.encoder(views[0]))
        with torch.no_grad():
            target = self.target_projector(self.target_encoder(views[1]))
        return StepOutput(loss=self.loss(z, target), terms={})

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)
