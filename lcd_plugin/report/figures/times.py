"""The time axis: linear, or logarithmic with a place for what took no time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg
from lcd_plugin.report.figures.axes import Frame

SHORTEST = 1.0  # seconds; less is "no pretraining" and has no place on a logarithmic axis
_TIMES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200)
_DAY = 86400


@dataclass(frozen=True)
class TimeAxis:
    """The time axis: linear from zero, or logarithmic with a slot of its own for "no time"."""

    scale: svg.Scale
    slot: float | None

    def __call__(self, seconds: float) -> float:
        """The position of a wall-time."""
        if self.slot is not None and seconds < SHORTEST:
            return self.slot
        return self.scale(seconds)


def needs_slot(seconds: Sequence[float]) -> bool:
    """Whether some took no time on an axis that is logarithmic."""
    real = _measured(seconds)
    return _is_long(real) and len(real) < len(seconds)


def _measured(seconds: Sequence[float]) -> list[float]:
    return [s for s in seconds if s >= SHORTEST]


def _is_long(real: Sequence[float]) -> bool:
    return bool(real) and max(real) > 10 * min(real)


def time_axis(seconds: Sequence[float], frame: Frame) -> TimeAxis:
    """Logarithmic where the times differ more than tenfold, with a slot for what took none."""
    start, end = frame.left + 16, frame.right - 20
    real = _measured(seconds)
    if not _is_long(real):
        return TimeAxis(svg.Scale(0.0, max([*seconds, 1e-9]) * 1.02, start, end), None)
    if not needs_slot(seconds):
        return TimeAxis(svg.Scale(min(real), max(real), start, end, log=True), None)
    return TimeAxis(svg.Scale(min(real), max(real), start + 52, end, log=True), start)


def time_ticks(x: TimeAxis, frame: Frame, caption: str) -> Markup:
    """The axis with round times and its caption; `, log scale` is added where it is."""
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    high, free = x.scale.high, frame.left - 40
    if x.scale.log:
        days = [d * _DAY for d in (1, 2, 5, 10, 20, 50, 100)]
        values = [float(t) for t in (*_TIMES, *days) if x.scale.low <= t <= high]
    else:
        unit = next((u for u in (3600, 60) if high > 2 * u), 1)
        values = [v * unit for v in svg.ticks(0, high / unit, 4)]
    if x.slot is not None:
        gap = (x.slot + x.scale.start) / 2
        parts += [
            svg.text(x.slot, frame.bottom + 17, "< 1 s", "tick", "middle"),
            svg.element("rect", x=gap - 4, y=frame.bottom - 3, width=8, height=6, class_="gap"),
            svg.line(gap - 7, frame.bottom + 5, gap - 1, frame.bottom - 5, "axis"),
            svg.line(gap + 1, frame.bottom + 5, gap + 7, frame.bottom - 5, "axis"),
        ]
        free = x.slot + 20
    for value in values:
        at, name = x(value), _tick_name(value)
        half = len(name) * svg.CHARACTER / 2 + 4
        if at - half < free:
            continue
        free = at + half
        parts.append(svg.line(at, frame.bottom, at, frame.bottom + 5, "axis"))
        parts.append(svg.text(at, frame.bottom + 17, name, "tick", "middle"))
    middle, said = (frame.left + frame.right) / 2, caption + (", log scale" * x.scale.log)
    parts.append(svg.text(middle, frame.bottom + 38, said, "axis-title", "middle"))
    return Markup("").join(parts)


def _tick_name(seconds: float) -> str:
    """A round time in its own unit."""
    for unit, name in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
