"""An encoder as a suite names it: a name, or a name with settings of its own behind it.

`resnet1d18:width=0.5,leads=all` is that encoder under these settings, so that one comparison can
hold several of them side by side.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from lcd_plugin.errors import ConfigError

# How the host shows leads to an encoder unless it is told: one by one, to one network.
DEFAULTS = {"leads": "each"}


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder with the settings that it is made with.

    Attributes:
        name: of the plugin.
        settings: those that are not at the host's defaults.
    """

    name: str
    settings: dict[str, Any]


def encoder_choice(text: str, shared: dict[str, dict[str, Any]]) -> EncoderChoice:
    """Read an encoder of a suite.

    Args:
        text: `NAME` or `NAME:key=value,key=value`; values are TOML, or else strings.
        shared: settings of plugins by name; those in `text` go before them.

    Raises:
        ConfigError: `text` is neither.
    """
    name, colon, rest = text.partition(":")
    settings = dict(shared.get(name, {}))
    # A list has commas too, but no key follows them.
    for part in re.split(r",(?=\s*\w+\s*=)", rest) if colon else ():
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"Encoder '{text}': settings are NAME:key=value,key=value, "
                f"such as {name}:width=0.5; got '{part}'."
            )
        settings[key.strip()] = as_value(value)
    return EncoderChoice(
        name, {k: v for k, v in settings.items() if k not in DEFAULTS or v != DEFAULTS[k]}
    )


def as_value(text: str) -> Any:
    """A value as TOML has it; what is none there is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a number of thousands of digits is no value either
        return text.strip()
