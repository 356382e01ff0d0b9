"""BELL: LCD's lead correlation alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.losses import LeadCorrelationLoss
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput, across_devices
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average


class BELLConfig(MethodConfig):
    """Settings of BELL; heads and weights are those of LCD."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    momentum: float = Field(0.996, ge=0, le=1)
    intra_lead: float = Field(1.0, ge=0)
    inter_lead: float = Field(1.0, ge=0)


class BELL(Method):
    """Two leads of a record predict the moving average's projection of the first one.

    Liu et al., Computer Methods and Programs in Biomedicine 257 (2024) 108452. The paper has a
    network for each lead; here all share one, as in LCD. Views 1 and 2 show leads a and b to the
    online network, view 3 shows lead a to its moving average.
    """

    config_class: ClassVar[type[BELLConfig]] = BELLConfig
    views = "aba"
    capturable = True
    config: BELLConfig

    def __init__(self, encoder: nn.Module, config: BELLConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = BYOLProjectionHead(features, c.hidden_dim, c.output_dim)
        self.predictor = BYOLPredictionHead(c.output_dim, c.hidden_dim, c.output_dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        self.loss = LeadCorrelationLoss(
            across_devices(), intra_correlation=c.intra_lead, inter_correlation=c.inter_lead
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Loss of lead a (views 1 and 3) and lead b (view 2)."""
        p_a, p_b = (self.predictor(self.projector(self.encoder(x))) for x in views[:2])
        with torch.no_grad():
            t_a = self.target_projector(self.target_encoder(views[2]))
        terms = self.loss.components(p_a, p_b, t_a)
        return StepOutput(loss=terms.total, terms=terms._asdict())

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)
