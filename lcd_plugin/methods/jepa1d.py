"""A masked latent predictor (JEPA) of signals, for any encoder that gives features over time."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average
from lcd_plugin.methods.span_mask import draw_span_mask, hide, samples_per_position

# Positions that each of the predictor's two layers sees: together four to either side.
KERNEL_SIZE = 5


class JEPA1dConfig(MethodConfig):
    """Settings of the masked latent predictor.

    Attributes:
        mask_ratio: share of a record that is hidden.
        span: positions of the encoder's features that are hidden together.
        hidden_dim: width of the predictor.
        momentum: of the moving average.
    """

    mask_ratio: float = Field(0.5, gt=0, lt=1)
    span: int = Field(2, ge=1)
    hidden_dim: int = Field(128, ge=1)
    momentum: float = Field(0.996, ge=0, le=1)


class JEPA1d(Method):
    """From a record with hidden spans, a predictor says what a moving average sees in them.

    I-JEPA, Assran et al., https://arxiv.org/abs/2301.08243, with spans of time for blocks of an
    image. The encoder is shown zeros in their place, as in data2vec, Baevski et al.,
    https://arxiv.org/abs/2202.03555, since convolutions cannot leave parts out; what it says of
    them is replaced by a learned token, so that filling in is left to the predictor.
    """

    config_class: ClassVar[type[JEPA1dConfig]] = JEPA1dConfig
    views = "a"
    capturable = True
    time_out = False
    config: JEPA1dConfig

    def __init__(self, encoder: nn.Module, config: JEPA1dConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        self.samples = samples_per_position(encoder)
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.token = nn.Parameter(torch.zeros(features, 1))
        self.predictor = nn.Sequential(
            nn.Conv1d(features, c.hidden_dim, KERNEL_SIZE, padding="same"),
            nn.BatchNorm1d(c.hidden_dim),
            nn.ReLU(),
            nn.Conv1d(c.hidden_dim, features, KERNEL_SIZE, padding="same"),
        )
        self.target_encoder = frozen_copy(self.encoder)

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Smooth L1 distance of hidden positions from their normalised targets."""
        (view,) = views
        c, (batch, _, time) = self.config, view.shape
        mask = draw_span_mask(batch, time // self.samples, c.mask_ratio, c.span, view.device)
        shown = hide(view, mask, self.samples)
        features = self.encoder.forward_features(shown)  # type: ignore[operator]
        # An encoder may round the number of positions otherwise; what it has more is not hidden.
        hidden = F.pad(mask, (0, features.shape[2] - mask.shape[1]))
        context = torch.where(hidden[:, None], self.token.to(features.dtype), features)
        predicted = self.predictor(context).transpose(1, 2).float()
        with torch.no_grad():
            targets = self.target_encoder.forward_features(view)  # type: ignore[operator]
            targets = F.layer_norm(targets.transpose(1, 2).float(), features.shape[1:2])
        error = F.smooth_l1_loss(predicted, targets, reduction="none") * hidden[:, :, None]
        return StepOutput(loss=error.mean(dim=2).sum() / hidden.sum(), terms={})

    def after_step(self) -> None:
        """Move the target a step towards the online network (parameters only)."""
        update_moving_average(self.encoder, self.target_encoder, self.config.momentum)
