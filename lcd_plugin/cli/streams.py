"""Standard streams that are closed, full or gone: a lost terminal, a pipe without a reader."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO, cast

from lcd_plugin.errors import ConfigError


class Stream:
    """A standard stream that says itself what becomes of text that cannot be written.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Write what is kept."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _failed(self, error: OSError | ValueError) -> None:
        raise NotImplementedError


class Forgiving(Stream):
    """One whose loss costs nobody anything: what cannot be written is left out."""

    def _failed(self, error: OSError | ValueError) -> None:
        to_nowhere(self._stream)


class OutputError(ConfigError):
    """Stdout cannot be written."""


class NoReaderError(Exception):
    """Whoever read stdout has seen enough."""


class Required(Stream):
    """One that the command is for: it raises one of the errors above."""

    def _failed(self, error: OSError | ValueError) -> None:
        if isinstance(error, BrokenPipeError):
            raise NoReaderError from error  # of BrokenPipeError rich makes a failure
        if not isinstance(error, OSError):
            raise error
        raise OutputError(f"The output cannot be written ({error.strerror}).") from error


def to_nowhere(stream: TextIO) -> None:
    """Let a stream lead nowhere, also what is in its buffer and would fail again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):  # it is none of a file
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def set_up_streams() -> None:
    """Go on without stderr, which is for people who look on; and not without stdout.

    Raises:
        OutputError: stdout is closed.
    """
    # A file that is opened later must not get the number of a stream that was closed.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 for as long as we live
    if not isinstance(sys.stderr, Stream):
        sys.stderr = cast(TextIO, Forgiving(sys.stderr))
    if sys.stdout is None:
        raise OutputError("The output cannot be written (it is closed).")
    if not isinstance(sys.stdout, Stream):
        sys.stdout = cast(TextIO, Required(sys.stdout))
