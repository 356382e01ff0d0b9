"""Words that several commands use: of times, and of cells that failed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from lcd_plugin.report.plain_text import one_line

if TYPE_CHECKING:
    from lcd_plugin.bench.observe.expected import TimeLeft

LONGEST = 300  # characters of a reason
REASONS, NAMED = 10, 3  # reasons that are shown, and cells that are named behind each

T = TypeVar("T", bound=Hashable)


def duration(seconds: float) -> str:
    """`0:02:10`."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def words_of(left: TimeLeft | None) -> str:
    """`about 0:02:10 left`; nothing where nothing is known."""
    if left is None or (left.at_least and round(left.seconds) <= 0):
        return ""
    return f"{'more than' if left.at_least else 'about'} {duration(left.seconds)} left"


def grouped(failures: Iterable[tuple[str, T]]) -> dict[T, list[str]]:
    """Titles of cells that failed by their reason, in the order of the first of each.

    Args:
        failures: titles with reasons.
    """
    found: dict[T, list[str]] = {}
    for title, reason in failures:
        found.setdefault(reason, []).append(title)
    return found


def first_titles(titles: Sequence[str]) -> Iterator[str]:
    """The first few of them, a line each, and how many more there are."""
    yield from map(short, titles[:NAMED])
    if len(titles) > NAMED:
        yield f"and {len(titles) - NAMED:,} more"


def short(text: str) -> str:
    """Text as one harmless line of bearable length."""
    line = one_line(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
