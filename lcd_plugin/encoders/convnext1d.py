"""ConvNeXt for one-dimensional signals, registered with timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers.drop import DropPath
from timm.models import register_model
from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import Conv1d, check_counts, make_for_timm, rising, scaled

# Channels of the four stages of the smallest published size (timm's "atto").
CHANNELS = (40, 80, 160, 320)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of (batch, channels, 1, time)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, 1, time) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A depthwise convolution of length 7, then two layers over channels, beside a shortcut.

    Args:
        channels: of input and output; between the two layers there are four times as many.
        layer_scale: what the factor on each channel of the residual starts at.
        drop_path: probability that a record skips the residual in training.
    """

    def __init__(self, channels: int, layer_scale: float, drop_path: float) -> None:
        super().__init__()
        self.depthwise = Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, 4 * channels)
        self.activation = nn.GELU()
        self.reduce = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), layer_scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, 1, time) to the same shape."""
        # Channels are innermost in memory already, so that this moves nothing.
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.reduce(self.activation(self.expand(y))) * self.scale
        residual: Tensor = self.drop_path(y.permute(0, 3, 1, 2))
        return x + residual


class ConvNeXt1d(nn.Module):
    """ConvNeXt in one dimension with global average pooling.

    Liu et al., https://arxiv.org/abs/2201.03545: patches of 4 samples, four stages of blocks
    between which time halves, so that a position is 32 samples; what does not fill a last one is
    cut off. The size is that of timm's "atto": 3,161,080 parameters and 320 features, at width 0.25
    203,470 and 80. Unlike in the paper, the last norm comes before the pooling, so that the
    features are means of those at all positions.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        width: factor on the number of channels.
        depths: blocks of the four stages.
        layer_scale: what the factors on the residuals start at.
        drop_path: probability that a record skips the last block in training; for the others it
            rises evenly from 0.
        num_classes: outputs of a linear classifier; 0 gives the features.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        in_leads: int = 1,
        width: float = 1.0,
        depths: Sequence[int] = (2, 2, 6, 2),
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        check_counts(in_leads=in_leads)
        if not isinstance(depths, Sequence) or len(depths) != len(CHANNELS):
            raise ValueError(f"depths must be {len(CHANNELS)} numbers of blocks, got {depths!r}.")
        for depth in depths:
            check_counts(depths=depth)
        channels = [scaled(c, width) for c in CHANNELS]
        rates = iter(rising(drop_path, sum(depths)))
        self.stem = nn.Sequential(
            Conv1d(in_leads, channels[0], 4, stride=4), ChannelNorm(channels[0], eps=1e-6)
        )
        self.stages = nn.Sequential()
        inputs = channels[0]
        for i, (outputs, depth) in enumerate(zip(channels, depths, strict=True)):
            stage = nn.Sequential()
            if i > 0:
                halve = Conv1d(inputs, outputs, 2, stride=2)
                stage.append(nn.Sequential(ChannelNorm(inputs, eps=1e-6), halve))
            stage.extend(Block(outputs, layer_scale, next(rates)) for _ in range(depth))
            self.stages.append(stage)
            inputs = outputs
        self.norm = ChannelNorm(inputs, eps=1e-6)
        self.in_leads = in_leads
        self.num_features = inputs
        self.head = nn.Linear(inputs, num_classes) if num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, Conv1d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features), or to class scores."""
        scores: Tensor = self.head(self.forward_features(x).mean(dim=2))
        return scores

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features, positions), not pooled yet."""
        features: Tensor = self.norm(self.stages(self.stem(x.unsqueeze(2))))
        return features.squeeze(2)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns of parameter names by which timm tells layers apart.

        Args:
            coarse: a layer is a stage; else a block, or the halving of time.
        """
        blocks = r"^stages\.(\d+)" + ("" if coarse else r"\.(\d+)")
        # The last norm belongs to the block before it, which is what 99999 says to timm.
        return {"stem": r"^stem", "blocks": [(blocks, None), (r"^norm", (99999,))]}


@register_model
def convnext1d(pretrained: bool = False, **kwargs: Any) -> ConvNeXt1d:
    """Make a `ConvNeXt1d`; `timm.create_model("convnext1d", ...)` calls this.

    Args:
        pretrained: must be False, there are no published weights.
        **kwargs: arguments of `ConvNeXt1d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that cannot be.
    """
    return make_for_timm(ConvNeXt1d, "convnext1d", pretrained, kwargs)
