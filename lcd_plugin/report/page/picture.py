"""A figure of the page in its two drawings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

WIDE, PHONE = 540.0, 324.0  # widths of the two drawings of a figure; the page shows one of them


@dataclass(frozen=True)
class Picture:
    """A figure drawn twice, since text that is scaled down to a phone cannot be read."""

    wide: Markup
    phone: Markup


def draw_twice(draw: Callable[[float], str]) -> Picture:
    """Draws a figure for a wide page and for a phone.

    Args:
        draw: makes the `<svg>` element of a given width.
    """
    # The drawings are built by figures.svg, which escapes every text that goes in.
    return Picture(Markup(draw(WIDE)), Markup(draw(PHONE)))
