"""BYOL from lightly's heads and loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import Float32Loss, Method, MethodConfig, StepOutput
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average


class BYOLConfig(MethodConfig):
    """Settings of BYOL; heads of the size of LCD's."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    momentum: float = Field(0.996, ge=0, le=1)


class BYOL(Method):
    """Each view predicts the moving average's projection of the other one.

    Grill et al., https://arxiv.org/abs/2006.07733. Both views show one lead.
    """

    config_class: ClassVar[type[BYOLConfig]] = BYOLConfig
    views = "aa"
    capturable = True
    config: BYOLConfig

    def __init__(self, encoder: nn.Module, config: BYOLConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = BYOLProjectionHead(features, c.hidden_dim, c.output_dim)
        self.predictor = BYOLPredictionHead(c.output_dim, c.hidden_dim, c.output_dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        self.loss = Float32Loss(NegativeCosineSimilarity())

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Symmetric loss of two views of one lead."""
        predictions = [self.predictor(self.projector(self.encoder(x))) for x in views]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(x)) for x in views]
        # Factor 2 and the constant: |norm(p) - norm(t)|^2 = 2 - 2 cos(p, t), as in the paper.
        forward = 2 + 2 * self.loss(predictions[0], targets[1])
        backward = 2 + 2 * self.loss(predictions[1], targets[0])
        return StepOutput(loss=forward + backward, terms={})

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)
