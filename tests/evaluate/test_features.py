"""Frozen features of records."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.features import BATCH, extract_features, extract_tokens

CPU = torch.device("cpu")


@pytest.fixture
def encoder() -> LeadwiseEncoder:
    made = LeadwiseEncoder(create_encoder("vgg16_1d", width=0.05))
    made(torch.randn(16, 2, 64) + 1)
    return made


def _signals(records: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((records, 2, 64)).astype(np.float16)


@pytest.mark.parametrize("records", [1, BATCH, BATCH + 1])
def test_equals_the_encoder_record_by_record(encoder: LeadwiseEncoder, records: int) -> None:
    signals = _signals(records)
    features = extract_features(encoder.train(), signals, CPU)
    assert features.dtype == np.float32
    encoder.eval()
    with torch.no_grad():
        alone = [encoder(torch.tensor(s[None]).float()).numpy()[0] for s in signals]
    np.testing.assert_allclose(features, alone, rtol=1e-4, atol=1e-5)


def test_weights_statistics_and_signals_are_left_as_they_were(encoder: LeadwiseEncoder) -> None:
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    signals = _signals(10)
    signals.flags.writeable = False
    extract_features(encoder.train(), signals, CPU)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(encoder: LeadwiseEncoder, value: float) -> None:
    signals = _signals(BATCH + 5)
    signals[BATCH + 2, 1, 30] = value
    with pytest.raises(FloatingPointError, match="not finite"):
        extract_features(encoder, signals, CPU)


@pytest.mark.parametrize("records", [1, BATCH, BATCH + 1])
def test_mean_of_tokens_over_positions_is_the_features(
    encoder: LeadwiseEncoder, records: int
) -> None:
    signals = np.concatenate([_signals(records), -_signals(records)], axis=2)
    tokens = extract_tokens(encoder.train(), signals, CPU)
    assert tokens.shape == (records, 2, 4, encoder.num_features)
    assert tokens.dtype == np.float16
    assert tokens.flags["C_CONTIGUOUS"]
    features = extract_features(encoder, signals, CPU)
    pooled = tokens.astype(np.float64).mean(axis=2).reshape(records, -1)
    np.testing.assert_allclose(pooled, features, rtol=2e-3, atol=1e-4)
    assert np.ptp(features, axis=0).any() or records == 1


def test_tokens_that_are_not_finite(encoder: LeadwiseEncoder) -> None:
    signals = _signals(BATCH + 5)
    signals[BATCH + 2, 1, 30] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        extract_tokens(encoder, signals, CPU)


def test_tokens_too_large_for_what_they_are_kept_in(encoder: LeadwiseEncoder) -> None:
    with torch.no_grad():
        list(encoder.parameters())[-1].fill_(1e5)  # the shift of the last batch norm
    assert np.isfinite(extract_features(encoder, _signals(2), CPU)).all()
    with pytest.raises(FloatingPointError, match="float16"):
        extract_tokens(encoder, _signals(2), CPU)


def test_tokens_of_an_encoder_that_has_none() -> None:
    class Pooled(nn.Module):
        num_features = 1

        def forward(self, signals: Tensor) -> Tensor:
            return signals.mean(dim=2)

    with pytest.raises(ConfigError, match="Pooled gives no features before pooling"):
        extract_tokens(LeadwiseEncoder(Pooled()), _signals(2), CPU)
