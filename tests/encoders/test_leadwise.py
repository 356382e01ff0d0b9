"""One network shared over leads."""

from __future__ import annotations

import pytest
import torch

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.errors import ConfigError


@pytest.fixture
def encoder() -> torch.nn.Module:
    made = create_encoder("vgg16_1d", width=0.05)
    made(torch.randn(16, 1, 64))  # moves the batch-norm statistics from their initial values
    return made.eval()


@pytest.mark.parametrize("leads", [1, 2, 8, 12])
def test_equals_lead_by_lead(encoder: torch.nn.Module, leads: int) -> None:
    signals = torch.randn(3, leads, 64)
    with torch.no_grad():
        together = LeadwiseEncoder(encoder).eval()(signals)
        one_by_one = torch.cat([encoder(signals[:, i : i + 1]) for i in range(leads)], dim=1)
    assert together.shape == (3, leads * encoder.num_features)
    torch.testing.assert_close(together, one_by_one, rtol=1e-5, atol=1e-6)


def test_signals_need_not_be_contiguous(encoder: torch.nn.Module) -> None:
    signals = torch.randn(64, 2, 3).permute(2, 1, 0)
    whole = LeadwiseEncoder(encoder).eval()
    assert torch.equal(whole(signals), whole(signals.contiguous()))


def test_gradients_reach_the_shared_network(encoder: torch.nn.Module) -> None:
    LeadwiseEncoder(encoder)(torch.randn(4, 3, 64)).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("shape", [(64,), (2, 64), (2, 3, 1, 64)])
def test_other_shapes_are_refused(encoder: torch.nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(batch, leads, time\)") as error:
        LeadwiseEncoder(encoder)(torch.zeros(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("leads", [1, 3])
def test_features_before_pooling_equal_lead_by_lead(encoder: torch.nn.Module, leads: int) -> None:
    signals = torch.randn(3, leads, 128)
    whole = LeadwiseEncoder(encoder).eval()
    with torch.no_grad():
        tokens = whole.forward_features(signals)
        assert tokens.shape == (3, leads, 4, encoder.num_features)
        for i in range(leads):
            alone = encoder.forward_features(signals[:, i : i + 1])
            torch.testing.assert_close(tokens[:, i], alone.mT, rtol=1e-5, atol=1e-6)
        pooled = tokens.mean(dim=2).flatten(1)
        torch.testing.assert_close(pooled, whole(signals), rtol=1e-5, atol=1e-6)


class _Elsewhere(torch.nn.Module):
    """An encoder with features before pooling of a shape of its own, or with none."""

    num_features = 4

    def __init__(self, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        if shape is not None:
            self.forward_features = lambda signals: torch.zeros(len(signals), *shape)


@pytest.mark.parametrize("shape", [None, (4,), (5, 4), (4, 1, 5)])
def test_encoder_without_features_before_pooling(shape: tuple[int, ...] | None) -> None:
    expected = r"_Elsewhere gives .*forward_features .* to \(batch, 4, positions\)\.$"
    with pytest.raises(ConfigError, match=expected):
        LeadwiseEncoder(_Elsewhere(shape)).forward_features(torch.zeros(2, 3, 64))


def test_features_before_pooling_take_three_dimensions(encoder: torch.nn.Module) -> None:
    with pytest.raises(ValueError, match=r"\(batch, leads, time\)"):
        LeadwiseEncoder(encoder).forward_features(torch.zeros(2, 64))
