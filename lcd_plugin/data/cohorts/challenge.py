"""What all cohorts in the layout of the PhysioNet Challenge 2021 have in common.

A source is a folder of `.hea` and `.mat` files, mostly in subfolders g1, g2, ..., each with a list
`RECORDS`. Diagnoses are SNOMED CT codes in a comment of the header: `#Dx: 426783006,164934002`.

Two limits of the files themselves:

- No patients are published, so a record counts as a patient. Where a source has several records
  of a person (PTB and INCART certainly do), a person can be in two parts of the split.
- A record that has none of a task's classes is unlabelled in that task: a label column cannot
  tell "none of these" from "not looked at". Such records serve for pretraining.
"""

from __future__ import annotations

import logging
import os
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, get_args

import pandas as pd

from lcd_plugin.data.cohort import (
    LABEL_SEPARATOR,
    CohortIndex,
    Task,
)
from lcd_plugin.data.cohorts.snomed import SCORED
from lcd_plugin.data.cohorts.wfdb_records import WFDBRecords
from lcd_plugin.data.splits import split_of_patient
from lcd_plugin.errors import DataError

log = logging.getLogger(__name__)

Source = Literal[
    "chapman_shaoxing",
    "cpsc_2018",
    "cpsc_2018_extra",
    "georgia",
    "ningbo",
    "ptb",
    "ptb-xl",
    "st_petersburg_incart",
]
SOURCES: tuple[Source, ...] = get_args(Source)

_SOURCE_OF_LETTERS: Mapping[str, Source] = {
    "A": "cpsc_2018",
    "Q": "cpsc_2018_extra",
    "E": "georgia",
    "S": "ptb",
    "HR": "ptb-xl",
    "I": "st_petersburg_incart",
}
LAST_OF_CHAPMAN = 10646
_NUMBERED = re.compile(r"([A-Z]{1,2})(\d{4,5})")
# "#Dx:" or "# Dx:", whatever the source.
_DIAGNOSES = re.compile(rb"^[ \t]*#[ \t]*Dx[ \t]*:([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_BETWEEN_CODES = re.compile(rb"[\s,;]+")


@dataclass(frozen=True)
class CodeTask:
    """A task whose classes are sets of codes.

    Attributes:
        name: column of the labels.
        kind: as in `Task`; where it is single-label, a record with several classes has none.
        codes: the codes of every class.
    """

    name: str
    kind: Literal["multi-label", "single-label"]
    codes: Mapping[str, tuple[str, ...]]

    @property
    def task(self) -> Task:
        """The task as an index names it."""
        return Task(self.name, tuple(self.codes), self.kind)

    @cached_property
    def _class_of(self) -> dict[str, str]:
        return {code: name for name, codes in self.codes.items() for code in codes}

    def label(self, codes: Iterable[str]) -> str:
        """The label of a record with `codes`, whatever their order; others do not count."""
        found = {self._class_of[code] for code in codes if code in self._class_of}
        if self.kind == "single-label" and len(found) != 1:
            return ""
        return LABEL_SEPARATOR.join(name for name in self.codes if name in found)


SCORED_TASK = CodeTask("scored", "multi-label", SCORED)


class ChallengeCohort(WFDBRecords):
    """Records of one or more sources of the challenge.

    Attributes:
        code_tasks: the tasks, the main one first.
    """

    code_tasks: ClassVar[tuple[CodeTask, ...]] = (SCORED_TASK,)

    def index(self) -> CohortIndex:
        """Records with split, origin and labels; see `Cohort.index`."""
        tasks = tuple(code_task.task for code_task in self.code_tasks)
        # A copy, for what a caller adds to its table is not everybody's.
        return CohortIndex(table=self._table.copy(), tasks=tasks)

    @abstractmethod
    def _folders(self) -> dict[Source, Path]:
        """Where the records of every source are; DataError if a source is not there."""

    @cached_property
    def _table(self) -> pd.DataFrame:
        if not self.folder.is_dir():
            raise DataError(
                f"There is no folder {self.folder}; give that of the PhysioNet Challenge 2021 "
                f"(the one that holds 'training')."
            )
        parts = [self._part(source, folder) for source, folder in self._folders().items()]
        return pd.concat(parts, ignore_index=True)

    def _part(self, source: Source, folder: Path) -> pd.DataFrame:
        """The rows of one source."""
        records, headless = _records(folder, source)
        within = PurePosixPath(folder.relative_to(self.folder).as_posix())
        names = [f"{source}/{record.rpartition('/')[2]}" for record in records]
        codes = [
            () if record in headless else read_codes(folder / f"{record}.hea") for record in records
        ]
        columns = {
            "record": [str(within / record) for record in records],
            "patient": names,
            "split": [split_of_patient(name) for name in names],
            "origin": [_origin(name) for name in names],
        }
        for code_task in self.code_tasks:
            columns[code_task.name] = [code_task.label(of_record) for of_record in codes]
        return pd.DataFrame(columns)


class SourceCohort(ChallengeCohort):
    """Records of one source, in its own folder or in that of the challenge.

    Attributes:
        source: name of the source's folder in the challenge.
    """

    source: ClassVar[Source]

    def _folders(self) -> dict[Source, Path]:
        found = source_folder(self.folder, self.source)
        others = [name for name in SOURCES if source_folder(self.folder, name)]
        if found is None and others:
            raise DataError(
                f"{self.folder} holds {', '.join(others)} but no folder {self.source}; give a "
                f"folder that has it, or the folder {self.source} itself."
            )
        return {self.source: found or self.folder}


def source_folder(path: Path, source: Source) -> Path | None:
    """The folder of a source in the challenge's folder or in its `training`, if it is there."""
    for folder in (path / "training" / source, path / source):
        if folder.is_dir():
            return folder
    return None


def source_of(name: str) -> Source | None:
    """The source that numbers its records like `name`; None for a name of another kind."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    if match[1] == "JS":
        # Chapman-Shaoxing and Ningbo were numbered through, and one release has them mixed.
        return "chapman_shaoxing" if int(match[2]) <= LAST_OF_CHAPMAN else "ningbo"
    return _SOURCE_OF_LETTERS.get(match[1])


def read_codes(header: Path) -> tuple[str, ...]:
    """The diagnoses in a header as they stand there; none if it cannot be read.

    Why it cannot be read is said when its signal is.
    """
    try:
        found = _DIAGNOSES.findall(header.read_bytes())
    except OSError:
        return ()
    words = (word for line in found for word in _BETWEEN_CODES.split(line))
    return tuple(word.decode("ascii", "replace") for word in words if word)


def _records(folder: Path, source: Source) -> tuple[list[str], set[str]]:
    """Records of a source by path in its folder, and those of them that have no header."""
    headed, listed = _walk(folder)
    headless = {record for record in listed - headed if not (folder / record).is_dir()}
    every = sorted(headed | headless)
    own = [r for r in every if source_of(r.rpartition("/")[2]) in (source, None)]
    if not own:
        raise DataError(
            f"There are no records (*.hea) of {source} in {folder}; give the folder {source} of "
            f"the PhysioNet Challenge 2021, or one that holds it."
        )
    if len(own) < len(every):
        log.warning(
            "%s: %d records are of other sources than %s by their names and are left out",
            folder, len(every) - len(own), source,
        )  # fmt: skip
    headless &= set(own)
    if headless:
        log.warning(
            "%s: %d of %d records that RECORDS lists have no header: the copy is not complete",
            folder, len(headless), len(own),
        )  # fmt: skip
    return own, headless


def _walk(folder: Path) -> tuple[set[str], set[str]]:
    """Records that have a header, and records that a file `RECORDS` lists."""
    headed: set[str] = set()
    listed: set[str] = set()
    for top, _, names in os.walk(folder):
        within = PurePosixPath(Path(top).relative_to(folder).as_posix())
        # Hidden files are what other systems leave beside a file, such as ._A0001.hea.
        stems = (n[: -len(".hea")] for n in names if n.endswith(".hea") and n[0] != ".")
        headed.update(str(within / stem) for stem in stems)
        if "RECORDS" in names:
            listed.update(str(within / entry) for entry in _listed(Path(top) / "RECORDS"))
    return headed, listed


def _listed(path: Path) -> list[PurePosixPath]:
    """What a file `RECORDS` lists, without what would lead out of its folder."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        log.warning("%s is not readable (%s) and is passed over", path, error.strerror)
        return []
    # A line that ends in a slash names a folder, which has a list of its own.
    texts = [line.strip() for line in lines if not line.rstrip().endswith("/")]
    entries = [PurePosixPath(text) for text in texts if text]
    inside = [entry for entry in entries if _stays_inside(entry)]
    if len(inside) < len(entries):
        log.warning(
            "%s: %d lines do not name a file in its folder and are passed over",
            path, len(entries) - len(inside),
        )  # fmt: skip
    return inside


def _stays_inside(entry: PurePosixPath) -> bool:
    # Colons and backslashes lead elsewhere on Windows; no system takes a zero in a name.
    odd = any(sign in str(entry) for sign in ("\\", ":", "\0"))
    return bool(entry.name) and not odd and not entry.is_absolute() and ".." not in entry.parts


def _origin(name: str) -> str:
    """PTB-XL has the same recordings by the number `ecg_id`, without zeros in front."""
    source, _, record = name.partition("/")
    digits = record.removeprefix("HR")
    return f"{source}/{int(digits)}" if source == "ptb-xl" and digits.isdecimal() else name
