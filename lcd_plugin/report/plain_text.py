"""Text from elsewhere (names, reasons) as one harmless line, and as a part of a file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST_SLUG = 80  # leaves room for what follows it within the 255 bytes of a file name


def one_line(text: str) -> str:
    """Text without what steers a terminal, turns the reading direction or breaks a line.

    Left out are control characters (also those of 8 bits), invisible format characters such as
    right-to-left overrides, and halves of surrogate pairs; white space of any kind becomes one
    space. Letters of right-to-left scripts stay.
    """
    kept = (c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return " ".join("".join(kept).split())


def first_few(texts: Sequence[str], most: int, joint: str = ", ") -> str:
    """The first few of some texts, and how many more there are: `a, b, and 1,204 more`."""
    more = len(texts) - most
    return joint.join([*texts[:most], *[f"and {more:,} more"] * (more > 0)])


def slug(text: str) -> str:
    """Text as a part of a file name, of nothing but `a-z`, `0-9` and `-`; never empty."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_text)
    return "-".join(words)[:LONGEST_SLUG].rstrip("-") or "unnamed"


def unique_slugs(texts: Iterable[str]) -> list[str]:
    """A slug for each text; those that would be the same are numbered."""
    found: list[str] = []
    for text in texts:
        first = name = slug(text)
        number = 1
        while name in found:
            number += 1
            name = f"{first}-{number}"
        found.append(name)
    return found
