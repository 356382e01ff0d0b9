"""A vision transformer for one-dimensional signals, registered with timm."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from timm.models import register_model
from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import check_counts, make_for_timm, rising, scaled

FEATURES = 192

# So many tokens attend by plain products on a CPU, where torch's fused attention is several times
# slower in bfloat16; for more, all products of a batch would take much memory.
FEW_TOKENS = 128


class Block(nn.Module):
    """Attention between tokens, then two layers over features, each beside a shortcut.

    Args:
        features: of a token; between the two layers there are four times as many.
        heads: attention heads, which share the features.
        drop_path: probability that a record skips a residual in training.
    """

    def __init__(self, features: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(features, eps=1e-6)
        self.queries_keys_values = nn.Linear(features, 3 * features)
        self.projection = nn.Linear(features, features)
        self.norm = nn.LayerNorm(features, eps=1e-6)
        self.expand = nn.Linear(features, 4 * features)
        self.activation = nn.GELU()
        self.reduce = nn.Linear(4 * features, features)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, features) to the same shape."""
        x = x + self.drop_path(self._attend(self.attention_norm(x)))
        residual: Tensor = self.drop_path(self.reduce(self.activation(self.expand(self.norm(x)))))
        return x + residual

    def _attend(self, x: Tensor) -> Tensor:
        parts = self.queries_keys_values(x).reshape(*x.shape[:2], 3, self.heads, -1)
        # Each of shape (batch, heads, tokens, features / heads).
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        if x.is_cpu and x.shape[1] <= FEW_TOKENS:
            scale = queries.shape[-1] ** -0.5
            found = (queries * scale @ keys.transpose(2, 3)).softmax(dim=-1) @ values
        else:
            found = F.scaled_dot_product_attention(queries, keys, values)
        attended: Tensor = self.projection(found.transpose(1, 2).flatten(2))
        return attended


class ViT1d(nn.Module):
    """A transformer over patches of time, averaged over them.

    Dosovitskiy et al., https://arxiv.org/abs/2010.11929, in the size that Weimann and Conrad,
    https://arxiv.org/abs/2410.13867, call XS for electrocardiograms: 8 blocks of 4 heads, patches
    of 25 samples; for one lead 3,564,288 parameters and 192 features, at width 0.25 227,520 and
    48. Positions are sines and cosines (Vaswani et al., https://arxiv.org/abs/1706.03762) that are
    computed for any number of patches. A last patch that is not full is filled with zeros.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        width: factor on the number of features, which is rounded to what the heads can share.
        depth: number of blocks.
        heads: attention heads of a block.
        patch: samples of a patch.
        lead_tokens: every lead's patches are tokens, told apart by an embedding of their lead; else
            a token is a patch of all leads. In both cases a position of `forward_features` is a
            stretch of time: tokens of different leads at one time are averaged.
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
        depth: int = 8,
        heads: int = 4,
        patch: int = 25,
        lead_tokens: bool = False,
        drop_path: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        check_counts(in_leads=in_leads, depth=depth, heads=heads, patch=patch)
        features = scaled(FEATURES, width, multiple_of=math.lcm(heads, 2))
        self.in_leads = in_leads
        self.num_features = features
        self.patch = patch
        self.embedding = nn.Linear(patch if lead_tokens else in_leads * patch, features)
        self.lead_embeddings = (
            nn.Parameter(torch.zeros(in_leads, 1, features)) if lead_tokens else None
        )
        self.blocks = nn.Sequential(
            *(Block(features, heads, rate) for rate in rising(drop_path, depth))
        )
        self.norm = nn.LayerNorm(features, eps=1e-6)
        self.head = nn.Linear(features, num_classes) if num_classes else nn.Identity()
        self._reset()

    def _reset(self) -> None:
        """Start as the authors' code does: Glorot's uniform weights, biases of zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        if self.lead_embeddings is not None:
            nn.init.trunc_normal_(self.lead_embeddings, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features), or to class scores."""
        scores: Tensor = self.head(self.forward_features(x).mean(dim=2))
        return scores

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features, positions), not pooled yet."""
        if x.shape[1] != self.in_leads:
            raise ValueError(f"expected {self.in_leads} leads, got {x.shape[1]}.")
        padded = F.pad(x, (0, -x.shape[2] % self.patch))
        patches = padded.reshape(*padded.shape[:2], -1, self.patch)
        if self.lead_embeddings is None:
            patches = patches.transpose(1, 2).flatten(2).unsqueeze(1)
        # Shape (batch, leads or 1, positions, features).
        tokens: Tensor = self.embedding(patches)
        tokens = tokens + sinusoids(tokens.shape[2], self.num_features, x.device)
        if self.lead_embeddings is not None:
            tokens = tokens + self.lead_embeddings
        encoded: Tensor = self.norm(self.blocks(tokens.flatten(1, 2)))
        return encoded.reshape(tokens.shape).mean(dim=1).transpose(1, 2)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns of parameter names by which timm tells layers apart; a layer is a block."""
        # The last norm belongs to the block before it, which is what 99999 says to timm.
        blocks = [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))]
        return {"stem": r"^(?:embedding|lead_embeddings)", "blocks": blocks}


def sinusoids(positions: int, features: int, device: torch.device) -> Tensor:
    """Embeddings of positions, shape (positions, features): sines, then cosines.

    Wavelengths rise geometrically from 2 pi to nearly 10000 * 2 pi positions.
    """
    half = features // 2
    wave = torch.exp(torch.arange(half, device=device) * (-math.log(10000) / half))
    angles = torch.arange(positions, device=device)[:, None] * wave
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@register_model
def vit1d_xs(pretrained: bool = False, **kwargs: Any) -> ViT1d:
    """Make a `ViT1d`; `timm.create_model("vit1d_xs", ...)` calls this.

    Args:
        pretrained: must be False, there are no published weights.
        **kwargs: arguments of `ViT1d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that cannot be.
    """
    return make_for_timm(ViT1d, "vit1d_xs", pretrained, kwargs)
