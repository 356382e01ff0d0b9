"""ResNet for one-dimensional signals, registered with timm."""

from __future__ import annotations

from typing import Any

from timm.models import register_model
from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import (
    check_counts,
    choose,
    conv_norm,
    make_for_timm,
    scaled,
)
from lcd_plugin.encoders.residual import ResidualNetwork

CHANNELS = (64, 128, 256, 512)

# Blocks of the four stages.
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two convolutions of length 3 beside a shortcut, which is a convolution of length 1 if needed.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: by which time gets shorter.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *conv_norm(inputs, outputs, 3, stride),
            nn.ReLU(inplace=True),
            *conv_norm(outputs, outputs, 3),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Sequential(*([] if same else conv_norm(inputs, outputs, 1, stride)))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, 1, time) to (batch, outputs, 1, time / stride)."""
        y: Tensor = self.activation(self.residual(x) + self.shortcut(x))
        return y


class ResNet1d(ResidualNetwork):
    """ResNet with basic blocks in one dimension and global average pooling.

    He et al., https://arxiv.org/abs/1512.03385: a convolution of length 7, pooling, then four
    stages of blocks, of which the last three halve time; a position is 32 samples. At depth 18 it
    has 3,843,904 parameters and 512 features, at width 0.25 242,128 and 128. Zeros are put before
    and after the signal, so that any length goes; the weights' start is He et al.'s.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        width: factor on the number of channels.
        depth: 10, 18 or 34 layers.
        num_classes: outputs of a linear classifier; 0 gives the features.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self, in_leads: int = 1, width: float = 1.0, depth: int = 18, num_classes: int = 0
    ) -> None:
        check_counts(in_leads=in_leads)
        channels = [scaled(c, width) for c in CHANNELS]
        stem = nn.Sequential(
            *conv_norm(in_leads, channels[0], 7, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1)),
        )
        stages = nn.Sequential()
        inputs = channels[0]
        for i, (outputs, blocks) in enumerate(
            zip(channels, choose("depth", depth, BLOCKS), strict=True)
        ):
            first = BasicBlock(inputs, outputs, stride=1 if i == 0 else 2)
            others = [BasicBlock(outputs, outputs, stride=1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *others))
            inputs = outputs
        super().__init__(in_leads, stem, stages, inputs, num_classes)


@register_model
def resnet1d18(pretrained: bool = False, **kwargs: Any) -> ResNet1d:
    """Make a `ResNet1d`; `timm.create_model("resnet1d18", ...)` calls this.

    Args:
        pretrained: must be False, there are no published weights.
        **kwargs: arguments of `ResNet1d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that cannot be.
    """
    return make_for_timm(ResNet1d, "resnet1d18", pretrained, kwargs)
