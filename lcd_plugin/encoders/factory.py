"""Encoders by name, built in or from elsewhere."""

from __future__ import annotations

from typing import Any

from torch import nn

from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins import ENCODERS


def create_encoder(name: str, in_leads: int = 1, **kwargs: Any) -> nn.Module:
    """Make an encoder with fresh random weights.

    Args:
        name: a name of `lcd-bench list encoders`.
        in_leads: leads that the network reads at once; 1 for one that is shared over leads.
        **kwargs: settings of the encoder, such as `width`.

    Returns:
        A module that maps (batch, in_leads, time) to (batch, features) and has the attribute
        `num_features`.

    Raises:
        ConfigError: no encoder has that name, or it does not take these settings.
    """
    build = ENCODERS.load(name)
    try:
        encoder: nn.Module = build(in_leads=in_leads, **kwargs)
    except Exception as error:  # an encoder may be anyone's, and so may what it raises
        raise ConfigError(f"Encoder '{name}' cannot be made: {error}") from error
    return encoder
