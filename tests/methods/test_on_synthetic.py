"""Every registered method on the embedded records, through the host that benchmarks use."""

from __future__ import annotations

import pytest

from lcd_plugin.plugins import METHODS
from lcd_plugin.testing import Check, checks_for

NAMES = [name for name in METHODS.names() if METHODS.spec(name).kind == "pretraining"]
CHECKS = [check for name in NAMES for check in checks_for("method", name) if check.slow]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.trial.title)
def test_it_learns(check: Check) -> None:
    check.run()


def test_every_method_is_here() -> None:
    assert len(CHECKS) == len(NAMES) >= 4
