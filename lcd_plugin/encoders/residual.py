"""What the residual networks share: a stem, stages of blocks, pooling, and how weights start."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import Conv1d


class ResidualNetwork(nn.Module):
    """A stem, stages of residual blocks and global average pooling.

    Convolutions start as in He et al., https://arxiv.org/abs/1502.01852.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        stem: maps (batch, in_leads, 1, time) to what the first stage takes.
        stages: a sequence of blocks each.
        num_features: channels of the last stage.
        num_classes: outputs of a linear classifier; 0 gives the features.
    """

    def __init__(
        self,
        in_leads: int,
        stem: nn.Sequential,
        stages: nn.Sequential,
        num_features: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.in_leads = in_leads
        self.num_features = num_features
        self.head = nn.Linear(num_features, num_classes) if num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, Conv1d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features), or to class scores."""
        scores: Tensor = self.head(self.forward_features(x).mean(dim=2))
        return scores

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features, positions), not pooled yet."""
        features: Tensor = self.stages(self.stem(x.unsqueeze(2)))
        return features.squeeze(2)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns of parameter names by which timm tells layers apart.

        Args:
            coarse: a layer is a stage; else a block.
        """
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)" + ("" if coarse else r"\.(\d+)")}
