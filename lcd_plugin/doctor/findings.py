"""What is found, and what is known of a cell: the words of all that looks at something here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lcd_plugin.report.versions import Subject

# A problem is mended, or needs a person; a note is only good to know.
Severity = Literal["problem", "note"]
# Called with how many cells or stores are done, and their total.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, or that is good to know.

    Attributes:
        kind: a word for it, of the table in docs/doctor.md.
        severity: `problem` or `note`.
        path: what it is about, relative to the folder that is looked at; `.` for all of it.
        message: a sentence on what is wrong and what it means.
        fix: what mending would do, as a phrase such as `removes it`; "" where a person must act.
        remove: what mending removes, relative to the same folder.
        rewrite: whether mending writes the report anew.
    """

    kind: str
    severity: Severity
    path: str
    message: str
    fix: str = ""
    remove: tuple[str, ...] = ()
    rewrite: bool = False


@dataclass(frozen=True)
class CellFacts:
    """What is asked of all results together.

    Attributes:
        status: `complete`, `failed`, or `none` where there is no result that can be relied on.
        transient: whether the next run tries a failed one again by itself.
        sealed: whether a seal vouches for all that it says.
        versions: behind it, as `versions_of` gives them.
        pretrain_key: of the pretraining whose encoder was scored.
        started, finished: UTC, ISO 8601; "" where it does not say.
        identity: of the result.
    """

    status: Literal["complete", "failed", "none"] = "none"
    transient: bool = False
    sealed: bool = True
    versions: frozenset[tuple[Subject, int]] = frozenset()
    pretrain_key: str | None = None
    started: str = ""
    finished: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)
