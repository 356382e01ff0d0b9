"""The axis of label fractions, which label efficiency and label factor share."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from markupsafe import Markup

from lcd_plugin.report.figures import svg, words
from lcd_plugin.report.figures.axes import Frame


def dodges(n: int) -> list[float]:
    """Sideways shifts, so that the intervals of several methods do not hide each other."""
    step = min(4.0, 28.0 / max(n, 1))
    return [(index - (n - 1) / 2) * step for index in range(n)]


def fraction_scale(fractions: Collection[float], frame: Frame, n_lines: int) -> svg.Scale:
    """The logarithmic axis of label fractions, with room at its ends for shifted lines."""
    edge = max(dodges(n_lines)) + 7
    return svg.Scale(min(fractions), max(fractions), frame.left + edge, frame.right - edge, True)


def fraction_axis(n_labels: Mapping[float, int], x: svg.Scale, frame: Frame) -> Markup:
    """Ticks at the fractions that were run, with the number of labelled records below.

    Args:
        n_labels: labelled records at every fraction.
        x: the axis.
        frame: the plotting area.
    """
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    free = frame.right + 40
    for fraction in sorted(n_labels, reverse=True):
        at, name, number = x(fraction), words.share(fraction), words.count(n_labels[fraction])
        half = max(len(name), len(number)) * svg.CHARACTER / 2 + 3
        parts.append(svg.line(at, frame.bottom, at, frame.bottom + 5, "axis"))
        if at + half > free:  # fractions that are close together: the larger keeps its name
            continue
        free = at - half
        parts.append(svg.text(at, frame.bottom + 17, name, "tick strong", "middle"))
        parts.append(svg.text(at, frame.bottom + 30, number, "tick", "middle"))
    caption = "labels (records), log scale"
    middle = (frame.left + frame.right) / 2
    parts.append(svg.text(middle, frame.bottom + 46, caption, "axis-title", "middle"))
    return Markup("").join(parts)
