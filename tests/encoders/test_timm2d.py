"""Image models of timm that read leads by time."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.encoders import LeadwiseEncoder
from lcd_plugin.errors import ConfigError

# Pools tokens by a plain mean; by default timm's takes the class token, or norms after pooling.
MEAN_VIT = {"model": "test_vit", "time": 128, "global_pool": "avg", "fc_norm": False}
SMALL_SWIN = {
    "model": "swin_tiny_patch4_window7_224",
    "time": 128,
    "embed_dim": 16,
    "depths": (1, 1),
    "num_heads": (1, 2),
}


def _image(signals: Tensor, height: int) -> Tensor:
    """Rows of an image by a loop: row r belongs to the lead at the same relative height."""
    leads = signals.shape[1]
    rows = [signals[:, int(r * leads / height)] for r in range(height)]
    return torch.stack(rows, dim=1)[:, None]


def _timm(encoder: nn.Module, name: str, **options: Any) -> nn.Module:
    model = timm.create_model(name, in_chans=1, num_classes=0, **options)
    model.load_state_dict(encoder.network.state_dict())
    return model.eval()


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize(("leads", "height"), [(1, 32), (8, 32), (12, 32), (5, 64)])
def test_a_cnn_sees_leads_as_rows(model: str, leads: int, height: int) -> None:
    encoder = create_encoder("timm2d", in_leads=leads, model=model, height=height).eval()
    signals = torch.randn(2, leads, 96)
    with torch.no_grad():
        expected = _timm(encoder, model)(_image(signals, height))
        torch.testing.assert_close(encoder(signals), expected, rtol=1e-4, atol=1e-5)
    assert encoder.num_features == expected.shape[1]


@pytest.mark.parametrize("time", [64, 128, 301])
def test_a_transformer_sees_images_of_one_size(time: int) -> None:
    encoder = create_encoder("timm2d", in_leads=2, model="test_vit", time=128).eval()
    signals = torch.randn(2, 2, time)
    stretched = signals if time == 128 else F.interpolate(signals, size=128, mode="linear")
    with torch.no_grad():
        expected = _timm(encoder, "test_vit", img_size=(32, 128))(_image(stretched, 32))
        torch.testing.assert_close(encoder(signals), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "positions"),
    [
        ({"model": "test_resnet"}, 4),
        ({"model": "test_resnet", "height": 64}, 4),
        ({"model": "test_byobnet"}, 4),
        (MEAN_VIT, 8),
        (SMALL_SWIN, 16),
    ],
    ids=lambda v: str(v.get("model")) if isinstance(v, dict) else "",
)
def test_features_before_pooling(settings: dict[str, Any], positions: int) -> None:
    encoder = create_encoder("timm2d", in_leads=3, **settings).eval()
    signals = torch.randn(2, 3, 128)
    with torch.no_grad():
        features = encoder.forward_features(signals)
        assert features.shape == (2, encoder.num_features, positions)
        torch.testing.assert_close(features.mean(2), encoder(signals), rtol=1e-4, atol=1e-5)
        signals[..., 96:] = 0  # the last quarter is in the last positions, as it is in time
        change = (encoder.forward_features(signals) - features).abs().sum(dim=(0, 1))
    assert change[-positions // 4 :].mean() > change[: positions // 4].mean()


@pytest.mark.parametrize("model", ["test_vit", "test_convnext", "lcnet_050"])
def test_models_with_another_pooling_have_none(model: str) -> None:
    encoder = create_encoder("timm2d", model=model, time=64)
    expected = rf"^{model} has no features before pooling, because .*such as resnet18\.$"
    with pytest.raises(ConfigError, match=expected):
        encoder.forward_features(torch.zeros(1, 1, 64))
    with pytest.raises(ConfigError, match=expected):
        LeadwiseEncoder(encoder).forward_features(torch.zeros(1, 2, 64))


def test_making_one_draws_no_more_than_the_model_and_leaves_it_fresh() -> None:
    torch.manual_seed(0)
    encoder = create_encoder("timm2d", model="test_resnet")
    after = torch.get_rng_state()
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", in_chans=1, num_classes=0)
    assert torch.equal(after, torch.get_rng_state())
    fresh, ours = model.state_dict(), encoder.network.state_dict()
    assert all(torch.equal(fresh[key], ours[key]) for key in fresh)
    assert all(module.training for module in encoder.modules())


def test_options_go_to_the_model() -> None:
    encoder = create_encoder("timm2d", model="resnet18", channels=(8, 16, 24, 40))
    assert encoder.num_features == 40


@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("resnet10", "resnet10t"),
        ("test_vitt", "test_vit"),
        ("vgg16_1d", "vgg16"),
        ("timm2d", None),
        ("zzzzzz", None),
        (18, None),
    ],
)
def test_a_model_that_timm_does_not_have(model: Any, near: str | None) -> None:
    with pytest.raises(ConfigError, match=f"timm has no model '{model}'; [^\n]*[?.]$") as error:
        create_encoder("timm2d", model=model)
    assert "; did you mean " in str(error.value) if near else True
    assert near is None or near in str(error.value)
    assert len(str(error.value)) < 200


def test_names_with_a_tag_are_known() -> None:
    tagged = create_encoder("timm2d", model="test_resnet.r160_in1k")
    plain = create_encoder("timm2d", model="test_resnet")
    assert [p.shape for p in tagged.parameters()] == [p.shape for p in plain.parameters()]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"in_leads": 12, "height": 8}, "height must be at least the number of leads, 12."),
        ({"height": 0}, "height must be a whole number of at least 1, got 0."),
        ({"time": "long"}, "time must be a whole number of at least 1, got 'long'."),
    ],
)
def test_what_is_said_of_bad_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        create_encoder("timm2d", **settings)
    assert str(error.value) == f"Encoder 'timm2d' cannot be made: {sentence}"


def test_an_image_that_the_model_cannot_read() -> None:
    with pytest.raises(ConfigError, match=r"^Encoder 'timm2d' cannot be made: [^\n]+$"):
        create_encoder("timm2d", model="test_vit", height=24)


def test_other_leads_are_refused() -> None:
    encoder = create_encoder("timm2d", in_leads=2)
    with pytest.raises(ValueError, match=r"^expected 2 leads, got 3\.$"):
        encoder(torch.zeros(1, 3, 100))
