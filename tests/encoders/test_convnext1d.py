"""convnext1d against functions on its parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError


def _count(leads: int, channels: tuple[int, ...], depths: tuple[int, ...]) -> int:
    """Weights, biases, norms and scales, from the paper's figure 4 with length instead of area."""
    total = leads * 4 * channels[0] + 3 * channels[0] + 2 * channels[-1]
    for c, depth in zip(channels, depths, strict=True):
        depthwise, norm, scale = 7 * c + c, 2 * c, c
        total += depth * (depthwise + norm + 4 * c * c + 4 * c + 4 * c * c + c + scale)
    for before, after in pairwise(channels):
        total += 2 * before + 2 * before * after + after
    return total


def test_counts_that_the_documentation_gives() -> None:
    for width, count, channels in (
        (1, 3_161_080, (40, 80, 160, 320)),
        (0.25, 203_470, (10, 20, 40, 80)),
    ):
        encoder = create_encoder("convnext1d", width=width)
        assert sum(p.numel() for p in encoder.parameters()) == count
        assert _count(1, channels, (2, 2, 6, 2)) == count
        assert encoder.num_features == channels[-1]


def test_count_follows_leads_and_depths() -> None:
    encoder = create_encoder("convnext1d", in_leads=12, width=0.1, depths=[1, 2, 3, 1])
    count = _count(12, (4, 8, 16, 32), (1, 2, 3, 1))
    assert sum(p.numel() for p in encoder.parameters()) == count


def _norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over the channels of (batch, channels, time)."""
    centred = x - x.mean(dim=1, keepdim=True)
    deviation = (centred.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    return centred / deviation * weight[:, None] + bias[:, None]


def _naive(encoder: nn.Module, x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """Features before pooling, with parameters by name and convolutions only."""
    p = dict(encoder.named_parameters())

    def norm(x: Tensor, name: str) -> Tensor:
        return _norm(x, p[f"{name}.weight"], p[f"{name}.bias"])

    def convolve(x: Tensor, name: str, **how: Any) -> Tensor:
        weight = p[f"{name}.weight"]
        weight = weight if weight.dim() == 3 else weight[:, :, None]
        return F.conv1d(x, weight, p[f"{name}.bias"], **how)

    x = norm(convolve(x, "stem.0", stride=4), "stem.1")
    for stage, depth in enumerate(depths):
        first = 0
        if stage > 0:
            x = convolve(norm(x, f"stages.{stage}.0.0"), f"stages.{stage}.0.1", stride=2)
            first = 1
        for block in (f"stages.{stage}.{first + i}" for i in range(depth)):
            y = convolve(x, f"{block}.depthwise", padding=3, groups=x.shape[1])
            y = convolve(norm(y, f"{block}.norm"), f"{block}.expand")
            y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
            x = x + p[f"{block}.scale"][:, None] * convolve(y, f"{block}.reduce")
    return norm(x, "norm")


@pytest.mark.parametrize("leads", [1, 3])
@pytest.mark.parametrize("time", [64, 111])
def test_equals_plain_functions(leads: int, time: int) -> None:
    torch.manual_seed(0)
    depths = (1, 2, 1, 2)
    encoder = create_encoder("convnext1d", in_leads=leads, width=0.1, depths=depths).double()
    for parameter in encoder.parameters():  # norms and scales too, which start as constants
        nn.init.normal_(parameter, std=0.5)
    signals = torch.randn(3, leads, time, dtype=torch.float64)
    expected = _naive(encoder, signals, depths)
    torch.testing.assert_close(encoder.forward_features(signals), expected)
    torch.testing.assert_close(encoder(signals), expected.mean(dim=2))


@pytest.mark.parametrize(("time", "positions"), [(64, 2), (95, 2), (96, 3), (1000, 31)])
def test_a_position_is_32_samples_and_the_rest_is_cut(time: int, positions: int) -> None:
    encoder = create_encoder("convnext1d", width=0.1).eval()
    assert encoder.forward_features(torch.randn(1, 1, time)).shape[2] == positions


def test_what_is_cut_does_not_matter() -> None:
    """Patches of 4, and three halvings: of 95 samples the first 92 make 23, 11, 5 and 2."""
    torch.manual_seed(0)
    encoder = create_encoder("convnext1d", width=0.1, layer_scale=1.0).eval()
    signals = torch.randn(2, 1, 95)
    ends = signals.clone()
    ends[..., 92:] = 7.0
    sooner = signals.clone()
    sooner[..., 88:] = 7.0
    with torch.no_grad():
        assert torch.equal(encoder(ends), encoder(signals))
        assert not torch.allclose(encoder(sooner), encoder(signals), atol=1e-4)


def test_weights_start_as_in_the_paper() -> None:
    torch.manual_seed(0)
    block = create_encoder("convnext1d").stages[3][1]
    assert block.expand.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.expand.bias.abs().max() == 0
    assert torch.equal(block.scale, torch.full((320,), 1e-6))


def test_blocks_can_be_skipped_in_training_only() -> None:
    torch.manual_seed(0)
    encoder = create_encoder("convnext1d", width=0.1, layer_scale=1.0, drop_path=0.9)
    signals = torch.randn(1, 1, 64).expand(32, 1, 64)
    assert encoder(signals).std(dim=0).max() > 1e-3
    assert encoder.eval()(signals).std(dim=0).max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"depths": (2, 2)}, "depths must be 4 numbers of blocks, got (2, 2)."),
        ({"depths": 3}, "depths must be 4 numbers of blocks, got 3."),
        ({"depths": (2, 2, 0, 2)}, "depths must be a whole number of at least 1, got 0."),
        ({"drop_path": 1.5}, "drop_path must be at least 0 and below 1, got 1.5."),
        ({"depth": 18}, "convnext1d has no setting 'depth'; did you mean 'depths' or 'width'?"),
    ],
)
def test_what_is_said_of_bad_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_encoder("convnext1d", **settings)
    assert str(error.value) == f"Encoder 'convnext1d' cannot be made: {sentence}"
