"""The built-in encoder and the ways to make it."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import group_parameters
from torch import Tensor, nn

import lcd_plugin.encoders.vgg16_1d  # noqa: F401  registers the model with timm
from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins import ENCODERS

SMALL = 0.05


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_encoder_of_the_paper() -> None:
    encoder = create_encoder("vgg16_1d", width=0.125).eval()
    assert _parameters(encoder) == 78_216
    assert encoder.num_features == 64
    assert encoder(torch.randn(2, 1, 256)).shape == (2, 64)


@pytest.mark.parametrize("leads", [1, 2, 12])
def test_only_the_first_layer_depends_on_the_leads(leads: int) -> None:
    encoder = create_encoder("vgg16_1d", in_leads=leads, width=0.125)
    assert _parameters(encoder) == 78_216 + (leads - 1) * 8 * 3
    assert encoder(torch.randn(2, leads, 64)).shape == (2, 64)


def _naive(encoder: nn.Module, signals: Tensor, *, train: bool) -> Tensor:
    """VGG16 from its parameters in order, with one-dimensional functions only."""
    parameters = iter(encoder.parameters())
    buffers = iter(b for b in encoder.buffers() if b.dim() == 1)
    x = signals
    for depth in (2, 2, 3, 3, 3):
        for _ in range(depth):
            x = F.conv1d(x, next(parameters), next(parameters), padding=1)
            scale, shift, mean, variance = (next(i) for i in (parameters,) * 2 + (buffers,) * 2)
            if train:
                mean, variance = x.mean(dim=(0, 2)), x.var(dim=(0, 2), correction=0)
            x = (x - mean[:, None]) / torch.sqrt(variance + 1e-5)[:, None]
            x = F.relu(x * scale[:, None] + shift[:, None])
        x = torch.maximum(x[:, :, 0 : x.shape[2] // 2 * 2 : 2], x[:, :, 1::2])
    assert next(parameters, None) is None
    return x.mean(dim=2)


@pytest.mark.parametrize("leads", [1, 3])
@pytest.mark.parametrize("time", [32, 77, 256])
@pytest.mark.parametrize("train", [True, False])
def test_equals_thirteen_plain_convolutions(leads: int, time: int, train: bool) -> None:
    torch.manual_seed(0)
    encoder = create_encoder("vgg16_1d", in_leads=leads, width=SMALL).double()
    for _ in range(3):  # moves the batch-norm statistics from their initial values
        encoder(torch.randn(16, leads, 64, dtype=torch.float64) + 1)
    encoder.train(train)
    signals = torch.randn(5, leads, time, dtype=torch.float64)
    expected = _naive(encoder, signals, train=train)
    torch.testing.assert_close(encoder(signals), expected, rtol=1e-9, atol=1e-12)

    weights = list(encoder.parameters())
    direction = torch.randn_like(expected)
    ours = torch.autograd.grad((encoder(signals) * direction).sum(), weights)
    plain = (_naive(encoder, signals, train=train) * direction).sum()
    theirs = torch.autograd.grad(plain, weights)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("time", "positions"), [(32, 1), (77, 2), (1000, 31)])
def test_features_before_pooling(time: int, positions: int) -> None:
    encoder = create_encoder("vgg16_1d", in_leads=2, width=SMALL).eval()
    signals = torch.randn(3, 2, time)
    features = encoder.forward_features(signals)
    assert features.shape == (3, encoder.num_features, positions)
    torch.testing.assert_close(features.mean(dim=2), encoder(signals))


def test_layers_that_timm_tells_apart() -> None:
    """One layer a convolution, with its batch norm, in the order of the forward pass."""
    encoder = create_encoder("vgg16_1d", width=SMALL)
    layers = group_parameters(encoder, encoder.group_matcher())
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv1d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert list(layers) == list(range(13))
    for i, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        expected = {id(p) for m in (convolution, norm) for p in m.parameters()}
        assert {id(encoder.get_parameter(name)) for name in layers[i]} == expected


def test_coarse_layers_are_stages() -> None:
    encoder = create_encoder("vgg16_1d", width=SMALL, num_classes=3)
    layers = group_parameters(encoder, encoder.group_matcher(coarse=True))
    assert len(layers) == 6
    for i in range(5):
        assert {name.rsplit(".", 2)[0] for name in layers[i]} == {f"stages.{i}"}
    assert set(layers[5]) == {"head.weight", "head.bias"}


def test_too_short_a_signal_is_no_features_of_nothing() -> None:
    encoder = create_encoder("vgg16_1d", width=SMALL).eval()
    with pytest.raises((RuntimeError, ValueError)):
        encoder(torch.randn(1, 1, 31))


@pytest.mark.parametrize("name", ENCODERS.names())
def test_every_encoder_keeps_the_contract(name: str) -> None:
    encoder = create_encoder(name).eval()
    features = encoder(torch.randn(3, 1, 256))
    assert features.shape == (3, encoder.num_features)
    assert torch.isfinite(features).all()
    # A record's features are its own in eval mode.
    torch.testing.assert_close(encoder(torch.zeros(1, 1, 256)), encoder(torch.zeros(2, 1, 256))[:1])


@pytest.mark.parametrize("leads", [1, 3])
def test_timm_makes_the_same_model(leads: int) -> None:
    ours = create_encoder("vgg16_1d", in_leads=leads, width=SMALL).eval()
    theirs = timm.create_model("vgg16_1d", in_leads=leads, width=SMALL).eval()
    shapes = {k: v.shape for k, v in ours.state_dict().items()}
    assert {k: v.shape for k, v in theirs.state_dict().items()} == shapes
    theirs.load_state_dict(ours.state_dict())
    signals = torch.randn(2, leads, 64)
    assert torch.equal(ours(signals), theirs(signals))


def test_timm_knows_the_name() -> None:
    assert timm.is_model("vgg16_1d")


def test_timms_name_for_the_leads_is_taken() -> None:
    model = timm.create_model("vgg16_1d", in_chans=4, width=SMALL).eval()
    assert model(torch.randn(2, 4, 64)).shape == (2, model.num_features)


def test_timms_classifier() -> None:
    model = timm.create_model("vgg16_1d", width=SMALL, num_classes=7).eval()
    assert model(torch.randn(2, 1, 64)).shape == (2, 7)


def test_classifier_is_a_linear_layer_on_the_features() -> None:
    plain = create_encoder("vgg16_1d", width=SMALL).eval()
    classifier = create_encoder("vgg16_1d", width=SMALL, num_classes=5).eval()
    missing = classifier.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert sorted(missing) == ["head.bias", "head.weight"]
    signals = torch.randn(3, 1, 64)
    expected = plain(signals) @ classifier.head.weight.T + classifier.head.bias
    torch.testing.assert_close(classifier(signals), expected)
    assert classifier(signals).shape == (3, 5)


def test_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"Unknown encoder 'vgg_1d'.*did you mean 'vgg16_1d'"):
        create_encoder("vgg_1d")


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 3},
        {"width": "wide"},
        {"width": 0.001},
        {"width": -1.0},
        {"width": float("nan")},
        {"width": float("inf")},
        {"in_leads": 0},
        {"num_classes": -1},
        {"pretrained": True},
    ],
    ids=str,
)
def test_settings_it_does_not_take(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="'vgg16_1d' cannot be made"):
        create_encoder("vgg16_1d", **settings)
