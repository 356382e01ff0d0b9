"""xresnet1d50 against an xresnet of plain one-dimensional layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def _convolution(inputs: int, outputs: int, length: int, stride: int = 1) -> nn.Sequential:
    padding = (length - 1) // 2
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, length, stride, padding, bias=False), nn.BatchNorm1d(outputs)
    )


class _Block(nn.Module):
    """Both kinds: two convolutions, or the bottleneck, whose outputs are four times as many."""

    def __init__(self, inputs: int, channels: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:
            outputs = 4 * channels
            self.path = nn.Sequential(
                _convolution(inputs, channels, 1),
                nn.ReLU(),
                _convolution(channels, channels, 5, stride),
                nn.ReLU(),
                _convolution(channels, outputs, 1),
            )
        else:
            outputs = channels
            self.path = nn.Sequential(
                _convolution(inputs, channels, 5, stride),
                nn.ReLU(),
                _convolution(channels, channels, 5),
            )
        self.stride = stride
        self.projection = nn.Identity() if inputs == outputs else _convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride == 2:
            # Means of pairs; a last one alone stays as it is.
            alone = x[..., x.shape[2] // 2 * 2 :]
            shortcut = torch.cat([F.avg_pool1d(x, 2), alone], dim=2)
        return torch.relu(self.path(x) + self.projection(shortcut))


def _plain(leads: int, width: float, depth: int) -> nn.Sequential:
    small, channels = round(32 * width), round(64 * width)
    layers: list[nn.Module] = [
        *(_convolution(leads, small, 5, 2), nn.ReLU()),
        *(_convolution(small, small, 5), nn.ReLU()),
        *(_convolution(small, channels, 5), nn.ReLU()),
        nn.MaxPool1d(3, stride=2, padding=1),
    ]
    inputs = channels
    for stage, count in enumerate(BLOCKS[depth]):
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            layers.append(_Block(inputs, channels, stride, depth >= 50))
            inputs = channels * (4 if depth >= 50 else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())


@pytest.mark.parametrize("depth", BLOCKS)
@pytest.mark.parametrize("leads", [1, 12])
def test_as_many_parameters_as_plain_layers(depth: int, leads: int) -> None:
    encoder = create_encoder("xresnet1d50", in_leads=leads, depth=depth)
    count = sum(p.numel() for p in _plain(leads, 1, depth).parameters())
    assert sum(p.numel() for p in encoder.parameters()) == count
    assert encoder.num_features == (256 if depth >= 50 else 64)


def test_counts_that_the_documentation_gives() -> None:
    for width, count, features in ((1, 884_640, 256), (0.25, 57_768, 64)):
        encoder = create_encoder("xresnet1d50", width=width)
        assert sum(p.numel() for p in encoder.parameters()) == count
        assert encoder.num_features == features


def _stirred(encoder: nn.Module) -> nn.Module:
    """With batch norms that are neither zero nor at their initial statistics."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    encoder(torch.randn(8, encoder.in_leads, 128, dtype=torch.float64))
    return encoder


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("train", [True, False])
def test_equals_plain_layers(depth: int, train: bool) -> None:
    torch.manual_seed(0)
    encoder = create_encoder("xresnet1d50", in_leads=2, width=0.125, depth=depth).double()
    plain = _plain(2, 0.125, depth).double()
    ours = list(_stirred(encoder).state_dict().values())
    theirs = list(plain.state_dict().values())
    assert [v.shape for v in ours] == [v.shape for v in theirs]
    for value, place in zip(ours, theirs, strict=True):
        place.copy_(value)
    encoder.train(train)
    plain.train(train)
    for time in (64, 85, 129):
        signals = torch.randn(4, 2, time, dtype=torch.float64)
        torch.testing.assert_close(encoder(signals), plain(signals), rtol=1e-8, atol=1e-10)


def test_block_starts_as_its_shortcut() -> None:
    encoder = create_encoder("xresnet1d50", width=0.25)
    x = torch.randn(4, 64, 1, 20).relu()
    torch.testing.assert_close(encoder.stages[0][1](x), x)
    halved = (x[..., ::2] + x[..., 1::2]) / 2
    torch.testing.assert_close(encoder.stages[1][0](x), halved)


@pytest.mark.parametrize(("time", "positions"), [(64, 2), (65, 3), (1000, 32), (2048, 64)])
def test_a_position_is_32_samples_rounded_up(time: int, positions: int) -> None:
    encoder = create_encoder("xresnet1d50", width=0.05, depth=18).eval()
    assert encoder.forward_features(torch.randn(1, 1, time)).shape[2] == positions


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"depth": 10}, "depth must be one of 18, 34, 50, 101, got 10."),
        ({"width": 0.001}, "width 0.001 leaves a layer without channels; give a greater one."),
        ({"in_leads": 0}, "in_leads must be a whole number of at least 1, got 0."),
        ({"dept": 1}, "xresnet1d50 has no setting 'dept'; did you mean 'depth'?"),
    ],
)
def test_what_is_said_of_bad_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_encoder("xresnet1d50", **settings)
    assert str(error.value) == f"Encoder 'xresnet1d50' cannot be made: {sentence}"
