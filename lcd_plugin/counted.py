"""Numbers of things in sentences: `1 record`, `1,204 records`."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """A number with its noun, for nouns whose plural ends in s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
