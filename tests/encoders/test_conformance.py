"""What every registered encoder has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn

import lcd_plugin.encoders  # noqa: F401  registers the models with timm
from lcd_plugin import create_encoder, load_encoder
from lcd_plugin.encoders import save_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins import ENCODERS

# Of each encoder, one small enough for tests.
SMALL: dict[str, dict[str, Any]] = {
    "vgg16_1d": {"width": 0.05},
    "resnet1d18": {"width": 0.125},
    "xresnet1d50": {"width": 0.125},
    "convnext1d": {"width": 0.2},
    "vit1d_xs": {"width": 0.125},
    "timm2d": {},
}

every_encoder = pytest.mark.parametrize("name", ENCODERS.names())


def _make(name: str, leads: int = 1, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return create_encoder(name, in_leads=leads, **SMALL.get(name, {}), **settings)


def _seen(name: str, leads: int = 1) -> nn.Module:
    """In eval mode, after a batch has moved the statistics of batch norms."""
    encoder = _make(name, leads)
    encoder(torch.randn(8, leads, 128))
    return encoder.eval()


@every_encoder
@pytest.mark.parametrize("leads", [1, 3, 12])
def test_features_have_the_shape_that_is_said(name: str, leads: int) -> None:
    encoder = _make(name, leads)
    assert encoder.in_leads == leads
    features = encoder(torch.randn(2, leads, 100))
    assert features.shape == (2, encoder.num_features)
    assert torch.isfinite(features).all()


@every_encoder
@torch.no_grad()
def test_any_length_from_64_samples_on(name: str) -> None:
    encoder = _seen(name)
    for time in (64, 65, 77, 127, 250, 1000, 2049):
        signals = torch.randn(2, 1, time)
        features = encoder(signals)
        before = encoder.forward_features(signals)
        assert before.shape[:2] == features.shape == (2, encoder.num_features)
        torch.testing.assert_close(before.mean(dim=2), features, rtol=1e-4, atol=1e-5)


@every_encoder
def test_positions_are_stretches_of_time(name: str) -> None:
    """A longer signal has more of them; what happens at one end is seen at that end."""
    encoder = _seen(name)
    signals = torch.zeros(1, 1, 2048)
    with torch.no_grad():
        plain = encoder.forward_features(signals)
        assert plain.shape[2] > 2 * encoder.forward_features(signals[..., :512]).shape[2]
        signals[..., -256:] = 5 * torch.randn(256)
        change = (encoder.forward_features(signals) - plain).abs().sum(dim=(0, 1))
    half = len(change) // 2
    assert change[half:].sum() > 2 * change[:half].sum()


@every_encoder
@torch.no_grad()
def test_record_has_features_of_its_own(name: str) -> None:
    encoder = _seen(name, leads=2)
    signals = torch.randn(5, 2, 128)
    together = encoder(signals)
    for i in range(5):
        torch.testing.assert_close(encoder(signals[i : i + 1])[0], together[i])


@every_encoder
@torch.no_grad()
def test_every_lead_matters(name: str) -> None:
    encoder = _seen(name, leads=3)
    signals = torch.randn(1, 3, 128)
    plain = encoder(signals)
    for lead in range(3):
        other = signals.clone()
        other[:, lead] = torch.randn(128)
        assert not torch.allclose(encoder(other), plain, atol=1e-6)


@every_encoder
def test_training_draws_nothing(name: str) -> None:
    """Dropout and stochastic depth are off unless asked for."""
    encoder = _make(name).train()
    signals = torch.randn(4, 1, 128)
    torch.testing.assert_close(encoder(signals), encoder(signals))


@every_encoder
def test_gradients_reach_every_parameter(name: str) -> None:
    encoder = _make(name, leads=2)
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.1)
    signals, direction = torch.randn(8, 2, 128), torch.randn(8, encoder.num_features)
    for _ in range(2):  # behind a factor that starts at zero, gradients come with the second step
        optimiser.zero_grad()
        (encoder(signals) * direction).sum().backward()
        optimiser.step()
    for parameter, value in encoder.named_parameters():
        assert value.grad is not None, parameter
        # Of a bias before a batch norm, or of attention's keys, the gradient is zero by nature.
        if value.dim() > 1:
            assert value.grad.abs().sum() > 0, parameter


@every_encoder
def test_bfloat16_is_near_float32(name: str) -> None:
    encoder = _make(name)
    signals = torch.randn(16, 1, 256)
    exact = encoder(signals)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoder(signals)
    rounded.float().square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())
    distance = (rounded.float() - exact).norm() / exact.norm()
    assert distance < 0.05


@every_encoder
def test_timm_makes_the_same_model_from_the_same_seed(name: str) -> None:
    ours = _make(name, leads=2)
    torch.manual_seed(0)
    theirs = timm.create_model(name, in_chans=2, **SMALL.get(name, {}))
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    assert all(torch.equal(mine[key], other[key]) for key in mine)


@every_encoder
def test_classifier_is_a_linear_layer_on_the_features(name: str) -> None:
    plain = _seen(name)
    classifier = _make(name, num_classes=5).eval()
    missing = classifier.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert sorted(missing) == ["head.bias", "head.weight"]
    signals = torch.randn(3, 1, 128)
    expected = plain(signals) @ classifier.head.weight.T + classifier.head.bias
    torch.testing.assert_close(classifier(signals), expected)


def _order_of_use(encoder: nn.Module, signals: Tensor) -> list[str]:
    """Parameters in the order in which a forward pass comes to their modules."""
    used: list[str] = []

    def note(name: str, module: nn.Module) -> None:
        used.extend(f"{name}.{p}".lstrip(".") for p, _ in module.named_parameters(recurse=False))

    for name, module in encoder.named_modules():
        module.register_forward_pre_hook(lambda m, _, name=name: note(name, m))
    encoder(signals)
    return used


@every_encoder
@pytest.mark.parametrize("coarse", [False, True])
def test_layers_are_told_apart_from_shallow_to_deep(name: str, coarse: bool) -> None:
    encoder = _make(name, num_classes=2)
    layers = group_parameters(encoder, encoder.group_matcher(coarse=coarse), reverse=True)
    used = _order_of_use(encoder, torch.randn(2, 1, 128))
    assert sorted(layers) == sorted(used) == sorted(n for n, _ in encoder.named_parameters())
    depths = [layers[parameter] for parameter in used]
    assert depths == sorted(depths)
    assert depths[0] == 0
    assert set(depths) == set(range(max(depths) + 1))
    assert max(depths) >= 4
    assert [n for n in layers if layers[n] == max(depths)] == ["head.weight", "head.bias"]


@every_encoder
def test_rate_of_learning_falls_with_depth(name: str) -> None:
    """As fine-tuning with `layer_decay` asks timm for it."""
    encoder = _make(name)
    groups = param_groups_layer_decay(encoder, layer_decay=0.5, weight_decay_exclude_1d=False)
    assert sum(len(group["params"]) for group in groups) == len(list(encoder.parameters()))
    of = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    parameters = list(encoder.parameters())
    assert of[id(parameters[-1])] == 1
    assert of[id(parameters[0])] == min(of.values()) == 0.5 ** (len(groups) - 1)


@every_encoder
@pytest.mark.parametrize("leads", [1, 2])
def test_round_trip_through_a_file(name: str, leads: int, tmp_path: Path) -> None:
    encoder = _seen(name, leads)
    settings = SMALL.get(name, {}) | ({"in_leads": leads} if leads > 1 else {})
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(save_encoder(encoder, name, settings))
    loaded = load_encoder(path)
    signals = torch.randn(2, leads, 128)
    assert torch.equal(loaded(signals), encoder(signals))
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.forward_features(signals)[:, 0], encoder.forward_features(signals).mT
        )


@every_encoder
@pytest.mark.parametrize(
    "settings",
    [{"in_leads": 0}, {"num_classes": -1}, {"pretrained": True}, {"width": -1.0}, {"widht": 1}],
    ids=str,
)
def test_settings_that_cannot_be(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^Encoder '{name}' cannot be made: [^\n]+$"):
        create_encoder(name, **settings)
