"""resnet1d18 against a ResNet of plain one-dimensional layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm1d(outputs)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm1d(outputs)
        self.projection: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.projection = nn.Sequential(
                nn.Conv1d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm1d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.projection(x))


def _plain(leads: int, channels: list[int], blocks: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv1d(leads, channels[0], 7, stride=2, padding=3, bias=False),
        nn.BatchNorm1d(channels[0]),
        nn.ReLU(),
        nn.MaxPool1d(3, stride=2, padding=1),
    ]
    inputs = channels[0]
    for stage, count in enumerate(blocks):
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            layers.append(_Block(inputs, channels[stage], stride))
            inputs = channels[stage]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())


def _copy(source: nn.Module, target: nn.Module) -> None:
    """Weights and statistics in the order in which both hold them."""
    ours, theirs = list(source.state_dict().values()), list(target.state_dict().values())
    assert [v.shape for v in ours] == [v.shape for v in theirs]
    for value, place in zip(ours, theirs, strict=True):
        place.copy_(value)


@pytest.mark.parametrize("depth", BLOCKS)
@pytest.mark.parametrize("leads", [1, 12])
def test_as_many_parameters_as_plain_layers(depth: int, leads: int) -> None:
    encoder = create_encoder("resnet1d18", in_leads=leads, depth=depth)
    plain = _plain(leads, [64, 128, 256, 512], BLOCKS[depth])
    count = sum(p.numel() for p in plain.parameters())
    assert sum(p.numel() for p in encoder.parameters()) == count
    assert encoder.num_features == 512


def test_counts_that_the_documentation_gives() -> None:
    for width, count, features in ((1, 3_843_904, 512), (0.25, 242_128, 128)):
        encoder = create_encoder("resnet1d18", width=width)
        assert sum(p.numel() for p in encoder.parameters()) == count
        assert encoder.num_features == features


@pytest.mark.parametrize("depth", BLOCKS)
@pytest.mark.parametrize("train", [True, False])
def test_equals_plain_layers(depth: int, train: bool) -> None:
    torch.manual_seed(0)
    encoder = create_encoder("resnet1d18", in_leads=3, width=0.125, depth=depth).double()
    encoder(torch.randn(8, 3, 128, dtype=torch.float64))  # moves the statistics of batch norms
    plain = _plain(3, [8, 16, 32, 64], BLOCKS[depth]).double()
    _copy(encoder, plain)
    encoder.train(train)
    plain.train(train)
    for time in (64, 129):
        signals = torch.randn(4, 3, time, dtype=torch.float64)
        expected = plain(signals)
        torch.testing.assert_close(encoder(signals), expected, rtol=1e-9, atol=1e-12)
    direction = torch.randn_like(expected)
    ours = torch.autograd.grad((encoder(signals) * direction).sum(), list(encoder.parameters()))
    theirs = torch.autograd.grad((plain(signals) * direction).sum(), list(plain.parameters()))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_weights_start_at_the_scale_of_he() -> None:
    torch.manual_seed(0)
    weight = create_encoder("resnet1d18").stages[3][1].residual[0].weight
    assert weight.std().item() == pytest.approx((2 / (512 * 3)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(("time", "positions"), [(64, 2), (65, 3), (1000, 32), (2048, 64)])
def test_a_position_is_32_samples_rounded_up(time: int, positions: int) -> None:
    encoder = create_encoder("resnet1d18", width=0.05).eval()
    assert encoder.forward_features(torch.randn(1, 1, time)).shape[2] == positions


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"depth": 50}, "depth must be one of 10, 18, 34, got 50."),
        ({"width": 0.001}, "width 0.001 leaves a layer without channels; give a greater one."),
        ({"in_leads": 0}, "in_leads must be a whole number of at least 1, got 0."),
        ({"widht": 1}, "resnet1d18 has no setting 'widht'; did you mean 'width'?"),
    ],
)
def test_what_is_said_of_bad_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_encoder("resnet1d18", **settings)
    assert str(error.value) == f"Encoder 'resnet1d18' cannot be made: {sentence}"
