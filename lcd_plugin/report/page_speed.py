"""Score against pretraining time: figure, its numbers, and the time to the same score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lcd_plugin.report.figures import Series, speed_figure, words
from lcd_plugin.report.figures.speed import drawable
from lcd_plugin.report.model import Place, SpeedCurve
from lcd_plugin.report.page_picture import Picture, draw_twice
from lcd_plugin.report.speed import TimeToScore, time_to_score


@dataclass(frozen=True)
class SpeedView:
    """Curves of one comparison on one machine: only there can times be compared.

    Attributes:
        machine: its name.
        picture: the figure.
        curves: what is drawn.
        times: when each line first has the highest score that all of them reach, fastest first;
            empty for one line, which there is nothing to compare with.
        against_fastest: how many times longer each takes than the first of them, in words.
    """

    machine: str
    picture: Picture
    curves: tuple[SpeedCurve, ...]
    times: tuple[TimeToScore, ...]
    against_fastest: tuple[str, ...]


def speed_views(curves: Sequence[SpeedCurve], series: Mapping[Place, Series]) -> list[SpeedView]:
    """One view a machine.

    Args:
        curves: of one comparison.
        series: how its lines are called and drawn.
    """
    machines: dict[str, list[SpeedCurve]] = {}
    for curve in filter(drawable, curves):
        machines.setdefault(curve.machine, []).append(curve)
    return [_speed_view(machine, own, series) for machine, own in machines.items()]


def _speed_view(
    machine: str, curves: Sequence[SpeedCurve], series: Mapping[Place, Series]
) -> SpeedView:
    times = tuple(time_to_score(curves)) if len(curves) > 1 else ()
    return SpeedView(
        machine=machine,
        picture=draw_twice(lambda width: speed_figure(curves, series, width)),
        curves=tuple(curves),
        times=times,
        against_fastest=tuple(_against(time, times[0]) for time in times),
    )


def _against(time: TimeToScore, fastest: TimeToScore) -> str:
    """The ratio of two times; a time that is only known to be "at most" makes it a bound."""
    if time is fastest:
        return "1\u00d7"
    if time.at_most or fastest.seconds <= 0:
        return "\u2013"
    bound: words.Bound = "more" if fastest.at_most else "exact"
    return words.times(time.seconds / fastest.seconds, bound)
