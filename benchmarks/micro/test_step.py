"""One update: the engine's step makes its views too, the naive one has them ready in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sides import engine_step, naive_step
from work import Work

STEPS = {"naive": naive_step, "engine": engine_step}


def test_step(
    timed: Callable[..., Any], remote: Callable[..., Any], work: Work, method: str, side: str
) -> None:
    """An update of a method, in a process of its side."""
    timed(f"step, {method}", lambda: remote(side, STEPS[side], method, work))
