"""A report made by several processes is the one made by a single one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from lcd_plugin.report.leaderboard import build_leaderboard

SCRIPT = """
import os, sys
from pathlib import Path
from lcd_plugin.data import parallel
from lcd_plugin.report import leaderboard

parallel.WORTH_FORKING = 0
first, compare = os.getpid(), leaderboard._compare
def told(lines):
    print("elsewhere" if os.getpid() != first else "here", file=sys.stderr, flush=True)
    return compare(lines)
leaderboard._compare = told
print(leaderboard.build_leaderboard([Path(out) for out in sys.argv[1:]]).model_dump_json())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_a_report_made_by_several_processes_is_the_same(runs: Any):
    outs = []
    for place, fraction in enumerate((0.01, 0.1, 1.0)):
        scores = {
            name: [runs.noisy(strength + fraction, 10 * place + seed) for seed in range(2)]
            for name, strength in {"lcd": 1.5, "byol": 0.8, "random": 0.0}.items()
        }
        outs.append(runs.write(scores, f"out{place}", fraction=fraction))
    command = [sys.executable, "-c", SCRIPT, *map(str, outs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "elsewhere" in done.stderr
    alone = json.loads(build_leaderboard(outs).model_dump_json())
    assert json.loads(done.stdout) | {"created": ""} == alone | {"created": ""}
