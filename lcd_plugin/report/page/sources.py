"""Where the numbers come from, and where there are none: result files and unfinished cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lcd_plugin.counted import counted
from lcd_plugin.report.figures import Series
from lcd_plugin.report.model import Leaderboard, Place, Row
from lcd_plugin.report.page.groups import Comparison, Key, key_of
from lcd_plugin.report.run_record import UnfinishedCell

# status -> (how a count of it reads, heading, what it means), the most urgent first
STATUSES: dict[str, tuple[str, str, str]] = {
    "failed": ("failed", "Failed", "The run tried these and they ended with an error."),
    "conflict": (
        "in conflict",
        "In conflict",
        "Two folders have different results for one cell, so neither is used.",
    ),
    "unreadable": (
        "unreadable",
        "Unreadable",
        "Their files are not what a run writes, so they are left out.",
    ),
    "stale": (
        "stale",
        "Stale",
        "Results of another version than those they would stand beside; they are left out.",
    ),
    "missing": ("missing", "Missing", "Not computed yet."),
    "unavailable": (
        "not available",
        "Not available",
        "Datasets, methods or encoders that a run could not use, so that it has no cells of them.",
    ),
}


@dataclass(frozen=True)
class Gap:
    """Unfinished cells of one folder that have one reason."""

    out: str
    reason: str
    titles: tuple[str, ...]


@dataclass(frozen=True)
class GapGroup:
    """Unfinished cells of one status.

    Attributes:
        status: as in `UnfinishedCell`.
        counted: their number and status, as in `3 failed`.
        cells: their number alone, as in `3 cells`; of what is not available there are none.
        heading, meaning: what the status is.
        gaps: reason by reason.
    """

    status: str
    counted: str
    cells: str
    heading: str
    meaning: str
    gaps: tuple[Gap, ...]


def gap_groups(cells: Sequence[UnfinishedCell]) -> list[GapGroup]:
    """Groups cells by status, and within it by reason, of which thousands may share one."""
    groups = []
    for status, (words, heading, meaning) in STATUSES.items():
        own = [cell for cell in cells if cell.status == status]
        reasons: dict[tuple[str, str], list[str]] = {}
        for cell in own:
            reasons.setdefault((cell.out, cell.reason), []).append(cell.title)
        gaps = (Gap(out, reason, tuple(titles)) for (out, reason), titles in reasons.items())
        if own:
            what = "name" if status == "unavailable" else "cell"
            number = f"{len(own):,} {words}", counted(len(own), what)
            groups.append(GapGroup(status, *number, heading, meaning, tuple(gaps)))
    return groups


@dataclass(frozen=True)
class TestRecords:
    """Test records of one task of a dataset.

    Attributes:
        task: its name.
        numbers: how many were scored; several where some settings leave out more of them.
        fewer: whether some test records of the dataset are not among them.
    """

    task: str
    numbers: tuple[int, ...]
    fewer: bool


def test_records(board: Leaderboard) -> dict[str, list[TestRecords]]:
    """What was scored of each dataset, by its fingerprint."""
    found = {}
    for data in board.data:
        tasks: dict[str, set[int]] = {}
        for row in board.rows:
            # A dataset of which there are several versions is called `name@version`.
            if data.dataset in (row.dataset, row.dataset.partition("@")[0]):
                tasks.setdefault(row.task, set()).add(row.n_test)
        found[data.fingerprint] = [
            TestRecords(task, tuple(sorted(numbers)), min(numbers) < data.n_test)
            for task, numbers in tasks.items()
        ]
    return found


FileKey = tuple[Key, Place, float]


@dataclass(frozen=True)
class ResultFiles:
    """Result folders behind one line at one label fraction, whatever the metric.

    Attributes:
        id: of their row in the page.
        line: how the line is called.
        label_fraction: as in `Row`.
        folders: as `Row.results`.
    """

    id: str
    line: str
    label_fraction: float
    folders: tuple[str, ...]


def file_key(row: Row) -> FileKey:
    """Which results a row is made from."""
    return key_of(row), row.place, row.label_fraction


def result_files(
    groups: Sequence[Comparison], series: Sequence[Mapping[Place, Series]]
) -> dict[FileKey, ResultFiles]:
    """The results behind every line and fraction, each once for all metrics.

    Args:
        groups: the comparisons.
        series: of each, how its lines are called.
    """
    files: dict[FileKey, ResultFiles] = {}
    for group, lines in zip(groups, series, strict=True):
        for row in group.rows:
            key = file_key(row)
            if row.results and key not in files:
                name, number = lines[row.place].name, len(files) + 1
                files[key] = ResultFiles(f"f{number}", name, row.label_fraction, row.results)
    return files
