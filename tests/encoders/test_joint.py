"""A network that reads all leads at once, and the setting that asks for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from lcd_plugin import load_encoder
from lcd_plugin.encoders import (
    JointEncoder,
    LeadwiseEncoder,
    create_encoder,
    in_leads_of,
    network_settings,
    read_leads,
    save_encoder,
)
from lcd_plugin.errors import ConfigError

LEADS = 5
SETTINGS: dict[str, Any] = {"width": 0.05}


@pytest.fixture
def network() -> torch.nn.Module:
    made = create_encoder("vgg16_1d", in_leads=LEADS, **SETTINGS)
    made(torch.randn(16, LEADS, 64))  # moves the batch-norm statistics from their initial values
    return made.eval()


@pytest.fixture
def signals() -> torch.Tensor:
    return torch.randn(3, LEADS, 128)


def test_features_are_the_networks_own(network: torch.nn.Module, signals: torch.Tensor) -> None:
    encoder = JointEncoder(network).eval()
    assert encoder.in_leads == LEADS
    assert encoder.num_features == network.num_features
    assert torch.equal(encoder(signals), network(signals))


def test_features_before_pooling_are_those_of_one_lead(
    network: torch.nn.Module, signals: torch.Tensor
) -> None:
    encoder = JointEncoder(network).eval()
    with torch.no_grad():
        tokens = encoder.forward_features(signals)
        assert tokens.shape == (3, 1, 4, network.num_features)
        alone = network.get_submodule("stages")(signals.unsqueeze(2)).squeeze(2)
        assert torch.equal(tokens[:, 0], alone.mT)
        torch.testing.assert_close(tokens.mean(dim=2).flatten(1), encoder(signals))


@pytest.mark.parametrize("leads", [[0], [4, 1], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("hidden", [1.0, float("nan")])
def test_leads_that_are_not_shown_are_zero(
    network: torch.nn.Module, signals: torch.Tensor, leads: list[int], hidden: float
) -> None:
    silent = [lead for lead in range(LEADS) if lead not in leads]
    zeroed = signals.clone()
    zeroed[:, silent] = 0
    signals[:, silent] *= hidden
    before = signals.clone()
    whole = JointEncoder(network).eval()
    encoder = whole.showing(leads)
    assert torch.equal(encoder(signals), network(zeroed))
    assert torch.equal(encoder.forward_features(signals), whole.forward_features(zeroed))
    torch.testing.assert_close(signals, before, rtol=0, atol=0, equal_nan=True)
    # Whoever else has the encoder still shows it everything.
    assert torch.equal(whole(before.nan_to_num()), network(before.nan_to_num()))


def test_what_is_shown_stays_with_a_copy_and_is_no_weight(network: torch.nn.Module) -> None:
    whole = JointEncoder(network).eval()
    whole.notes = {"leads": list("abcde")}
    encoder = whole.showing([2])
    signals = torch.randn(2, LEADS, 64)
    assert torch.equal(copy.deepcopy(encoder)(signals), encoder(signals))
    assert encoder.state_dict().keys() == whole.state_dict().keys()
    assert encoder.notes == whole.notes
    assert not any(m.training for m in (*encoder.modules(), *whole.modules()))


@pytest.mark.parametrize("leads", [1, 4, 12])
def test_another_number_of_leads_is_refused(network: torch.nn.Module, leads: int) -> None:
    encoder = JointEncoder(network)
    with pytest.raises(ValueError, match=f"reads 5 leads at once, got signals with {leads};"):
        encoder(torch.zeros(2, leads, 64))
    encoder.notes["leads"] = ["I", "II", "V1", "V2", "V3"]
    with pytest.raises(ValueError, match=r"reads 5 leads at once \(I, II, V1, V2, V3\), got"):
        encoder.forward_features(torch.zeros(2, leads, 64))


@pytest.mark.parametrize("shape", [(64,), (LEADS, 64), (2, LEADS, 1, 64)])
def test_other_shapes_are_refused(network: torch.nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(batch, leads, time\)") as error:
        JointEncoder(network)(torch.zeros(shape))
    assert str(shape) in str(error.value)


class _Elsewhere(torch.nn.Module):
    """A network that was not made by `create_encoder`."""

    num_features = 4

    def __init__(self, in_leads: int | None = None) -> None:
        super().__init__()
        if in_leads is not None:
            self.in_leads = in_leads


def test_the_network_says_how_leads_are_read() -> None:
    for network, kind in (
        (create_encoder("vgg16_1d", **SETTINGS), LeadwiseEncoder),
        (create_encoder("vgg16_1d", in_leads=2, **SETTINGS), JointEncoder),
        (_Elsewhere(), LeadwiseEncoder),
        (_Elsewhere(1), LeadwiseEncoder),
        (_Elsewhere(12), JointEncoder),
    ):
        assert type(read_leads(network)) is kind
    assert in_leads_of(_Elsewhere()) == 1
    assert in_leads_of(create_encoder("vgg16_1d", in_leads=3, **SETTINGS)) == 3


def test_an_encoder_of_all_leads_without_features_before_pooling() -> None:
    expected = r"_Elsewhere gives .* from \(batch, 3, time\) to \(batch, 4, positions\)\.$"
    with pytest.raises(ConfigError, match=expected):
        JointEncoder(_Elsewhere(3)).forward_features(torch.zeros(2, 3, 64))


@pytest.mark.parametrize("made", [None, _Elsewhere])
def test_an_encoder_has_to_be_a_module(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    monkeypatch.setattr("lcd_plugin.plugins.ENCODERS.load", lambda name: lambda in_leads: made)
    with pytest.raises(ConfigError, match=r"'other' cannot be made: \w+ is no torch\.nn\.Module"):
        create_encoder("other")


class TestSetting:
    @pytest.mark.parametrize("settings", [{}, {"width": 0.5}, {"width": 0.5, "leads": "each"}])
    def test_each_is_what_there_is_without_it(self, settings: dict[str, Any]) -> None:
        expected = {k: v for k, v in settings.items() if k == "width"}
        assert network_settings("vgg16_1d", settings, 8) == expected

    def test_all_makes_a_network_of_as_many_leads_as_there_are(self) -> None:
        settings = {"width": 0.05, "leads": "all"}
        made = network_settings("vgg16_1d", settings, 8)
        assert made == {"width": 0.05, "in_leads": 8}
        assert settings == {"width": 0.05, "leads": "all"}
        assert create_encoder("vgg16_1d", **made)(torch.zeros(2, 8, 64)).shape[0] == 2

    def test_all_of_one_lead_is_each(self) -> None:
        made = network_settings("vgg16_1d", SETTINGS | {"leads": "all"}, 1)
        assert type(read_leads(create_encoder("vgg16_1d", **made))) is LeadwiseEncoder

    @pytest.mark.parametrize("value", ["both", "", 1, None, ["all"]])
    def test_another_value_is_refused_with_the_two(self, value: Any) -> None:
        with pytest.raises(ConfigError, match=r"vgg16_1d\.leads must be 'each' .* 'all'") as error:
            network_settings("vgg16_1d", {"leads": value}, 8)
        assert repr(value) in str(error.value)

    def test_how_many_leads_is_not_for_the_user_to_say(self) -> None:
        with pytest.raises(ConfigError, match=r"vgg16_1d\.leads, which is 'each' or 'all'"):
            network_settings("vgg16_1d", {"in_leads": 3}, 8)


@pytest.mark.parametrize("leads", ["each", "all"])
def test_a_file_gives_back_what_was_written(tmp_path: Path, leads: str) -> None:
    settings = network_settings("vgg16_1d", SETTINGS | {"leads": leads}, LEADS)
    network = create_encoder("vgg16_1d", **settings)
    network(torch.randn(16, settings.get("in_leads", 1), 64) * 3 + 1)
    notes = {"rate": 204.8, "leads": ["I", "II", "V1", "V2", "V3"]}
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(save_encoder(network.eval(), "vgg16_1d", settings, **notes))
    loaded, expected = load_encoder(path), read_leads(network).eval()
    assert type(loaded) is type(expected) is {"each": LeadwiseEncoder, "all": JointEncoder}[leads]
    signals = torch.randn(4, LEADS, 64)
    assert torch.equal(loaded(signals), expected(signals))
    assert loaded.notes == notes
    assert not any(m.training for m in loaded.modules())
