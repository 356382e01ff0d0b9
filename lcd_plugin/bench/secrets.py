"""Passwords and tokens, which have no place in what a run writes: results are passed on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lcd_plugin.errors import ConfigError

HIDDEN = "***"
_PLAIN = r"pass(?:word|wd|phrase)|secrets?|token|api_?key|credentials?"
# Names end in one of these: `dataset.access_token`, but not `lead_tokens`.
_NAME = re.compile(rf"(?:.*[^a-z])?(?:{_PLAIN})", re.IGNORECASE)
# On a command line more is left out, since there it costs nothing.
_ANY = rf"(?:{_PLAIN}|pass|pwd|key|auth)"
_OPTION = re.compile(rf"-+(?:.*[^a-z])?{_ANY}", re.IGNORECASE)
# All behind the sign, as a value may have any form.
_VALUE = re.compile(rf"((?<![a-z]){_ANY}\s*=).+", re.IGNORECASE | re.DOTALL)
# `user:password@` of an address; to its last @, as a password may hold one.
_LOGIN = re.compile(r"(?<=://)[^/?#\s]+@")


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """A command line as anybody may see it.

    Left out are logins in addresses, and values of what is called a password, token, key or such.
    """
    shown = []
    hidden = False  # whether the argument before was an option that takes a secret
    for argument in arguments:
        text = _VALUE.sub(rf"\g<1>{HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", argument))
        shown.append(HIDDEN if hidden else text)
        hidden = _OPTION.fullmatch(argument) is not None
    return shown


def refuse_secrets(settings: dict[str, Any], where: str) -> None:
    """Raise ConfigError for settings that hold a password or such, as settings are saved.

    Args:
        settings: nested.
        where: what they are called in a suite.
    """
    for name, value in _texts(settings, where):
        if _NAME.fullmatch(name) or _LOGIN.search(value):
            raise ConfigError(
                f"{name} looks like a secret, and settings are saved with the results, which "
                f"others read; let the plugin take it from an environment variable or a file."
            )


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every text in nested settings, with its dotted name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str) and value:
        yield name, value
