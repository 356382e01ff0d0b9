"""What differs between nested settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

# Characters of a value that a sentence shows.
SHOWN = 40


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name; tables become their entries, and lists stay values."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def differing(settings: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Dotted names whose values are not all equal, with the value of each; None where it has none.

    None and an empty list count as no value: versions write them out or leave them away.
    """
    flat = [flatten(each) for each in settings]
    names = dict.fromkeys(name for each in flat for name in each)
    values = {name: [each.get(name) for each in flat] for name in names}
    return {name: own for name, own in values.items() if len({_canonical(v) for v in own}) > 1}


def _canonical(value: Any) -> str:
    return json.dumps(None if value in ([], ()) else value, sort_keys=True, default=str)


def value_text(value: Any) -> str:
    """A value in a sentence or a table."""
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
