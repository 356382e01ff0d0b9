"""Masks against what they promise, counted by hand."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.methods.span_mask import draw_span_mask, hide, samples_per_position
from lcd_plugin.plugins import METHODS

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Strided(nn.Module):
    """One convolution, with or without the positions at the end that are not full."""

    num_features = 5

    def __init__(self, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, 5, kernel_size=stride, stride=stride, padding=padding)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x).mean(dim=2)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.drop(self.layer(x))
        return features


def _runs(row: list[bool]) -> list[int]:
    """Lengths of what is hidden in one piece."""
    text = "".join("x" if hidden else "." for hidden in row)
    return [len(run) for run in re.findall("x+", text)]


@pytest.mark.parametrize("span", [1, 2, 3, 7])
@pytest.mark.parametrize(("positions", "ratio"), [(31, 0.5), (31, 0.75), (15, 0.3), (40, 0.6)])
def test_every_record_has_the_same_number_of_hidden_positions(
    positions: int, ratio: float, span: int
) -> None:
    mask = draw_span_mask(50, positions, ratio, span, CPU)
    assert mask.dtype == torch.bool
    assert mask.sum(dim=1).tolist() == [round(ratio * positions)] * 50


@pytest.mark.parametrize(
    ("positions", "ratio", "hidden"), [(2, 0.01, 1), (2, 0.99, 1), (3, 0.9, 2)]
)
def test_something_is_hidden_and_something_is_seen(
    positions: int, ratio: float, hidden: int
) -> None:
    mask = draw_span_mask(20, positions, ratio, 9, CPU)
    assert mask.sum(dim=1).tolist() == [hidden] * 20


def test_what_is_hidden_are_spans() -> None:
    masks = draw_span_mask(400, 60, 0.2, 4, CPU).tolist()
    short = long = 0
    for row in masks:
        # Twelve positions are three spans of four, or two with one at an edge, or cut as the last.
        runs = _runs(row[1:-1])
        long += sum(run >= 4 for run in runs)
        short += sum(run < 4 for run in runs)
    assert long > 4 * short


def test_spans_begin_anywhere_and_every_position_is_hidden_about_as_often() -> None:
    mask = draw_span_mask(4000, 24, 0.5, 4, CPU)
    begins = (mask[:, 1:] & ~mask[:, :-1]).float().mean(dim=0)
    assert begins.min() > 0.5 * begins.max()
    # Not precisely: a span that is cut as the last one loses its end.
    np.testing.assert_allclose(mask.float().mean(dim=0), 0.5, atol=0.06)


def test_equal_seeds_give_equal_masks_and_records_differ() -> None:
    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return draw_span_mask(8, 31, 0.5, 2, CPU)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert len(torch.unique(draw(1), dim=0)) == 8


def test_one_position_cannot_be_hidden() -> None:
    with pytest.raises(
        ValueError, match=r"two or more positions of the encoder, got 1; use longer"
    ):
        draw_span_mask(8, 1, 0.5, 2, CPU)


def test_hidden_samples_are_zero_and_all_others_as_they_were() -> None:
    signals = torch.randn(3, 2, 23)
    before = signals.clone()
    mask = draw_span_mask(3, 5, 0.4, 1, CPU)
    shown = hide(signals, mask, 4)
    assert torch.equal(signals, before)
    for record in range(3):
        for time in range(23):
            hidden = time // 4 < 5 and bool(mask[record, time // 4])
            expected = torch.zeros(2) if hidden else before[record, :, time]
            assert torch.equal(shown[record, :, time], expected)


@pytest.mark.parametrize("stride", [1, 8, 25, 32, 50])
@pytest.mark.parametrize("padding", [0, 1])
def test_samples_of_a_position_are_the_stride(stride: int, padding: int) -> None:
    assert samples_per_position(Strided(stride, min(padding, stride // 2))) == stride


def test_asking_leaves_the_encoder_and_randomness_as_they_were() -> None:
    encoder = create_encoder("vgg16_1d", in_leads=3, width=0.05).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    random = torch.get_rng_state()
    assert samples_per_position(encoder) == 32
    assert encoder.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def _pooled(x: Tensor) -> Tensor:
    return torch.zeros(len(x), 5)


def _always_seven(x: Tensor) -> Tensor:
    return torch.zeros(len(x), 5, 7)


@pytest.mark.parametrize("method", ["mae1d", "jepa1d"])
@pytest.mark.parametrize(
    ("features", "says"),
    [
        (None, r"Strided .* give it a method forward_features .* or choose another encoder"),
        (_pooled, r"gives shape \(1, 5\) for one record; make that \(1, 5, positions\)"),
        (_always_seven, r"7 positions for 4800 samples .* whose positions are spans of time"),
    ],
)
def test_an_encoder_without_features_over_time_is_refused(
    method: str, features: Callable[[Tensor], Tensor] | None, says: str
) -> None:
    encoder = Strided(8)
    encoder.forward_features = features  # type: ignore[assignment,method-assign]
    with pytest.raises(ConfigError, match=says):
        METHODS.load(method)(encoder)
