"""LeJEPA from lightly's head and losses."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.loss.lejepa_loss import SIGReg, lejepa_invariance_loss
from lightly.models.modules.heads import LeJEPAProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import (
    Float32Loss,
    Method,
    MethodConfig,
    StepOutput,
    across_devices,
)
from lcd_plugin.methods.short_views import short_views


class LeJEPAConfig(MethodConfig):
    """Settings of LeJEPA; weight and output dimension are those of its authors' code.

    Directions are drawn anew every step: with 256 of them in place of 1024 the term differs by 2 %
    from draw to draw in place of 1 %, and a step on a CPU takes 30 % less time. A short view of 0.3
    holds two to four heart beats of a record of 10 s.
    """

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(64, ge=1)
    lambda_param: float = Field(0.05, ge=0, le=1)
    directions: int = Field(256, ge=1)
    local_views: int = Field(4, ge=1)
    local_share: float = Field(0.3, gt=0, le=1)


class LeJEPA(Method):
    """Views long and short meet at the mean of the long ones; all together are a round Gaussian.

    Balestriero and LeCun, https://arxiv.org/abs/2511.08544. The long views show one lead, and the
    short ones are pieces of them.
    """

    config_class: ClassVar[type[LeJEPAConfig]] = LeJEPAConfig
    views = "aa"
    capturable = True
    # What a short view leaves out is silence enough; otherwise it could be silent altogether.
    time_out = False
    config: LeJEPAConfig

    def __init__(self, encoder: nn.Module, config: LeJEPAConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = LeJEPAProjectionHead(features, c.hidden_dim, c.output_dim)
        # The two parts of lightly's LeJEPALoss, so that the history shows each.
        self.invariance = Float32Loss(_Invariance())
        self.normality = Float32Loss(
            SIGReg(num_vectors=c.directions, gather_distributed=across_devices())
        )

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Distance of all views from the long ones' mean, and of each view from a Gaussian."""
        c = self.config
        seen = [*views, *short_views(views, c.local_share, c.local_views)]
        z = torch.stack([self.projector(self.encoder(x)) for x in seen])
        invariance = (1 - c.lambda_param) * self.invariance(z, z[: len(views)])
        normality = c.lambda_param * self.normality(z)
        terms = {"invariance": invariance, "normality": normality}
        return StepOutput(loss=invariance + normality, terms=terms)


class _Invariance(nn.Module):
    """Lightly's function as a module."""

    def forward(self, all_views: Tensor, long_views: Tensor) -> Tensor:
        value: Tensor = lejepa_invariance_loss(all_proj=all_views, global_proj=long_views)
        return value
