"""For pytest: one test becomes one item for each check of a plugin.

    @pytest.mark.lcd_plugin("my_method")
    def test_my_method(conformance_check):
        conformance_check()

pytest loads this wherever the package is installed, so nothing heavy is imported here.
"""

from __future__ import annotations

from typing import Any

import pytest

MARKER, FIXTURE = "lcd_plugin", "conformance_check"
LINE = (
    f"{MARKER}(name, kind=None, settings=None, path=None, slow=True): give the test's fixture "
    f"{FIXTURE} each check of a plugin of that name in turn"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", LINE)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a check, under the check's name."""
    if FIXTURE not in metafunc.fixturenames:
        return
    markers = list(metafunc.definition.iter_markers(MARKER))
    if not markers:
        pytest.fail(f"{FIXTURE} needs @pytest.mark.{MARKER}('NAME') on the test.", pytrace=False)
    from lcd_plugin.errors import LcdBenchError

    try:
        checks = [check for marker in markers for check in _checks(*marker.args, **marker.kwargs)]
    except (LcdBenchError, TypeError) as error:
        pytest.fail(f"@pytest.mark.{MARKER}: {error}", pytrace=False)
    several = len({check.trial.title for check in checks}) > 1
    names = [f"{check.trial.title}-{check.name}" if several else check.name for check in checks]
    metafunc.parametrize(FIXTURE, [check.run for check in checks], ids=names)


def _checks(name: str, kind: str | None = None, **options: Any) -> list[Any]:
    from lcd_plugin.testing.kit import checks_for, kinds_of

    kinds: Any = (kind,) if kind is not None else kinds_of(name)
    return [check for each in kinds for check in checks_for(each, name, **options)]
