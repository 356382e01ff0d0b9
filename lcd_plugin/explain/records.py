"""What a command line names as records: WFDB files, folders, lists of files, datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lcd_plugin.bench.cohorts import open_cohort
from lcd_plugin.data.cohort import Cohort, CohortIndex, CohortSettings, Recording
from lcd_plugin.data.wfdb_reader import read_wfdb, wfdb_files
from lcd_plugin.errors import ConfigError, DataError, RecordError, suggest
from lcd_plugin.plugins import DATASETS

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite

# The settings for a dataset, given its name and its folder (None if that was not said).
SuiteOf = Callable[[str, "Path | None"], "Suite"]


class WFDBPaths(Cohort):
    """WFDB records that are named by their paths, wherever they lie."""

    def index(self) -> CohortIndex:
        """Not possible: paths are named one by one."""
        raise NotImplementedError

    def read(self, record: str) -> Recording:
        """Read one record by its path without extension; see `Cohort.read`."""
        if "\0" in record:
            raise RecordError("has a name that no file can have")
        return read_wfdb(Path(record))

    def files(self, record: str) -> tuple[Path, ...]:
        """Header and signal files."""
        return wfdb_files(Path(record))


@dataclass(frozen=True)
class Records:
    """Records that are read alike.

    Attributes:
        cohort: reads them.
        names: what it knows them by; of files the paths as they were given, without extension.
        patients: one a record, "" where nobody knows.
    """

    cohort: Cohort
    names: tuple[str, ...]
    patients: tuple[str, ...]


def find_records(texts: Iterable[str], suite_of: SuiteOf) -> list[Records]:
    """The records of a command line.

    Args:
        texts: each a dataset (`NAME` or `NAME=FOLDER`), a folder (all WFDB records below it), a
            WFDB record with or without extension, or a text file with a record a line, relative to
            its own folder.
        suite_of: makes the settings for a dataset.

    Returns:
        Files first, each once, then the datasets.

    Raises:
        ConfigError: a text is none of these.
        DataError: there are no records in a folder or a list, or a dataset cannot be opened.
    """
    paths: dict[str, None] = {}
    datasets = []
    for text in texts:
        name, _, folder = text.partition("=")
        if name in DATASETS.names():
            datasets.append(_dataset(name, Path(folder).expanduser() if folder else None, suite_of))
        else:
            paths.update(dict.fromkeys(_paths(text)))
    files = Records(WFDBPaths(None, CohortSettings(), 0), tuple(paths), ("",) * len(paths))
    return [files, *datasets] if paths else datasets


def _dataset(name: str, folder: Path | None, suite_of: SuiteOf) -> Records:
    cohort = open_cohort(name, suite_of(name, folder))
    table = cohort.index().table
    return Records(cohort, tuple(table["record"]), tuple(table["patient"].astype(str)))


def _paths(text: str) -> list[str]:
    path = Path(text)
    if path.is_dir():
        found = sorted(str(stem) for stem in _below(path))
        if not found:
            raise DataError(f"There is no WFDB record (.hea) in {path} or below it.")
        return found
    for stem in (path, path.with_suffix("")):
        if stem.with_name(f"{stem.name}.hea").is_file():
            return [str(stem)]
    if path.is_file():
        return _listed(path)
    raise ConfigError(
        f"'{text}' is no WFDB record, folder or list of records, and no dataset"
        f"{suggest(text.partition('=')[0], DATASETS.names())}"
    )


def _below(folder: Path) -> Iterator[Path]:
    """Records below a folder, without those that are mere segments of another."""
    by_folder: dict[Path, list[Path]] = {}
    for header in folder.rglob("*.hea"):
        by_folder.setdefault(header.parent, []).append(header)
    for headers in by_folder.values():
        segments = {name for header in headers for name in _segments(header)}
        yield from (h.with_suffix("") for h in headers if h.stem not in segments)


def _segments(header: Path) -> list[str]:
    """Names of the segments that a header puts together; of most headers none."""
    try:
        with header.open(encoding="utf-8", errors="replace") as file:
            lines = (line.split() for line in file if line.strip() and not line.startswith("#"))
            first = next(lines, [""])
            return [words[0] for words in lines] if "/" in first[0] else []
    except OSError:
        return []  # reading the record says why


def _listed(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is neither a WFDB record nor a text file with a record a line."
        ) from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError(f"The list {path} names no records.")
    return [str(path.parent / name.removesuffix(".hea")) for name in names]


def printable(text: str) -> str:
    """A name as it may be shown: without control characters and marks that turn text around."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
