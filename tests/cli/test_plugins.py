"""`lcd-bench plugins` in processes that see distributions of all sorts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
from lcd_plugin.plugins import {kind}Spec
SPEC = {kind}Spec(name="{name}", implementation="{module}:Heavy", summary="a test")
class Heavy: pass
"""
GOOD = SPEC.format(kind="Method", name="good", module="ecg_good")
DATA = SPEC.format(kind="Dataset", name="records", module="ecg_data")
HALF = SPEC.format(kind="Method", name="half", module="ecg_half") + "del Heavy\n"
# Distribution, group, name, code.
INSTALLED = [
    ("ecg-good", "methods", "good", GOOD),
    ("ecg-data", "datasets", "records", DATA),
    ("ecg-bad", "encoders", "bad", "def inner():\n    1 / 0\ninner()\n"),
    ("ecg-half", "methods", "half", HALF),
    ("ecg-one", "methods", "twice", "1 / 0"),
    ("ecg-two", "methods", "twice", "1 / 0"),
    ("ecg-lcd", "methods", "lcd", "1 / 0"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    for distribution, group, name, code in INSTALLED:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(code)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[lcd_plugin.{group}]\n{name} = {module}:SPEC\n")
    return site


def _plugins(site: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lcd_plugin.cli", "plugins", *arguments],
        env=os.environ | {"PYTHONPATH": str(site)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def _entries(site: Path, *arguments: str, **environment: str) -> dict[tuple[str, str], dict]:
    """Entries by distribution and name."""
    document = json.loads(_plugins(site, "--json", *arguments, **environment))
    return {(e["distribution"], e["name"]): e for e in document["plugins"]}


def test_every_plugin_has_its_status_and_reason(site: Path) -> None:
    entries = _entries(site)
    good = entries["ecg-good", "good"]
    assert (good["kind"], good["version"], good["status"]) == ("method", "1.0", "loaded")
    assert (good["summary"], good["reason"], len(good["code"])) == ("a test", "", 16)
    assert entries["ecg-data", "records"]["kind"] == "dataset"
    bad = entries["ecg-bad", "bad"]
    assert (bad["kind"], bad["status"]) == ("encoder", "broken")
    assert bad["reason"].endswith("from ecg_bad:SPEC: ZeroDivisionError: division by zero")
    assert "in inner" in bad["traceback"]
    half = entries["ecg-half", "half"]
    assert (half["status"], half["summary"]) == ("broken", "a test")
    assert "has no attribute 'Heavy'" in half["reason"]
    for distribution in ("ecg-one", "ecg-two"):
        twice = entries[distribution, "twice"]
        assert twice["status"] == "duplicate"
        assert "offered by ecg-one and ecg-two" in twice["reason"]
    assert entries["ecg-lcd", "lcd"]["status"] == "duplicate"
    assert entries["ecg-lcd", "lcd"]["reason"].startswith("The method 'lcd' of lcd-plugin")
    own = [e for (distribution, _), e in entries.items() if distribution == "lcd-plugin"]
    assert {e["kind"] for e in own} == {"method", "dataset", "encoder"}
    assert {e["status"] for e in own} == {"built in"}
    assert all(e["summary"] and len(e["code"]) == 16 for e in own)


def test_what_is_switched_off_is_shown_and_not_tried(site: Path) -> None:
    entries = _entries(site, LCD_BENCH_PLUGINS="ecg-good")
    assert entries["ecg-good", "good"]["status"] == "loaded"
    assert entries["ecg-bad", "bad"]["status"] == "switched off"
    assert "set it to ecg-good,ecg-bad" in entries["ecg-bad", "bad"]["reason"]


def test_a_table_with_tracebacks_if_asked_for(site: Path) -> None:
    shown = _plugins(site)
    lines = [line.split() for line in shown.splitlines()]
    assert ["encoder", "bad", "broken", "ecg-bad", "1.0"] in [line[:5] for line in lines]
    assert "in inner" not in shown
    assert "in inner" in _plugins(site, "--traceback")


def test_a_file_is_shown_with_the_others(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_file.py"
    file.write_text(SPEC.format(kind="Method", name="in_a_file", module="my_file"))
    entry = _entries(site, "--plugin", str(file), LCD_BENCH_PLUGINS="0")["my_file.py", "in_a_file"]
    assert (entry["status"], entry["version"]) == ("loaded", "1")


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys\nfrom lcd_plugin.cli.plugins import plugins_command\nplugins_command()\n"
        "print([m for m in ('torch', 'lightly', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


LOUD = """\
import os
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import MethodSpec

SPEC = MethodSpec(name="loud", implementation="loud:Loud", summary="a test")
print("garbage of the import")

class Loud(Method):
    views = "aa"
    print("garbage of the class")

    def training_step(self, views):
        print("garbage of a step")
        os.system("echo garbage of a process")
        loss = sum(self.encoder(view).square().mean() for view in views)
        return StepOutput(loss=loss, terms={})
"""


@pytest.mark.parametrize(
    "command",
    [
        ["run", "quick", "-m", "loud", "--limit", "80", "--epochs", "1", "--batch-size", "32",
         "--label-fractions", "1", "--set", "data.seconds=2.5", "-o", "out"],
        ["check-plugin", "loud", "--quick"],
    ],
    ids=["run", "check-plugin"],
)  # fmt: skip
def test_what_a_plugin_prints_is_no_result(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    done = subprocess.run(
        [sys.executable, "-m", "lcd_plugin.cli", *command, "--plugin", "loud.py", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert json.loads(done.stdout)["schema"] == 1
    for source in ("the import", "the class", "a step", "a process"):
        assert f"garbage of {source}\n" in done.stderr
