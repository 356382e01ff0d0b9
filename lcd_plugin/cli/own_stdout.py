"""Standard output is for results: what plugins print goes to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def own_stdout() -> Iterator[None]:
    """Send what is printed to stderr, also by the processes that are started meanwhile."""
    if sys.__stdout__ is None:  # it was closed before we started
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
