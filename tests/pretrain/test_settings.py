"""Settings of a pretraining: defaults of the paper, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings


def test_defaults_are_the_papers() -> None:
    settings = PretrainSettings()
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (100, 256, 1e-3)
    assert (settings.weight_decay, settings.schedule) == (0.0, "constant")
    views = ViewSettings()
    assert (views.crop, views.time_out, views.per) == ((0.5, 1.0), (0.0, 0.5), "batch")
    assert views.gain == (1.0, 1.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", -1),
        ("epochs", 1.5),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("weight_decay", -0.1),
        ("schedule", "linear"),
        ("warmup_epochs", -1.0),
        ("epoch", 10),
    ],
)
def test_bad_budget(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        PretrainSettings(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", (0.0, 1.0)),
        ("crop", (0.8, 0.5)),
        ("crop", (0.5, 1.2)),
        ("crop", (float("nan"), 1.0)),
        ("crop", (0.5,)),
        ("time_out", (-0.1, 0.5)),
        ("time_out", (0.6, 0.5)),
        ("gain", (0.0, 1.0)),
        ("gain", (-1.0, 1.0)),
        ("gain", (2.0, 0.5)),
        ("gain", (1.0, float("inf"))),
        ("gain", (float("nan"), 1.0)),
        ("gain", (1.0,)),
        ("per", "record"),
        ("noise", 0.1),
    ],
)
def test_bad_views(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        ViewSettings(**{key: value})


def test_a_gain_is_written_down_only_where_it_is_on() -> None:
    """Keys of results are hashes of this: those of before there was a gain stay what they were."""
    before = {"crop": [0.5, 1.0], "time_out": [0.0, 0.5], "per": "batch"}
    assert ViewSettings().model_dump(mode="json") == before
    assert ViewSettings(gain=(1.0, 1.0)).model_dump(mode="json") == before
    loud = ViewSettings(gain=(0.5, 2.0))
    assert loud.model_dump(mode="json") == before | {"gain": [0.5, 2.0]}
    for views in (loud, ViewSettings()):
        assert ViewSettings.model_validate(views.model_dump(mode="json")) == views


def test_settings_are_frozen() -> None:
    settings = PretrainSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.epochs = 5
