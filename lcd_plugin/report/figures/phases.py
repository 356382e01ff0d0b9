"""Where the wall-time goes: one stacked bar a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words

# In the order of a training; phases that are not known here come last.
ORDER = (
    "read", "load", "prepare", "compile", "calibrate", "steps", "fit", "monitor", "checkpoint",
)  # fmt: skip
N_COLOURS = len(ORDER)
STEP, THICK = 17.0, 11.0  # from bar to bar, and how thick one is
THIN = 0.8  # what is narrower cannot be seen, and is in the table only
TOTAL = 56.0  # room for the total beside a bar
LONGEST = 17  # characters of a name


@dataclass(frozen=True)
class PhaseLine:
    """One bar.

    Attributes:
        name: of the line.
        seconds: by phase.
    """

    name: str
    seconds: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.seconds.values())


def ordered_phases(names: Iterable[str]) -> list[str]:
    """Phases in the order of a training, unknown ones last."""
    found = dict.fromkeys(names)
    return [n for n in ORDER if n in found] + [n for n in found if n not in ORDER]


def phases_figure(lines: Sequence[PhaseLine]) -> str:
    """Draws seconds by phase as stacked bars on one axis that starts at zero.

    Args:
        lines: of one machine, in the order in which they are shown.

    Returns:
        An `<svg>` element, or "" where no line has taken any time.
    """
    longest = max((line.total for line in lines), default=0.0)
    if not longest > 0:
        return ""
    phases = ordered_phases(phase for line in lines for phase in line.seconds)
    names = [words.shorten(line.name, LONGEST) for line in lines]
    left = max(map(len, names)) * svg.CHARACTER + 10
    x = svg.Scale(0.0, longest, left, svg.WIDTH - TOTAL)
    legend, top = _legend(phases)
    bars = [
        _bar(line, name, phases, x, top + STEP * index)
        for index, (line, name) in enumerate(zip(lines, names, strict=True))
    ]
    return svg.drawing(
        top + STEP * len(lines) + 4,
        f"Wall-time by phase for {words.listing(line.name for line in lines)}. "
        "The numbers are in the table below the figure.",
        legend,
        *bars,
        css="phases",
    )


def _legend(phases: Sequence[str]) -> tuple[Markup, float]:
    """Colours of the phases, in as many rows as they need, and where the bars begin."""
    parts, x, y = [], 0.0, 10.0
    for index, phase in enumerate(phases):
        name = words.shorten(phase, LONGEST)
        wide = len(name) * svg.CHARACTER + 24
        if x and x + wide > svg.WIDTH:
            x, y = 0.0, y + 17
        parts.append(_block(x, y - 8, 9, 9, _colour(phase, index)))
        parts.append(svg.text(x + 14, y, name, "tick"))
        x += wide
    return Markup("").join(parts), y + 14


def _colour(phase: str, place: int) -> str:
    """Class of a phase; a known one has its own colour in every figure."""
    return f"p{ORDER.index(phase) if phase in ORDER else place % N_COLOURS}"


def _block(x: float, y: float, width: float, height: float, css: str, tip: str = "") -> Markup:
    title = (svg.element("title", tip),) if tip else ()
    return svg.element("rect", *title, x=x, y=y, width=width, height=height, class_=css)


def _bar(line: PhaseLine, name: str, phases: Sequence[str], x: svg.Scale, y: float) -> Markup:
    parts = [svg.text(x.start - 8, y + THICK - 1.5, name, "name", "end")]
    so_far = 0.0
    for index, phase in enumerate(phases):
        seconds = line.seconds.get(phase, 0.0)
        start, so_far = so_far, so_far + seconds
        if x(so_far) - x(start) >= THIN:
            share = words.share(round(seconds / line.total, 2))
            tip = f"{line.name}, {phase}: {words.duration(seconds)} ({share})"
            parts.append(
                _block(x(start), y, x(so_far) - x(start), THICK, _colour(phase, index), tip)
            )
    parts.append(svg.text(x(so_far) + 6, y + THICK - 1.5, words.duration(line.total), "tick"))
    return svg.element("g", *parts, class_="series")
