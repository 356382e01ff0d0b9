"""Writing TOML: the standard library only reads it."""

from __future__ import annotations

import json
from typing import Any


def dump_toml(document: dict[str, Any]) -> str:
    """A document of plain values, lists of plain values and nested tables as TOML.

    None has no form in TOML; such keys are left out, and reading gives their default.
    """
    return "\n".join(_table(document, prefix=())).strip() + "\n"


def _table(table: dict[str, Any], prefix: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if _is_plain(v)]
    for key, value in table.items():
        if isinstance(value, dict):
            path = (*prefix, key)
            inner = _table(value, path)
            if not value or any(_is_plain(v) for v in value.values()):
                inner = ["", f"[{'.'.join(map(_key, path))}]", *inner]
            lines += inner
    return lines


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict)


def _key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if bare else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, str):
        # JSON strings are TOML basic strings, but for DEL.
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, (bool, int)):
        return str(value).lower()
    return repr(float(value))
