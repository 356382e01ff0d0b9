"""What a user types first must answer at once."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

HEAVY = {"torch", "lightly", "timm", "sklearn", "scipy", "pandas", "matplotlib"}


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_the_package_loads_nothing_heavy():
    assert not modules_after("import lcd_plugin; dir(lcd_plugin)") & (HEAVY | {"numpy"})


@pytest.mark.parametrize("kind", ["methods", "datasets", "encoders", "suites"])
def test_list_loads_no_torch(kind: str):
    code = f"from lcd_plugin.cli.main import app\napp(['list', '{kind}'], standalone_mode=False)"
    assert not modules_after(code) & {"torch", "lightly", "timm"}


def test_help_loads_no_torch_and_costs_little_processor_time():
    code = "from lcd_plugin.cli.main import app\ntry: app(['--help'])\nexcept SystemExit: pass"
    assert not modules_after(code) & HEAVY
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "lcd_plugin.cli", "--help"], check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 0.5


def test_list_json_is_one_document():
    command = [sys.executable, "-m", "lcd_plugin.cli", "list", "methods", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    methods = {m["name"] for m in json.loads(done.stdout)["methods"]}
    assert {"lcd", "simclr", "byol", "vicreg", "random", "supervised"} <= methods


def test_a_report_loads_no_torch():
    code = "import lcd_plugin.report.leaderboard, lcd_plugin.report.write"
    assert not modules_after(code) & {"torch", "lightly", "timm", "lightning_fabric", "sklearn"}
