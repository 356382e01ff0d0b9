"""MoCo v2 from lightly's head and loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import MoCoProjectionHead
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


class MoCoConfig(MethodConfig):
    """Settings of MoCo v2; temperature and momentum are the paper's.

    The queue is far shorter than the paper's 65,536: one that is longer than an epoch holds every
    record itself, which is then a negative of its own. Keep `queue` well below the number of
    training records.
    """

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(128, ge=1)
    temperature: float = Field(0.2, gt=0)
    momentum: float = Field(0.999, ge=0, le=1)
    queue: int = Field(1024, ge=1)


class MoCo(Method):
    """A view finds its moving average's projection among those of earlier records.

    Chen et al., https://arxiv.org/abs/2003.04297. Both views show one lead. The paper shuffles
    batches over devices, so that batch norm cannot tell which key belongs to a query; on one device
    there is nothing to shuffle, and it is left out.
    """

    config_class: ClassVar[type[MoCoConfig]] = MoCoConfig
    views = "aa"
    config: MoCoConfig

    def __init__(self, encoder: nn.Module, config: MoCoConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = MoCoProjectionHead(features, c.hidden_dim, c.output_dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        loss = NTXentLoss(
            temperature=c.temperature,
            memory_bank_size=(c.queue, c.output_dim),
            gather_distributed=across_devices(),
        )
        # Lightly leaves the queue out of the state; a pretraining that goes on needs it.
        queue = loss.memory_bank
        queue.register_buffer("bank", queue.bank, persistent=True)
        queue.register_buffer("bank_ptr", queue.bank_ptr, persistent=True)
        self.loss = Float32Loss(loss)

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Cross entropy of the first view as query; the second one's keys then join the queue."""
        query = self.projector(self.encoder(views[0]))
        with torch.no_grad():
            key = self.target_projector(self.target_encoder(views[1]))
        return StepOutput(loss=self.loss(query, key), terms={})

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
        update_moving_average(self.projector, self.target_projector, self.config.momentum)
