"""What a fresh process loads: looking around must not cost seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "lightly", "timm", "sklearn", "pandas", "matplotlib", "pytorch_lightning")


def _loaded(code: str, folder: Path) -> list[str]:
    script = (
        f"{code}\nimport json, sys\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    loaded: list[str] = json.loads(said.stdout.splitlines()[-1])
    return loaded


REGISTRIES = """
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
registries = (DATASETS, ENCODERS, METHODS)
"""


@pytest.mark.parametrize(
    "code",
    [
        "import lcd_plugin; lcd_plugin.__version__; dir(lcd_plugin)",
        REGISTRIES + "assert all(r.names() for r in registries)",
        REGISTRIES + "assert [r.spec(n) for r in registries for n in r.names() if r.origin(n)]",
    ],
    ids=["import", "names", "specs"],
)
def test_nothing_heavy_is_loaded(code: str, tmp_path: Path) -> None:
    assert _loaded(code, tmp_path) == []


def test_public_names_come_at_first_use(tmp_path: Path) -> None:
    """The counterpart: the check above would see torch if it were there."""
    assert "torch" in _loaded("from lcd_plugin import LCDLoss", tmp_path)


def test_every_public_name_is_there() -> None:
    import lcd_plugin

    for name in lcd_plugin.__all__:
        assert getattr(lcd_plugin, name) is not None
        assert name in dir(lcd_plugin)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lcd_plugin.no_such_name
