"""Frozen features of records."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.evaluate.features import BATCH, extract_features

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
