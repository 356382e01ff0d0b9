"""Score against pretraining time: figure, its numbers, and the time to the same score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import Series, speed_figure, words
from lcd_plugin.report.figures.speed import drawable
from lcd_plugin.report.model import Place, SpeedCurve
from lcd_plugin.report.page.groups import Comparison
from lcd_plugin.report.speed import TimeToScore, fastest_is_known, time_to_score

SELF = "1\u00d7"  # of the fastest against itself


@dataclass(frozen=True)
class SpeedView:
    """Curves of one comparison on one machine: only there can times be compared.

    Attributes:
        machine: its name.
        picture: the figure.
        curves: what is drawn.
        times: when each line first has the highest score that all of them reach, those that are
            only known to be "at most" first; empty for one line, which there is nothing to compare
            with.
        fastest_known: whether the first of them is the fastest.
        against_fastest: how many times longer each takes than the fastest, in words; empty where
            that is not known of any.
        left_out: names of lines that did not end above `random`.
    """

    machine: str
    picture: Markup
    curves: tuple[SpeedCurve, ...]
    times: tuple[TimeToScore, ...]
    fastest_known: bool
    against_fastest: tuple[str, ...]
    left_out: tuple[str, ...]


def speed_views(
    curves: Sequence[SpeedCurve], series: Mapping[Place, Series], group: Comparison
) -> list[SpeedView]:
    """One view a machine.

    Args:
        curves: of one comparison.
        series: how its lines are called and drawn.
        group: the comparison.
    """
    machines: dict[str, list[SpeedCurve]] = {}
    for curve in filter(drawable, curves):
        machines.setdefault(curve.machine, []).append(curve)
    return [_speed_view(machine, own, series, group) for machine, own in machines.items()]


def _speed_view(
    machine: str,
    curves: Sequence[SpeedCurve],
    series: Mapping[Place, Series],
    group: Comparison,
) -> SpeedView:
    times = time_to_score(curves, group.rows)
    known = fastest_is_known(times)
    # Where the fastest is known, this leaves it in the first place.
    times.sort(key=lambda time: not time.at_most)
    against = tuple(_against(time, times[0]) for time in times) if known else ()
    return SpeedView(
        machine=machine,
        picture=Markup(speed_figure(curves, series)),
        curves=tuple(curves),
        times=tuple(times),
        fastest_known=known,
        against_fastest=against if set(against) - {words.NONE, SELF} else (),
        left_out=tuple(group.called.get(n, n) for n in times[0].left_out) if times else (),
    )


def _against(time: TimeToScore, fastest: TimeToScore) -> str:
    """The ratio of two times; it is a bound where the fastest is only known to be "at most"."""
    if time is fastest:
        return SELF
    if fastest.seconds <= 0:
        return words.NONE
    bound: words.Bound = "more" if fastest.at_most else "exact"
    return words.times(time.seconds / fastest.seconds, bound)
