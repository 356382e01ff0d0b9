"""Calibrated batch-norm statistics against layer-by-layer sums over whole records."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.encoders import LeadwiseEncoder
from lcd_plugin.pretrain.batch_norm import CALIBRATION_BATCH, calibrate_batch_norm

LEADS, TIME = 3, 64


def _signals(records: int) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    levels = torch.linspace(-2, 3, records)[:, None, None]
    return (levels + torch.randn(records, LEADS, TIME, generator=draw)).half()


class _Network(nn.Module):
    """Two convolutions with batch norm, one after the other."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 4, 3, padding=1),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Conv1d(4, 6, 3, padding=1),
            nn.BatchNorm1d(6),
        )

    def forward(self, signals: Tensor) -> Tensor:
        features: Tensor = self.layers(signals).mean(dim=2)
        return features


def _encoder() -> nn.Module:
    torch.manual_seed(0)
    encoder = _Network()
    encoder(torch.randn(8, 1, TIME) * 5)  # statistics of something else
    return encoder


def _naive_statistics(encoder: nn.Module, signals: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Mean and unbiased variance before every batch norm, each layer fed with the exact last."""
    x = signals.double().reshape(-1, 1, TIME)
    statistics = []
    for layer in copy.deepcopy(encoder).double().layers:
        if isinstance(layer, nn.BatchNorm1d):
            values = x.permute(1, 0, 2).flatten(1)
            n = values.shape[1]
            mean = values.sum(dim=1) / n
            squares = ((values - mean[:, None]) ** 2).sum(dim=1)
            statistics.append((mean, squares / (n - 1)))
            x = (x - mean[:, None]) / torch.sqrt(squares / n + layer.eps)[:, None]
            x = x * layer.weight[:, None] + layer.bias[:, None]
        else:
            x = layer(x)
    return [(m.detach(), v.detach()) for m, v in statistics]


def _norms(encoder: nn.Module) -> list[nn.BatchNorm1d]:
    return [m for m in encoder.modules() if isinstance(m, nn.BatchNorm1d)]


def test_statistics_are_those_of_the_records() -> None:
    encoder, signals = _encoder(), _signals(CALIBRATION_BATCH)
    calibrate_batch_norm(LeadwiseEncoder(encoder), signals)
    expected = _naive_statistics(encoder, signals)
    for norm, (mean, variance) in zip(_norms(encoder), expected, strict=True):
        torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("records", [2 * CALIBRATION_BATCH, CALIBRATION_BATCH + 1])
def test_every_record_counts_the_same_over_several_batches(records: int) -> None:
    """Exact for the first layer, whose input does not depend on how records are batched."""
    encoder, signals = _encoder(), _signals(records)
    calibrate_batch_norm(LeadwiseEncoder(encoder), signals)
    mean, _ = _naive_statistics(encoder, signals)[0]
    torch.testing.assert_close(_norms(encoder)[0].running_mean.double(), mean, rtol=0, atol=2e-3)


def test_calibrated_features_do_not_depend_on_the_batch() -> None:
    """In eval mode a calibrated encoder gives what training mode gave on the whole data."""
    encoder, signals = _encoder(), _signals(CALIBRATION_BATCH).float()
    whole = LeadwiseEncoder(encoder)
    calibrate_batch_norm(whole, signals)
    with torch.no_grad():
        trained = copy.deepcopy(whole).train()(signals)
        evaluated = whole.eval()(signals)
    torch.testing.assert_close(evaluated, trained, rtol=1e-3, atol=1e-4)


def test_nothing_else_changes() -> None:
    encoder = _encoder().eval()
    whole = LeadwiseEncoder(encoder).eval()
    momenta = [norm.momentum for norm in _norms(encoder)]
    before = {k: v.clone() for k, v in encoder.named_parameters()}
    signals = _signals(10)
    kept = signals.clone()
    calibrate_batch_norm(whole, signals)
    assert not any(m.training for m in whole.modules())
    assert [norm.momentum for norm in _norms(encoder)] == momenta
    assert all(torch.equal(p, before[k]) for k, p in encoder.named_parameters())
    assert all(p.grad is None for p in encoder.parameters())
    assert torch.equal(signals, kept)


def test_calibrating_twice_is_calibrating_once() -> None:
    encoder, signals = _encoder(), _signals(20)
    calibrate_batch_norm(LeadwiseEncoder(encoder), signals)
    once = {k: v.clone() for k, v in encoder.state_dict().items()}
    calibrate_batch_norm(LeadwiseEncoder(encoder), signals)
    assert all(torch.equal(v, once[k]) for k, v in encoder.state_dict().items())
