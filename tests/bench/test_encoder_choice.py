"""Encoders with settings behind their names: what they mean, what they cost, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from lcd_plugin.bench.encoder_choice import EncoderChoice, encoder_choice
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("vgg16_1d", {}),
        ("vgg16_1d:", None),
        ("vgg16_1d:width=0.5", {"width": 0.5}),
        ("vgg16_1d: width = 0.5 , num_classes=3", {"width": 0.5, "num_classes": 3}),
        ("vgg16_1d:depths=[2, 2, 6],width=1", {"depths": [2, 2, 6], "width": 1}),
        (
            "vgg16_1d:model=resnet10t.c3_in1k,height=32",
            {"model": "resnet10t.c3_in1k", "height": 32},
        ),
        ("vgg16_1d:leads=all", {"leads": "all"}),
        # As it is without it, and so the same thing.
        ("vgg16_1d:leads=each", {}),
        ("vgg16_1d:width", None),
        ("vgg16_1d:=3", None),
    ],
)
def test_settings_are_read(text: str, settings: dict[str, Any] | None) -> None:
    if settings is None:
        with pytest.raises(ConfigError, match="NAME:key=value"):
            encoder_choice(text, {})
    else:
        assert encoder_choice(text, {}) == EncoderChoice("vgg16_1d", settings)


def test_own_settings_go_before_shared_ones() -> None:
    shared = {"vgg16_1d": {"width": 0.25, "leads": "all"}, "lcd": {"gamma": 1}}
    choice = encoder_choice("vgg16_1d:leads=each", shared)
    assert choice.settings == {"width": 0.25}


def _plan(encoders: list[str], *assignments: str) -> Plan:
    flags = {"methods": ["lcd", "random"], "encoders": encoders, "limit": 80}
    assignments = ("pretrain.batch_size=16", "label_fractions=[1.0]", *assignments)
    return make_plan(load_suite("quick", assignments, flags), "fp32", "cpu", lambda *_: None)


def _keys(plan: Plan, encoder: str) -> list[str]:
    return [c.key for c in (*plan.pretrain, *plan.evaluate) if c.encoder == encoder]


def test_several_settings_of_one_encoder_stand_side_by_side() -> None:
    both = _plan(["vgg16_1d", "vgg16_1d:width=0.25"])
    assert [c.encoder for c in both.pretrain].count("vgg16_1d:width=0.25") == 2
    plain, wide = _keys(both, "vgg16_1d"), _keys(both, "vgg16_1d:width=0.25")
    assert len(plain) == len(wide) == 4
    assert not set(plain) & set(wide)
    assert "vgg16_1d:width=0.25" in both.pretrain[-1].title


def test_a_setting_means_the_same_wherever_it_is_written() -> None:
    behind = _plan(["vgg16_1d:width=0.25"])
    with_set = _plan(["vgg16_1d"], "vgg16_1d.width=0.25")
    assert _keys(behind, "vgg16_1d:width=0.25") == _keys(with_set, "vgg16_1d")


def test_an_unknown_encoder_or_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'vgg16_1d'"):
        _plan(["vgg16:width=0.25"])
    with pytest.raises(ConfigError, match="widht"):
        _plan(["vgg16_1d:widht=0.25"])
