"""The little of SVG that the figures need: elements, scales, ticks and labels that keep apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from lcd_plugin.report.figures.looks import Look

CHARACTER = 6.4  # average advance of a 12 px system font, for estimating the width of a label
# Characters that no XML document may hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Corners of the markers for a radius of one.
_CORNERS = {
    "square": ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle": ((0, -1.2), (1.15, 0.85), (-1.15, 0.85)),
    "wedge": ((0, 1.2), (1.15, -0.85), (-1.15, -0.85)),
    "hexagon": ((1.1, 0), (0.55, 0.95), (-0.55, 0.95), (-1.1, 0), (-0.55, -0.95), (0.55, -0.95)),
}


def clean(text: str) -> str:
    """Text without the characters that XML forbids."""
    return _NOT_XML.sub("\ufffd", text)


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return clean(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """An SVG element. Plain strings are escaped; only Markup goes in as it is.

    Attribute names are given with underscores (`text_anchor`), `class` as `class_`.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _attribute(value))
        for name, value in attributes.items()
    )
    inner = Markup("").join(
        child if isinstance(child, Markup) else escape(clean(child)) for child in children
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, inner)


def drawing(width: float, height: float, label: str, *children: str, css: str = "") -> Markup:
    """The outer `<svg>`: scales with its box and is one image with a label to a screen reader."""
    return element(
        "svg",
        *children,
        class_=f"plot {css}".strip(),
        viewBox=f"0 0 {_attribute(width)} {_attribute(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=css)


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> Markup:
    """A line of text."""
    return element("text", words, x=x, y=y, class_=css, text_anchor=anchor)


def polyline(points: Sequence[tuple[float, float]], css: str) -> Markup:
    """A line through points."""
    joined = " ".join(f"{_attribute(x)},{_attribute(y)}" for x, y in points)
    return element("polyline", points=joined, class_=css)


def marker(look: Look, x: float, y: float, radius: float = 4.2, tip: str = "") -> Markup:
    """The marker of a method, with `tip` shown on hovering over a slightly larger area."""
    css = "marker open" if look.baseline else "marker"
    if look.shape in _CORNERS:
        corners = " ".join(
            f"{_attribute(x + radius * dx)},{_attribute(y + radius * dy)}"
            for dx, dy in _CORNERS[look.shape]
        )
        shape = element("polygon", points=corners, class_=css)
    else:
        shape = element("circle", cx=x, cy=y, r=radius, class_=css)
    if not tip:
        return shape
    target = element("circle", cx=x, cy=y, r=radius + 4, class_="hit")
    return element("g", element("title", tip), shape, target, class_="point")


@dataclass(frozen=True)
class Scale:
    """Maps values in [low, high] to positions in [start, end], linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value; a scale of one value puts it in the middle."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        if high == low:
            return (self.start + self.end) / 2
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers inside [low, high], about as many as asked for."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((s * power for s in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def tick_text(value: float, shown: Sequence[float]) -> str:
    """A tick with as many decimals as its neighbours need."""
    digits = 0
    while digits < 6 and any(abs(round(v, digits) - v) > 1e-9 for v in shown):
        digits += 1
    return f"{value:,.{digits}f}"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves label positions as little as possible so that neighbours are at least `gap` apart.

    The least squares answer: with i * gap taken off the i-th of the sorted positions, "at least
    gap apart" becomes "not falling", and that is isotonic regression (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[tuple[float, int]] = []  # (mean, size)
    for place, index in enumerate(order):
        mean, size = wanted[index] - place * gap, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, size = (before * many + mean * size) / (many + size), many + size
        pools.append((mean, size))
    flat = [mean for mean, size in pools for _ in range(size)]
    top = max(low, high - (len(wanted) - 1) * gap)
    result = [0.0] * len(wanted)
    for place, index in enumerate(order):
        result[index] = min(max(flat[place], low), top) + place * gap
    return result
