"""What the host relies on in every pretraining method; a method is tested by being registered."""

from __future__ import annotations

import pytest

from lcd_plugin.plugins import METHODS
from lcd_plugin.testing import Check, checks_for

NAMES = [name for name in METHODS.names() if METHODS.spec(name).kind == "pretraining"]
CHECKS = [check for name in NAMES for check in checks_for("method", name, slow=False)]


@pytest.mark.filterwarnings("error::lcd_plugin.testing.ConformanceWarning")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.trial.title}-{check.name}")
def test_it_does_what_the_host_relies_on(check: Check) -> None:
    check.run()
