"""What an exception says, as text that can be written anywhere: it may be anyone's."""

from __future__ import annotations

import traceback


def complaint(error: BaseException) -> str:
    """The text of an exception, also of one that has none."""
    try:
        text = str(error)
    except Exception:  # of its own `__str__`
        text = "its text cannot be shown"
    return _writable(text)


def named(error: BaseException) -> str:
    """The text of an exception behind its type, in one line; compilers' messages have many."""
    return f"{_writable(type(error).__name__)}: {' '.join(complaint(error).split())}".rstrip(": ")


def last_calls(error: BaseException) -> str:
    """The end of the traceback of an exception."""
    return _writable("".join(traceback.format_exception(error)))[-4000:]


def _writable(text: str) -> str:
    # What is decoded from bytes may hold halves of characters, which no file takes.
    return text.encode(errors="backslashreplace").decode()
