"""What a run costs beyond the pretrainings in it: processes, imports, plan, messages, files.

Each round does the same pretrainings twice, one way after the other: bare, in one process that
imports, opens the store and calls the engine; and as `lcd-bench run`, from the start of its process
to its end. Of the latter the time of its evaluations and of its report is taken off.

    python benchmarks/runner.py --epochs 120 --seeds 3     # cells of a minute
    python benchmarks/runner.py --epochs 1 --seeds 20      # short ones
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import json, sys
from functools import partial
import numpy as np, torch
from lcd_plugin.bench.datasets import open_store, pretrain_rows
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.encoders import create_encoder
from lcd_plugin.methods.lcd import LCD
from lcd_plugin.data.store import SIGNALS
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.memory import keep_freed_memory
from lcd_plugin.pretrain.records import Records

keep_freed_memory()
suite = load_suite("quick", json.loads(sys.argv[1]), {})
store = open_store("synthetic", suite, lambda *_: None)
rows = pretrain_rows(store, suite)
records = Records(store.path / SIGNALS, store.signals.shape, rows, np.zeros(len(rows), dtype=int))
for seed in suite.seeds:
    pretrain(
        lambda: LCD(create_encoder("vgg16_1d", in_leads=1), LCD.config_class()),
        records, suite.pretrain, suite.views,
        seed=seed, device=torch.device("cpu"), precision="fp32",
    )
"""


def main() -> None:
    """Time both ways in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    seeds = ",".join(map(str, range(options.seeds)))
    settings = [
        f"pretrain.epochs={options.epochs}",
        "pretrain.batch_size=64",
        f"limit={options.limit}",
        f"seeds=[{seeds}]",
        "precision='fp32'",
        "label_fractions=[1.0]",
    ]
    os.environ["LCD_BENCH_CACHE"] = tempfile.mkdtemp(prefix="lcd-bench-cache-")
    print(
        f"{options.seeds} pretrainings of LCD, {options.epochs} epochs of {options.limit} records"
    )
    print("round   bare s   run s  evaluations s  report s  overhead s   a cell s      share")
    with tempfile.TemporaryDirectory() as folder:
        bare(["pretrain.epochs=1", *settings[1:3], "seeds=[0]"])  # makes the store
        for number in range(options.rounds):
            alone = bare(settings)
            whole, evaluations, report, cells = run(
                settings, Path(folder) / str(number), options.jobs
            )
            over = whole - evaluations - report - alone
            print(
                f"{number:>5} {alone:8.1f} {whole:7.1f} {evaluations:14.1f} {report:9.1f} "
                f"{over:11.2f} {over / cells:10.2f} {over / alone:10.1%}"
            )


def bare(settings: list[str]) -> float:
    """Seconds of a process that only pretrains."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE, json.dumps(settings)], check=True)
    return time.perf_counter() - start


def run(settings: list[str], out: Path, jobs: int) -> tuple[float, float, float, int]:
    """Seconds of a run, of its evaluations and of its report, and its number of cells."""
    assignments = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "lcd_plugin.cli", "run", "quick", "-m", "lcd", *assignments]
    start = time.perf_counter()
    subprocess.run([*command, "--jobs", str(jobs), "-o", str(out)], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    ended = max(path.stat().st_mtime for path in out.glob("events/*.jsonl"))
    report = time.time() - ended
    results = [json.loads(path.read_text()) for path in out.glob("*/*/result.json")]
    scored = [r for r in results if r["identity"]["kind"] == "evaluate"]
    return seconds, sum(sum(r["phases"].values()) for r in scored), report, len(results)


if __name__ == "__main__":
    main()
