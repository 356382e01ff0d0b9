"""Every registered method on the embedded records, through the host that benchmarks use."""

from __future__ import annotations

import warnings

import pytest

from lcd_plugin.plugins import METHODS
from lcd_plugin.testing import Check, ConformanceWarning, checks_for

NAMES = [name for name in METHODS.names() if METHODS.spec(name).kind == "pretraining"]
CHECKS = [check for name in NAMES for check in checks_for("method", name) if check.slow]

# Their probe is no better than that of an untrained encoder after some seconds of training, or by
# too little to be told apart from it on another machine; docs/methods.md has what they come to on
# real records. All others must be better.
NOT_ABOVE_RANDOM_SO_SOON = {"bell", "byol", "jepa1d", "mae1d", "simsiam"}


@pytest.mark.parametrize(("name", "check"), zip(NAMES, CHECKS, strict=True), ids=NAMES)
def test_it_learns(name: str, check: Check) -> None:
    with warnings.catch_warnings():
        if name not in NOT_ABOVE_RANDOM_SO_SOON:
            warnings.simplefilter("error", ConformanceWarning)
        check.run()


def test_every_method_is_here() -> None:
    assert len(CHECKS) == len(NAMES) >= 12
    assert set(NAMES) > NOT_ABOVE_RANDOM_SO_SOON
