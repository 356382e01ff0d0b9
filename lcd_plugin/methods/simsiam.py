"""SimSiam from lightly's heads and loss."""

from __future__ import annotations

from typing import ClassVar

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import Float32Loss, Method, MethodConfig, StepOutput


class SimSiamConfig(MethodConfig):
    """Settings of SimSiam; the predictor's bottleneck is a quarter of its width, as in the paper.

    Without that bottleneck, or without batch norm in the heads, there is more risk of collapse.
    """

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(512, ge=1)
    bottleneck_dim: int = Field(128, ge=1)


class SimSiam(Method):
    """Each view predicts the other one's projection, whose gradient is stopped.

    Chen and He, https://arxiv.org/abs/2011.10566. Both views show one lead.
    """

    config_class: ClassVar[type[SimSiamConfig]] = SimSiamConfig
    views = "aa"
    capturable = True
    config: SimSiamConfig

    def __init__(self, encoder: nn.Module, config: SimSiamConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = SimSiamProjectionHead(features, c.hidden_dim, c.output_dim)
        self.predictor = SimSiamPredictionHead(c.output_dim, c.bottleneck_dim, c.output_dim)
        self.loss = Float32Loss(NegativeCosineSimilarity())

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Symmetric loss of two views of one lead, between 0 (they agree) and 2."""
        projections = [self.projector(self.encoder(x)) for x in views]
        predictions = [self.predictor(z) for z in projections]
        forward = self.loss(predictions[0], projections[1].detach())
        backward = self.loss(predictions[1], projections[0].detach())
        # The paper's negative cosine plus 1, which is half the squared distance of unit vectors.
        return StepOutput(loss=1 + (forward + backward) / 2, terms={})
