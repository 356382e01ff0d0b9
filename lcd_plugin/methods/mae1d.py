"""Masked reconstruction of signals, for any encoder that gives features over time."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.encoders import in_leads_of
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.methods.span_mask import draw_span_mask, hide, samples_per_position

# Of a lead in the units of the records, such as mV: noise of 3 microvolts is not made a signal.
FLAT_VARIANCE = 1e-5


class MAE1dConfig(MethodConfig):
    """Settings of masked reconstruction.

    Attributes:
        mask_ratio: share of a record that is hidden.
        span: positions of the encoder's features that are hidden together.
    """

    mask_ratio: float = Field(0.5, gt=0, lt=1)
    span: int = Field(2, ge=1)


class MAE1d(Method):
    """Hidden spans of a record are reconstructed from the features of what is left of it.

    SimMIM, Xie et al., https://arxiv.org/abs/2111.09886, with spans of time for patches of an
    image: the encoder sees zeros in their place, and one linear layer makes the samples of each
    position. All leads that the encoder reads at once are hidden and reconstructed together.
    """

    config_class: ClassVar[type[MAE1dConfig]] = MAE1dConfig
    views = "a"
    capturable = True
    time_out = False
    config: MAE1dConfig

    def __init__(self, encoder: nn.Module, config: MAE1dConfig | None = None) -> None:
        super().__init__(encoder, config)
        self.samples = samples_per_position(encoder)
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.decoder = nn.Conv1d(features, in_leads_of(encoder) * self.samples, kernel_size=1)

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Mean absolute error of hidden samples, in standard deviations of their lead."""
        (view,) = views
        c, (batch, leads, time) = self.config, view.shape
        mask = draw_span_mask(batch, time // self.samples, c.mask_ratio, c.span, view.device)
        shown = hide(view, mask, self.samples)
        features = self.encoder.forward_features(shown)  # type: ignore[operator]
        decoded = self.decoder(features).float()
        # Time need not divide by positions, and an encoder may round either way: what both have.
        positions = min(mask.shape[1], decoded.shape[2])
        hidden = mask[:, None, :positions, None]
        # Both (batch, leads, positions, samples).
        decoded = decoded[:, :, :positions].unflatten(1, (leads, self.samples)).transpose(2, 3)
        targets = standardise(view)[:, :, : positions * self.samples].reshape(decoded.shape)
        error = (decoded - targets).abs() * hidden
        return StepOutput(loss=error.sum() / hidden.expand_as(error).sum(), terms={})


def standardise(signals: Tensor) -> Tensor:
    """Every lead of every record with mean 0 and variance 1, in float32.

    Not patch by patch, as for images: most of an ECG is a nearly flat line, whose noise would weigh
    as much as a beat, and how high one wave is beside another is what a diagnosis rests on.
    """
    signals = signals.float()
    variance, mean = torch.var_mean(signals, dim=2, correction=0, keepdim=True)
    return (signals - mean) * torch.rsqrt(variance + FLAT_VARIANCE)
