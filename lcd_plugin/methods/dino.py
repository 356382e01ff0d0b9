"""DINO from lightly's head and loss."""

from __future__ import annotations

import warnings
from typing import ClassVar

import torch
from lightly.loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from lcd_plugin.methods.base import Float32Loss, Method, MethodConfig, StepOutput
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average
from lcd_plugin.methods.short_views import short_views


class DINOConfig(MethodConfig):
    """Settings of DINO; temperatures, momenta and the two long views are the paper's.

    `momentum` is constant here, since methods do not know the epoch; the paper's rises from 0.996
    to 1.

    It has 65,536 prototypes for ImageNet; with a few thousand records most of them would never be
    met. A short view of 0.3 holds two to four heart beats of a record of 10 s. The paper's heads
    have no batch norm, which suits transformers. Here projections of different records lie so close
    together at first that, less their centre, the target hardly tells one from another: in a short
    run on a part of PTB-XL features were better than random ones, on validation records, only with
    batch norm in the heads.
    """

    hidden_dim: int = Field(512, ge=1)
    bottleneck_dim: int = Field(256, ge=1)
    output_dim: int = Field(1024, ge=2)
    batch_norm: bool = True
    local_views: int = Field(4, ge=0)
    local_share: float = Field(0.3, gt=0, le=1)
    student_temperature: float = Field(0.1, gt=0)
    teacher_temperature: float = Field(0.04, gt=0)
    momentum: float = Field(0.996, ge=0, le=1)
    center_momentum: float = Field(0.9, ge=0, lt=1)


class DINO(Method):
    """Views long and short are sorted into prototypes as a moving average sorts the long ones.

    Caron et al., https://arxiv.org/abs/2104.14294. The long views show one lead, and the short ones
    are pieces of them. Methods do not know the epoch: the paper's warm-up of the teacher's
    temperature and its frozen last layer in the first epoch are left out.
    """

    config_class: ClassVar[type[DINOConfig]] = DINOConfig
    views = "aa"
    # What a short view leaves out is silence enough; otherwise it could be silent altogether.
    time_out = False
    config: DINOConfig

    def __init__(self, encoder: nn.Module, config: DINOConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        self.projector = _head(int(encoder.num_features), c)  # type: ignore[arg-type]
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        loss = DINOLoss(
            output_dim=c.output_dim,
            teacher_temp=c.teacher_temperature,
            student_temp=c.student_temperature,
            center_momentum=c.center_momentum,
        )
        self.loss = Float32Loss(loss)

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Cross entropy of every view with the target's answers to the other long views."""
        # Long views first: the loss leaves out pairs of equal numbers.
        seen = [*views, *short_views(views, self.config.local_share, self.config.local_views)]
        student = [self.projector(self.encoder(x)) for x in seen]
        with torch.no_grad():
            teacher = [self.target_projector(self.target_encoder(x)) for x in views]
        return StepOutput(loss=self.loss(teacher, student), terms={})

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)


def _head(features: int, config: DINOConfig) -> DINOProjectionHead:
    """Lightly's head with a last layer that can be copied, as torch's older weight norm cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of that weight norm
        head = DINOProjectionHead(
            features, config.hidden_dim, config.bottleneck_dim, config.output_dim, config.batch_norm
        )
    last = weight_norm(nn.Linear(config.bottleneck_dim, config.output_dim, bias=False))
    norms = last.parametrizations.weight.original0
    head.last_layer = last
    nn.init.ones_(norms).requires_grad_(False)
    return head
