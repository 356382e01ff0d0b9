"""vit1d_xs against torch's own transformer layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.encoders import vit1d
from lcd_plugin.errors import ConfigError


def _count(inputs: int, features: int, depth: int) -> int:
    block = 4 * features * features + 4 * features  # queries, keys, values and the projection
    block += 8 * features * features + 5 * features  # two layers, four times as many between
    block += 4 * features  # two norms
    return inputs * features + features + depth * block + 2 * features


def test_counts_that_the_documentation_gives() -> None:
    for width, count, features in ((1, 3_564_288, 192), (0.25, 227_520, 48)):
        encoder = create_encoder("vit1d_xs", width=width)
        assert sum(p.numel() for p in encoder.parameters()) == count == _count(25, features, 8)
        assert encoder.num_features == features


@pytest.mark.parametrize("lead_tokens", [False, True])
def test_count_follows_leads_and_patches(lead_tokens: bool) -> None:
    encoder = create_encoder(
        "vit1d_xs", in_leads=12, width=0.25, depth=3, patch=20, lead_tokens=lead_tokens
    )
    expected = _count(20, 48, 3) + 12 * 48 if lead_tokens else _count(12 * 20, 48, 3)
    assert sum(p.numel() for p in encoder.parameters()) == expected


def _layer_of_torch(block: nn.Module, features: int, heads: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        *(features, heads, 4 * features),
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    ).double()
    ours = (
        *(block.queries_keys_values, block.projection, block.expand, block.reduce),
        *(block.attention_norm, block.norm),
    )
    theirs = (layer.self_attn.out_proj, layer.linear1, layer.linear2, layer.norm1, layer.norm2)
    layer.self_attn.in_proj_weight.data.copy_(ours[0].weight)
    layer.self_attn.in_proj_bias.data.copy_(ours[0].bias)
    for one, other in zip(ours[1:], theirs, strict=True):
        other.load_state_dict(one.state_dict())
    return layer


def _positions(count: int, features: int) -> Tensor:
    """Sines and cosines as the paper gives them, without its interleaving."""
    made = np.zeros((count, features))
    for position in range(count):
        for i in range(features // 2):
            angle = position / 10000 ** (2 * i / features)
            made[position, i] = np.sin(angle)
            made[position, features // 2 + i] = np.cos(angle)
    return torch.from_numpy(made)


def _naive(encoder: nn.Module, signals: Tensor, heads: int, patch: int, by_lead: bool) -> Tensor:
    """Features before pooling: patches by a convolution, and layers of torch."""
    features = encoder.num_features
    batch, leads, time = signals.shape
    count = -(-time // patch)
    padded = torch.cat([signals, signals.new_zeros(batch, leads, count * patch - time)], dim=2)
    weight = encoder.embedding.weight.reshape(features, -1, patch)
    parts = padded.split(1, dim=1) if by_lead else [padded]
    tokens = []
    for lead, part in enumerate(parts):
        embedded = F.conv1d(part, weight, encoder.embedding.bias, stride=patch).mT
        embedded = embedded + _positions(count, features)
        tokens.append(embedded + encoder.lead_embeddings[lead] if by_lead else embedded)
    x = torch.cat(tokens, dim=1)
    for block in encoder.blocks:
        x = _layer_of_torch(block, features, heads)(x)
    x = F.layer_norm(x, (features,), encoder.norm.weight, encoder.norm.bias, 1e-6)
    return sum(x.split(count, dim=1)).mT / len(parts)


@pytest.mark.parametrize("few", [0, 10_000], ids=["fused", "plain"])
@pytest.mark.parametrize("by_lead", [False, True])
@pytest.mark.parametrize("time", [80, 101])
def test_equals_layers_of_torch(
    monkeypatch: pytest.MonkeyPatch, few: int, by_lead: bool, time: int
) -> None:
    monkeypatch.setattr(vit1d, "FEW_TOKENS", few)
    torch.manual_seed(0)
    encoder = create_encoder(
        "vit1d_xs", in_leads=3, width=0.1, depth=2, heads=2, patch=20, lead_tokens=by_lead
    ).double()
    for parameter in encoder.parameters():  # norms and biases too, which start as constants
        nn.init.normal_(parameter, std=0.3)
    signals = torch.randn(4, 3, time, dtype=torch.float64)
    expected = _naive(encoder, signals, heads=2, patch=20, by_lead=by_lead)
    # Positions are computed in single precision.
    torch.testing.assert_close(encoder.forward_features(signals), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoder(signals), expected.mean(dim=2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lead_tokens", [False, True])
@pytest.mark.parametrize(("time", "positions"), [(64, 3), (75, 3), (76, 4), (1000, 40)])
def test_a_position_is_a_patch_of_time(time: int, positions: int, lead_tokens: bool) -> None:
    encoder = create_encoder("vit1d_xs", in_leads=2, width=0.1, depth=1, lead_tokens=lead_tokens)
    features = encoder.forward_features(torch.randn(1, 2, time))
    assert features.shape == (1, encoder.num_features, positions)


@pytest.mark.parametrize("lead_tokens", [False, True])
def test_last_patch_is_filled_with_zeros(lead_tokens: bool) -> None:
    encoder = create_encoder("vit1d_xs", in_leads=2, width=0.1, depth=1, lead_tokens=lead_tokens)
    signals = torch.randn(2, 2, 90)
    longer = torch.cat([signals, torch.zeros(2, 2, 10)], dim=2)
    assert torch.equal(encoder(signals), encoder(longer))


def test_leads_as_tokens_are_told_apart_by_their_embedding_only() -> None:
    torch.manual_seed(0)
    encoder = create_encoder("vit1d_xs", in_leads=2, width=0.1, depth=1, lead_tokens=True)
    signals = torch.randn(2, 2, 100)
    with torch.no_grad():
        plain, swapped = encoder(signals), encoder(signals.flip(1))
        assert not torch.allclose(plain, swapped, atol=1e-4)
        encoder.lead_embeddings.zero_()
        torch.testing.assert_close(encoder(signals), encoder(signals.flip(1)))


@pytest.mark.parametrize(("width", "heads"), [(0.05, 4), (0.1, 4), (0.3, 3), (1, 6)])
def test_features_are_what_heads_can_share(width: float, heads: int) -> None:
    encoder = create_encoder("vit1d_xs", width=width, heads=heads, depth=1)
    assert encoder.num_features % heads == 0
    assert encoder.num_features % 2 == 0
    assert abs(encoder.num_features - 192 * width) <= heads


def test_other_leads_are_refused() -> None:
    encoder = create_encoder("vit1d_xs", in_leads=2, width=0.1, depth=1)
    with pytest.raises(ValueError, match=r"^expected 2 leads, got 3\.$"):
        encoder(torch.zeros(1, 3, 100))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"heads": 0}, "heads must be a whole number of at least 1, got 0."),
        ({"patch": 2.5}, "patch must be a whole number of at least 1, got 2.5."),
        ({"width": 0.01}, "width 0.01 leaves a layer without channels; give a greater one."),
        ({"drop_path": -1}, "drop_path must be at least 0 and below 1, got -1."),
        ({"patch_size": 16}, "vit1d_xs has no setting 'patch_size'; did you mean 'patch'?"),
    ],
)
def test_what_is_said_of_bad_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_encoder("vit1d_xs", **settings)
    assert str(error.value) == f"Encoder 'vit1d_xs' cannot be made: {sentence}"
