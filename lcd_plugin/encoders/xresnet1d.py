"""ResNet with the tweaks of the bag of tricks, in one dimension, registered with timm."""

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

# Channels of the stem's convolutions, and of every stage before expansion.
STEM = (32, 32, 64)
CHANNELS = 64
LENGTH = 5

# Expansion, and blocks of the four stages.
DEPTHS = {
    18: (1, (2, 2, 2, 2)),
    34: (1, (3, 4, 6, 3)),
    50: (4, (3, 4, 6, 3)),
    101: (4, (3, 4, 23, 3)),
}


class Block(nn.Module):
    """Two convolutions, or a bottleneck of three, beside a shortcut that averages.

    A stride is with the long convolution, never with one of length 1, and the shortcut takes means
    of pairs instead of every other position. The last batch norm starts at zero, so that a block
    starts as its shortcut.

    Args:
        inputs: channels of the input.
        channels: channels of the convolutions.
        expansion: outputs per channel; 1 makes two long convolutions, more a bottleneck.
        stride: 1 or 2, by which time gets shorter.
    """

    def __init__(self, inputs: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        outputs = channels * expansion
        shapes = [(inputs, channels, LENGTH, stride), (channels, outputs, LENGTH, 1)]
        if expansion > 1:
            shapes = [
                (inputs, channels, 1, 1),
                (channels, channels, LENGTH, stride),
                (channels, outputs, 1, 1),
            ]
        layers: list[nn.Module] = []
        for shape in shapes:
            layers += [*conv_norm(*shape), nn.ReLU(inplace=True)]
        self.residual = nn.Sequential(*layers[:-1])
        nn.init.zeros_(self.residual[-1].weight)  # type: ignore[arg-type]
        self.shortcut = nn.Sequential()
        if stride > 1:
            # A last position without a partner is its own mean, as the convolution keeps it too.
            self.shortcut.append(nn.AvgPool2d((1, 2), ceil_mode=True))
        if inputs != outputs:
            self.shortcut.extend(conv_norm(inputs, outputs, 1))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, 1, time) to (batch, channels * expansion, 1, time / stride)."""
        y: Tensor = self.activation(self.residual(x) + self.shortcut(x))
        return y


class XResNet1d(ResidualNetwork):
    """The xresnet1d of the PTB-XL benchmark, with global average pooling.

    He et al., Bag of tricks, https://arxiv.org/abs/1812.01187, in the form that Strodthoff et al.,
    https://arxiv.org/abs/2004.13701, use on PTB-XL: convolutions of length 5, and 64 channels in
    all stages. A position is 32 samples; zeros are put before and after the signal, so that any
    length goes. At depth 50 it has 884,640 parameters and 256 features, at width 0.25 57,768 and
    64.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        width: factor on the number of channels.
        depth: 18, 34, 50 or 101 layers; the last two with bottlenecks.
        num_classes: outputs of a linear classifier; 0 gives the features.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self, in_leads: int = 1, width: float = 1.0, depth: int = 50, num_classes: int = 0
    ) -> None:
        check_counts(in_leads=in_leads)
        expansion, blocks = choose("depth", depth, DEPTHS)
        channels = scaled(CHANNELS, width)
        stem: list[nn.Module] = []
        inputs = in_leads
        for i, unscaled in enumerate(STEM):
            outputs = scaled(unscaled, width)
            stem += [*conv_norm(inputs, outputs, LENGTH, 2 if i == 0 else 1), nn.ReLU(inplace=True)]
            inputs = outputs
        stem_with_pool = nn.Sequential(*stem, nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1)))
        stages = nn.Sequential()
        for i, count in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(count):
                stage.append(Block(inputs, channels, expansion, 2 if i > 0 and j == 0 else 1))
                inputs = channels * expansion
            stages.append(stage)
        super().__init__(in_leads, stem_with_pool, stages, inputs, num_classes)


@register_model
def xresnet1d50(pretrained: bool = False, **kwargs: Any) -> XResNet1d:
    """Make an `XResNet1d`; `timm.create_model("xresnet1d50", ...)` calls this.

    Args:
        pretrained: must be False, there are no published weights.
        **kwargs: arguments of `XResNet1d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that cannot be.
    """
    return make_for_timm(XResNet1d, "xresnet1d50", pretrained, kwargs)
