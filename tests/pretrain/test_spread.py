"""The two signs of collapse against NumPy and against features of a rank that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn

from lcd_plugin.pretrain.spread import effective_rank, watch_spread


def _features(records: int, features: int, seed: int = 0) -> Tensor:
    return torch.randn(records, features, generator=torch.Generator().manual_seed(seed))


class TestEffectiveRank:
    @pytest.mark.parametrize(("records", "features"), [(30, 8), (8, 30), (12, 1)])
    def test_is_that_of_roy_and_vetterli(self, records: int, features: int) -> None:
        given = _features(records, features) * torch.linspace(0.1, 3, features) + 5
        centred = given.numpy() - given.numpy().mean(axis=0)
        sizes = np.linalg.svd(centred, compute_uv=False)
        shares = sizes[sizes > 1e-6] / sizes.sum()
        expected = np.exp(-(shares * np.log(shares)).sum())
        assert effective_rank(given) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize("rank", [1, 3, 16])
    def test_of_directions_that_are_used_alike_is_their_number(self, rank: int) -> None:
        # Columns of a Hadamard matrix are orthogonal, and all but the first are centred.
        signs = torch.ones(1, 1)
        while len(signs) < 32:
            signs = torch.cat([torch.cat([signs, signs], 1), torch.cat([signs, -signs], 1)])
        mixed = torch.linalg.qr(_features(24, rank)).Q.T
        features = signs[:, 1 : rank + 1] @ mixed + 7
        assert effective_rank(features) == pytest.approx(rank, rel=1e-4)

    def test_does_not_depend_on_scale_or_offset(self) -> None:
        features = _features(40, 6)
        expected = effective_rank(features)
        assert effective_rank(features * 1e-3 + 2) == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("value", [0.0, 0.3, -1e4])
    def test_of_one_point_is_zero(self, value: float) -> None:
        """And not the many directions of what rounding leaves of it."""
        assert effective_rank(torch.full((37, 12), value)) == 0.0

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_of_what_is_not_finite_is_unknown(self, value: float) -> None:
        features = _features(10, 4)
        features[2, 1] = value
        assert math.isnan(effective_rank(features))

    def test_takes_half_precision(self) -> None:
        features = _features(50, 8)
        assert effective_rank(features.bfloat16()) == pytest.approx(
            effective_rank(features), rel=0.01
        )


class _Dropping(nn.Module):
    """Features that are drawn in training and not in use."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Dropout())

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


def test_an_encoder_is_watched_in_eval_mode_and_left_as_it_was() -> None:
    encoder, signals = _Dropping().train(), _features(64, 20).reshape(64, 1, 20).half()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    state = torch.get_rng_state()
    watched = watch_spread(encoder, signals)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(encoder.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in encoder.modules())
    features = encoder.eval()(signals.float()).detach()
    assert watched == {
        "embedding_std": float(std_of_l2_normalized(features)),
        "effective_rank": effective_rank(features),
    }


def test_one_direction_is_seen_by_the_rank_and_not_by_the_spread() -> None:
    """Dimensional collapse: records lie apart, but all on one line."""
    torch.manual_seed(0)

    class Line(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(dim=2) * torch.ones(16)

    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0]

    signals = _features(256, 16)[:, None]
    line, wide = watch_spread(Line(), signals), watch_spread(Wide(), signals)
    assert line["embedding_std"] == pytest.approx(wide["embedding_std"], rel=0.1)
    assert line["effective_rank"] == pytest.approx(1, abs=1e-3)
    assert wide["effective_rank"] > 14
