"""What all of a process shares: whatever a plugin sets there, it sets for itself alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from lcd_plugin.errors import LcdBenchError
from lcd_plugin.plugins.complaint import complaint, last_calls, named
from lcd_plugin.plugins.offers import is_worker

T = TypeVar("T")


class AttemptError(Exception):
    """What was attempted raised something.

    Args:
        error: what it raised, by anyone's code.

    Attributes:
        error: the same.
        reason: one sentence.
        traceback: the end of its traceback.
    """

    def __init__(self, error: BaseException) -> None:
        known = isinstance(error, LcdBenchError)  # these are sentences already
        self.reason = complaint(error) if known else named(error)
        self.traceback = last_calls(error)
        self.error = error
        super().__init__(self.reason)


def attempt(work: Callable[[], T]) -> T:
    """Do what must cost nothing else, whatever it does.

    Raises:
        AttemptError: it raised something, also an exit; an interruption by the user passes.
    """
    try:
        with own_state():
            return work()
    except BaseException as error:  # SystemExit, or a cancellation, of one cell is no other's
        # In a worker it is the cell's own: those of the user go to the run.
        if isinstance(error, KeyboardInterrupt) and not is_worker():
            raise
        raise AttemptError(error) from error


@contextmanager
def own_state() -> Iterator[None]:
    """Leave the process's folder, and what is global in torch, as they were."""
    folder = os.getcwd()  # noqa: PTH109
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()
    rounding = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        os.chdir(folder)
        torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        # Only where they changed: setting them has effects of its own.
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_float32_matmul_precision() != rounding:
            torch.set_float32_matmul_precision(rounding)
