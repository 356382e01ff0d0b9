"""What a run costs beside its computing when it has very many cells.

    python benchmarks/scale.py
    python benchmarks/scale.py --seeds 15 --folder FOLDER

A suite of 98,550 cells (5 methods x 150 seeds on the synthetic dataset, each scored by 2 protocols
with 5 label fractions and up to 20 label subsets) is planned, its plan is written and read, made-up
results of all cells are written, as large as real ones, and then it is listed and gone on with as
`lcd-bench run` does it. Nothing is trained. Growth is of the most memory that the process ever had.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np

T = TypeVar("T")
METHODS = ("lcd", "simclr", "byol", "random", "supervised")
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
METRICS = ("auroc", "auprc", "f1", "balanced_accuracy", "ece")
RECORDS = 150


def write_suite(folder: Path, seeds: int, label_seeds: int) -> Path:
    """A suite file."""
    from lcd_plugin.bench.toml import dump_toml

    document = {
        "name": "scale", "methods": METHODS, "datasets": ["synthetic"], "seeds": range(seeds),
        "label_fractions": [0.2, 0.4, 0.6, 0.8, 1.0], "label_seeds": range(label_seeds),
        "limit": 120, "protocols": ["linear", "knn"], "precision": "fp32",
        "pretrain": {"batch_size": 32},
    }  # fmt: skip
    path = folder / "scale.toml"
    plain = {k: list(v) if isinstance(v, range) else v for k, v in document.items()}
    path.write_text(dump_toml(plain))
    return path


def plan_of(suite: Path) -> Any:
    """Its plan."""
    from lcd_plugin.bench.plan import make_plan
    from lcd_plugin.bench.suite import load_suite

    return make_plan(load_suite(str(suite)), "fp32", "cpu", lambda *_: None)


def make_up(plan: Any, out: Path) -> None:
    """Write a result of every cell."""
    import torch

    from lcd_plugin.bench.provenance import provenance
    from lcd_plugin.bench.results import (
        EvaluateResult,
        PretrainResult,
        pack_arrays,
        write_result,
    )

    origin = provenance(torch.device("cpu"), 1) | {"started": "now", "finished": "now"}
    rng = np.random.default_rng(0)
    predictions = pack_arrays(
        rows=np.arange(RECORDS), patients=np.array([f"p{i}" for i in range(RECORDS)]),
        targets=rng.integers(0, 2, (RECORDS, len(CLASSES)), dtype=np.int8),
        scores=rng.random((RECORDS, len(CLASSES)), dtype=np.float32),
        thresholds=rng.random(len(CLASSES), dtype=np.float32),
    )  # fmt: skip
    trained = {"encoder.safetensors": bytes(1000), "history.csv": b"epoch,loss\n" * 100}
    # Nothing of this needs to outlive a power cut.
    with patch("os.fsync"):
        for cell in plan.pretrain:
            result = PretrainResult(
                key=cell.key, identity=cell.identity, provenance=origin, records_per_s=100.0,
                phases={"load": rng.random(), "steps": 100 * rng.random()},
            )  # fmt: skip
            write_result(out / "pretrain" / cell.key, result, trained)
        for cell in plan.evaluate:
            means = dict(zip(METRICS, rng.random(len(METRICS)).tolist(), strict=True))
            of_classes = rng.random((len(METRICS), len(CLASSES))).tolist()
            score = EvaluateResult(
                key=cell.key, identity=cell.identity, provenance=origin, classes=CLASSES,
                phases={"fit": rng.random()}, n_labels=100, n_validation=50, n_test=RECORDS,
                macro=means, validation_macro=means, chosen={"C": math.pi},
                per_class=dict(zip(METRICS, map(tuple, of_classes), strict=True)),
            )  # fmt: skip
            write_result(out / "evaluate" / cell.key, score, {"predictions.npz": predictions})


def timed(phase: str, call: Callable[[], T]) -> T:
    """Print what a call takes."""
    clock, used, most = time.perf_counter(), processor_s(), most_mb()
    value = call()
    took, grown = time.perf_counter() - clock, most_mb() - most
    print(f"| {phase} | {took:.2f} | {processor_s() - used:.2f} | {grown:.0f} |", flush=True)
    return value


def processor_s() -> float:
    """Processor time of this process."""
    return sum(os.times()[:2])


def most_mb() -> float:
    """Most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if MAC else 2**10)


MAC = sys.platform == "darwin"


def phases(suite: Path, out: Path) -> int:
    """All that is done in this process; the number of cells."""
    import torch

    from lcd_plugin.bench.listing import known_result
    from lcd_plugin.bench.runner import Runner
    from lcd_plugin.bench.saved_plan import SavedPlan, read_plan, save_plan
    from lcd_plugin.bench.units import units_of

    with tempfile.TemporaryDirectory() as folder:
        # What a first plan imports and prepares is of no interest here.
        plan_of(write_suite(Path(folder), 1, 1))
    print("| phase | s | processor s | growth MB |\n|---|---:|---:|---:|", flush=True)
    plan = timed("planning", lambda: plan_of(suite))
    timed("units", lambda: sum(1 for _ in units_of(plan)))
    timed("saving the plan", lambda: save_plan(out, SavedPlan.of(plan, [])))
    timed("reading the plan", lambda: read_plan(out))
    cells = [*plan.pretrain, *plan.evaluate]
    timed("looking at results, none there", lambda: [known_result(out, c) for c in cells].count(1))
    timed("making up results", lambda: make_up(plan, out))
    found = timed(
        "looking at results", lambda: sum(known_result(out, c) is not None for c in cells)
    )
    outcome = timed("a run with nothing to do", Runner(plan, out, torch.device("cpu")).run)
    assert found == len(cells) == outcome.counts["cached"]
    return found


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=150)
    parser.add_argument("--label-seeds", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where to write; must have about 2 GB")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=options.folder))
    try:
        suite, out = write_suite(folder, options.seeds, options.label_seeds), folder / "out"
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)
        cells = phases(suite, out)
        clock, used = time.perf_counter(), os.times()
        command = [sys.executable, "-m", "lcd_plugin.cli", "run", str(suite), "--dry-run"]
        subprocess.run([*command, "-o", str(out)], check=True, stdout=subprocess.DEVNULL)
        took, ended = time.perf_counter() - clock, os.times()
        own = ended.children_user + ended.children_system
        own -= used.children_user + used.children_system
        print(f"| `lcd-bench run --dry-run`, whole process | {took:.2f} | {own:.2f} | |")
        print(f"\n{cells:,} cells")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
