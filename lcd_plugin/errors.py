"""The errors that a user can meet; each carries the exit code of `lcd-bench`.

A message is one sentence that names what is wrong and says what to do about it.
Anything that is not one of these is a bug of ours (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LcdBenchError(Exception):
    """Base of all errors that are not bugs."""

    exit_code = 1


class ConfigError(LcdBenchError):
    """The command line, a suite or a setting asks for something impossible."""

    exit_code = 2


class DataError(LcdBenchError):
    """A dataset is missing, unreadable or contradicts itself."""

    exit_code = 5


class PluginError(LcdBenchError):
    """A method, dataset or encoder from elsewhere cannot be used."""

    exit_code = 5


class MemoryShortageError(LcdBenchError):
    """A cell needs more memory than there is; the others are not concerned."""

    exit_code = 3


class RecordError(LcdBenchError):
    """One record cannot be used; it is named, counted and left out.

    Args:
        reason: what is wrong, as a phrase that follows the record's name.
        kind: one of the kinds of finding of the quality gate.
        lead: the lead concerned, if it is one.
    """

    exit_code = 5

    def __init__(self, reason: str, *, kind: str = "unreadable", lead: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.lead = lead


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'lcd'?`, or the list of known names and a full stop if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.6)
    if near:
        return "; did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return "; known are " + (", ".join(names) if names else "none") + "."
