"""The little of SVG that the figures need: elements, scales, ticks and labels that keep apart."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from lcd_plugin.report.figures.looks import Look

# Every figure is drawn once, this wide. It is laid out for the largest font that the style sheet
# gives it, that of a phone, where it is scaled down a little; on a wide page it is scaled up.
WIDTH = 400.0
CHARACTER = 7.0  # average advance of that font, for estimating the width of a label
# Characters that no XML document may hold, not even escaped; and marks that would turn round the
# reading direction of what stands beside a name, where no element can isolate it.
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|"
    "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# Corners of the markers for a radius of one.
_CORNERS = {
    "square": ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle": ((0, -1.2), (1.15, 0.85), (-1.15, 0.85)),
    "wedge": ((0, 1.2), (1.15, -0.85), (-1.15, -0.85)),
    "hexagon": ((1.1, 0), (0.55, 0.95), (-0.55, 0.95), (-1.1, 0), (-0.55, -0.95), (0.55, -0.95)),
}


def clean(text: str) -> str:
    """Text without the characters that XML forbids, and without marks of reading direction."""
    return _FORBIDDEN.sub("\ufffd", text)


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return str(escape(clean(value)))
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """An SVG element. Plain strings are escaped; only Markup goes in as it is.

    Attribute names are given with underscores (`text_anchor`), `class` as `class_`.
    """
    # Plain formatting of what is escaped already: a page has some ten thousand elements.
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
    )
    inner = "".join(
        child if isinstance(child, Markup) else escape(clean(child)) for child in children
    )
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def drawing(
    height: float, label: str, *children: str, css: str = "", width: float = WIDTH
) -> Markup:
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
    where = {} if anchor == "start" else {"text_anchor": anchor}
    return element("text", words, x=x, y=y, class_=css, **where)


def path(steps: str, css: str) -> Markup:
    """A path that is given in the short language of SVG."""
    return element("path", d=steps, class_=css)


def polyline(points: Sequence[tuple[float, float]], css: str, *title: Markup) -> Markup:
    """A line through points, with a `<title>` if one is given."""
    joined = " ".join(f"{_attribute(x)},{_attribute(y)}" for x, y in points)
    return element("polyline", *title, points=joined, class_=css)


def _steps(points: Sequence[tuple[float, float]]) -> str:
    """The first point, and the step from each point to the next, as a path writes them."""
    tenths = [(round(10 * x), round(10 * y)) for x, y in points]
    moves = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(tenths)]
    first, *rest = (f"{_attribute(x / 10)} {_attribute(y / 10)}" for x, y in (tenths[0], *moves))
    return f"{first}l{' '.join(rest)}".replace(" -", "-")


def marker(look: Look, x: float, y: float, radius: float = 3.4, tip: str = "") -> Markup:
    """The marker of a method, with `tip` shown on hovering."""
    title = (element("title", tip),) if tip else ()
    if look.shape in _CORNERS:
        corners = [(x + radius * dx, y + radius * dy) for dx, dy in _CORNERS[look.shape]]
        return element("path", *title, d=f"M{_steps(corners)}z", class_="marker")
    return element("circle", *title, cx=x, cy=y, r=radius, class_="marker")


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
