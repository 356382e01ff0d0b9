"""Places for names beside their points, where they hide nothing."""

from __future__ import annotations

from collections.abc import Sequence

from lcd_plugin.report.figures import svg
from lcd_plugin.report.figures.axes import Frame

Box = tuple[float, float, float, float]  # left, top, right, bottom


def _overlap(a: Box, b: Box) -> float:
    """Area that two boxes share."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def place_names(
    names: Sequence[str],
    at: Sequence[tuple[float, float]],
    named: Sequence[int],
    drawn: Sequence[Box],
    frame: Frame,
) -> list[Box]:
    """Finds a box for every name, off the other names, the markers and what else is drawn.

    Greedy: names take, one after the other, the nearest free place beside their marker. Lines
    may be crossed by a name rather than have it far away.

    Args:
        names: as they will be written.
        at: every marker.
        named: which of the markers each of the names belongs to.
        drawn: boxes of other things that should stay visible, such as intervals.
        frame: the plotting area; names may run over its right edge into the margin.
    """
    taken: list[Box] = [(px - 9, py - 7, px + 7, py + 7) for px, py in at]
    boxes: list[Box] = []
    for index, name in zip(named, names, strict=True):
        px, py = at[index]
        wide = len(name) * svg.CHARACTER * 1.1
        shifts = sorted((step * sign for step in range(0, 96, 6) for sign in (1, -1)), key=abs)
        options = [
            (left, py + shift - 8, left + wide, py + shift + 8)
            for shift in shifts
            for left in (px + 10, px - 10 - wide)
        ]

        def cost(box: Box, beside: float = py) -> float:
            outside = max(0.0, frame.left - box[0]) + max(0.0, box[2] - svg.WIDTH)
            outside += max(0.0, frame.top - box[1]) + max(0.0, box[3] - frame.bottom)
            hidden = sum(_overlap(box, other) for other in (*taken, *boxes))
            crossed = sum(_overlap(box, other) for other in drawn)
            return outside * 50 + hidden * 4 + crossed + abs(box[1] + 8 - beside)

        boxes.append(min(options, key=cost))
    return boxes
