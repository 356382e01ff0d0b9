"""What the host relies on in every encoder; an encoder is tested by being registered."""

from __future__ import annotations

from typing import Any

import pytest

from lcd_plugin.plugins import ENCODERS
from lcd_plugin.testing import Check, checks_for

# As small as they can be made; others are tested as they come.
SMALL: dict[str, dict[str, Any]] = {
    "vgg16_1d": {"width": 0.05},
    "resnet1d18": {"width": 0.125},
    "xresnet1d50": {"width": 0.125},
    "convnext1d": {"width": 0.2},
    "vit1d_xs": {"width": 0.125},
}
CHECKS = [
    check for name in ENCODERS.names() for check in checks_for("encoder", name, SMALL.get(name))
]


@pytest.mark.filterwarnings("error::lcd_plugin.testing.ConformanceWarning")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.trial.title}-{check.name}")
def test_it_does_what_the_host_relies_on(check: Check) -> None:
    check.run()
