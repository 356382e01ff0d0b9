"""VGG16 for one-dimensional signals, registered with timm."""

from __future__ import annotations

from typing import Any

from timm.models import register_model
from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import Conv1d, make_for_timm

# Channels and number of convolutions of the five stages, as in the image model.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


class VGG1d(nn.Module):
    """VGG16 with one-dimensional convolutions, batch norm and global average pooling.

    Stages of 2, 2, 3, 3, 3 convolutions of length 3 with a halving of the time axis after each,
    as in Simonyan and Zisserman, https://arxiv.org/abs/1409.1556, and, at width 0.125, the
    encoder of the LCD paper (78,216 parameters, 64 features).

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        width: factor on the number of channels.
        num_classes: outputs of a linear classifier; 0 gives the features.

    Raises:
        ValueError: `in_leads` below 1, or a width that leaves a stage without channels.
    """

    def __init__(self, in_leads: int = 1, width: float = 0.125, num_classes: int = 0) -> None:
        super().__init__()
        channels = [round(c * width) for c, _ in STAGES]
        if in_leads < 1 or min(channels) < 1:
            raise ValueError(
                f"vgg16_1d needs in_leads >= 1 and width >= {1 / 64:g}, "
                f"got in_leads {in_leads} and width {width:g}."
            )
        stages = []
        inputs = in_leads
        for outputs, (_, depth) in zip(channels, STAGES, strict=True):
            stages.append(_stage(inputs, outputs, depth))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.in_leads = in_leads
        self.num_features = inputs
        self.head = nn.Linear(inputs, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features), or to class scores."""
        scores: Tensor = self.head(self.forward_features(x).mean(dim=2))
        return scores

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features, positions), not pooled yet."""
        features: Tensor = self.stages(x.unsqueeze(2))
        return features.squeeze(2)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns of parameter names by which timm tells layers apart.

        Args:
            coarse: a layer is a stage; else a convolution with its batch norm.
        """
        if coarse:
            return {"stages": r"^stages\.(\d+)"}
        # A batch norm belongs to the convolution before it, which is what 99999 says to timm.
        batch_norms = (r"^stages\.(\d+)\.([147])\.", (99999,))
        return {"layers": [batch_norms, (r"^stages\.(\d+)\.(\d+)\.", None)]}


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [
            Conv1d(inputs if i == 0 else outputs, outputs, kernel_size=3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d((1, 2)))


@register_model
def vgg16_1d(pretrained: bool = False, **kwargs: Any) -> VGG1d:
    """Make a `VGG1d`; `timm.create_model("vgg16_1d", ...)` calls this.

    Args:
        pretrained: must be False, there are no published weights.
        **kwargs: arguments of `VGG1d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that does not exist.
    """
    return make_for_timm(VGG1d, "vgg16_1d", pretrained, kwargs)
