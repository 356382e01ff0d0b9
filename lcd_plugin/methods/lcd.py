"""LCD: lead correlation and decorrelation."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.losses import LCDLoss
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput, across_devices
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average


class LCDConfig(MethodConfig):
    """Settings of LCD; defaults are the paper's."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    momentum: float = Field(0.996, ge=0, le=1)
    gamma: float = Field(0.005, ge=0)
    lambda_param: float = Field(0.0051, ge=0)
    intra_correlation: float = Field(1.0, ge=0)
    inter_correlation: float = Field(1.0, ge=0)
    intra_decorrelation: float = Field(1.0, ge=0)
    inter_decorrelation: float = Field(1.0, ge=0)


class LCD(Method):
    """Two leads of a record agree with the first one's target and share nothing redundant.

    Liu et al., Applied Soft Computing 172 (2025) 112871. Views 1 and 2 show leads a and b to the
    online network, view 3 shows lead a to its moving average.
    """

    config_class: ClassVar[type[LCDConfig]] = LCDConfig
    views = "aba"
    capturable = True
    config: LCDConfig

    def __init__(self, encoder: nn.Module, config: LCDConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = BYOLProjectionHead(features, c.hidden_dim, c.output_dim)
        self.predictor = BYOLPredictionHead(c.output_dim, c.hidden_dim, c.output_dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        self.loss = LCDLoss(
            gamma=c.gamma,
            lambda_param=c.lambda_param,
            gather_distributed=across_devices(),
            intra_correlation=c.intra_correlation,
            inter_correlation=c.inter_correlation,
            intra_decorrelation=c.intra_decorrelation,
            inter_decorrelation=c.inter_decorrelation,
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Loss of lead a (views 1 and 3) and lead b (view 2)."""
        view_a, view_b, view_target = views
        z_a = self.projector(self.encoder(view_a))
        z_b = self.projector(self.encoder(view_b))
        with torch.no_grad():
            t_a = self.target_projector(self.target_encoder(view_target))
        terms = self.loss.components(z_a, z_b, self.predictor(z_a), self.predictor(z_b), t_a)
        named = terms._asdict()
        return StepOutput(loss=named.pop("total"), terms=named)

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)
