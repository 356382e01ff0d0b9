"""The convolution that the encoders share, and what else they share."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from lcd_plugin.encoders.conv1d import (
    Conv1d,
    check_counts,
    choose,
    conv_norm,
    make_for_timm,
    rising,
    scaled,
)

SHAPES = [
    {"in_channels": 1, "out_channels": 4, "kernel_size": 7, "stride": 2, "padding": 3},
    {"in_channels": 3, "out_channels": 5, "kernel_size": 3, "padding": 1},
    {"in_channels": 4, "out_channels": 6, "kernel_size": 1, "stride": 2, "bias": False},
    {"in_channels": 4, "out_channels": 8, "kernel_size": 5, "padding": 2, "groups": 4},
    {"in_channels": 2, "out_channels": 3, "kernel_size": 4, "stride": 4},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("time", [8, 33])
def test_equals_the_convolution_of_torch(shape: dict[str, Any], time: int) -> None:
    ours = Conv1d(**shape).double()
    plain = nn.Conv1d(**shape).double()
    plain.load_state_dict(ours.state_dict())
    one = torch.randn(3, shape["in_channels"], time, dtype=torch.float64, requires_grad=True)
    other = one.detach().clone().requires_grad_()
    result, expected = ours(one.unsqueeze(2)), plain(other)
    assert result.shape[2] == 1
    torch.testing.assert_close(result.squeeze(2), expected)

    direction = torch.randn_like(expected)
    (result.squeeze(2) * direction).sum().backward()
    (expected * direction).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("leads", [1, 2])
def test_channels_lie_innermost_in_memory(leads: int) -> None:
    result = Conv1d(leads, 8, 3, padding=1)(torch.randn(2, leads, 1, 16))
    assert result.stride() == (16 * 8, 1, 16 * 8, 8)


@pytest.mark.parametrize(("length", "stride", "positions"), [(7, 2, 17), (5, 1, 33), (1, 2, 17)])
def test_convolution_and_norm_keep_the_length_up_to_the_stride(
    length: int, stride: int, positions: int
) -> None:
    layers = nn.Sequential(*conv_norm(2, 4, length, stride))
    result = layers(torch.randn(8, 2, 1, 33))
    assert result.shape == (8, 4, 1, positions)
    spread = result.std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(spread, torch.ones(4), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("channels", "width", "multiple", "expected"),
    [(64, 0.25, 1, 16), (40, 0.05, 1, 2), (64, 1, 1, 64), (192, 0.1, 4, 20), (192, 1.5, 4, 288)],
)
def test_scaled_channels(channels: int, width: float, multiple: int, expected: int) -> None:
    assert scaled(channels, width, multiple) == expected


@pytest.mark.parametrize("width", [0, -1.0, math.nan, math.inf, "wide", None])
def test_widths_that_are_none(width: Any) -> None:
    with pytest.raises(ValueError, match=r"^width must be a number above 0, got .*\.$"):
        scaled(64, width)


def test_too_small_a_width() -> None:
    with pytest.raises(ValueError, match=r"^width 0\.001 leaves a layer without channels; .*\.$"):
        scaled(64, 0.001)


def test_skipping_rises_evenly() -> None:
    assert rising(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert rising(0, 2) == [0, 0]


@pytest.mark.parametrize("drop_path", [-0.1, 1, math.nan, "some"])
def test_skipping_that_cannot_be(drop_path: Any) -> None:
    with pytest.raises(ValueError, match=r"^drop_path must be at least 0 and below 1, got .*\.$"):
        rising(drop_path, 4)


@pytest.mark.parametrize("count", [0, -1, 1.5, "two"])
def test_counts_that_cannot_be(count: Any) -> None:
    with pytest.raises(ValueError, match=r"^heads must be a whole number of at least 1, got .*\.$"):
        check_counts(depth=1, heads=count)


def test_choice_that_is_none() -> None:
    assert choose("depth", 18, {18: "a", 34: "b"}) == "a"
    with pytest.raises(ValueError, match=r"^depth must be one of 18, 34, got 50\.$"):
        choose("depth", 50, {18: "a", 34: "b"})


class _Model(nn.Module):
    def __init__(self, in_leads: int = 1, depth: int = 2) -> None:
        super().__init__()
        self.made_with = (in_leads, depth)


def test_what_timm_passes_is_understood() -> None:
    settings: dict[str, Any] = {"pretrained_cfg": None, "cache_dir": None, "in_chans": 3}
    before = copy.copy(settings)
    assert make_for_timm(_Model, "model", False, settings).made_with == (3, 2)
    assert settings == before


def test_unknown_setting_suggests_the_near_one() -> None:
    expected = r"^model has no setting 'depths'; did you mean 'depth'\?$"
    with pytest.raises(ValueError, match=expected):
        make_for_timm(_Model, "model", False, {"depths": 3})


def test_pretrained_weights_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"^model has no published weights; "):
        make_for_timm(_Model, "model", True, {})
