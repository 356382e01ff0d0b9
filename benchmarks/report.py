"""The report of a large run: seconds of every phase, in a new process.

    python benchmarks/report.py
    python benchmarks/report.py --methods 40 --records 2000

A run is made up (20 methods x 5 seeds x 4 datasets, each pretrained once and scored with 4 label
fractions: 2,000 cells, with 500 test records and 5 classes) and its report is written as
`lcd-bench report` does it. Processor time is of all threads and worker processes: on a machine that
other work shares, it says more than the clock.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
FRACTIONS = (0.01, 0.1, 0.3, 1.0)
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
SHARES = (0.45, 0.25, 0.24, 0.22, 0.12)
EPOCHS = 100


def made_up(out: Path, options: argparse.Namespace) -> int:
    """Write a run; the number of its cells."""
    from lcd_plugin.bench.saved_plan import SavedPlan, save_plan

    names = ["supervised", "random", *(f"method{i:02}" for i in range(options.methods - 2))]
    datasets = [f"dataset{i}" for i in range(options.datasets)]
    with ThreadPoolExecutor() as pool:
        jobs = product(datasets, enumerate(names), range(options.seeds))
        cells = list(pool.map(lambda job: _encoder(out, options.records, *job), jobs))
    plan = SavedPlan(
        suite="made-up", created="now", protocols=("linear",),
        pretrain=tuple(trained for trained, _ in cells),
        evaluate=tuple(cell for _, scored in cells for cell in scored),
        unavailable={}, data=(),
    )  # fmt: skip
    save_plan(out, plan)
    return len(plan.pretrain) + len(plan.evaluate)


def _encoder(
    out: Path, records: int, dataset: str, method: tuple[int, str], seed: int
) -> tuple[Any, list[Any]]:
    """Write a pretraining and the evaluations of its encoder, whose scores differ by method."""
    from lcd_plugin.bench.results import (
        EvaluateResult,
        PretrainResult,
        key_of,
        pack_arrays,
        write_result,
    )
    from lcd_plugin.bench.saved_plan import SavedCell

    number, name = method
    common: dict[str, Any] = {
        "method": name, "encoder": "e", "dataset": dataset, "seed": seed,
        "kind": name if number < 2 else "pretraining",
    }  # fmt: skip
    identity: dict[str, Any] = {"method": name, "seed": seed, "data": dataset, "dataset": dataset}
    provenance = {"machine": {"name": "one"}, "finished": "2026-01-01"}
    trained = SavedCell(key=key_of(identity), title=f"pretrain {name}", **common)
    history = "".join(f"{epoch},{2 / epoch},0.1\n" for epoch in range(1, EPOCHS + 1))
    result = PretrainResult(
        key=trained.key, identity=identity, phases={"load": 0.5, "steps": 10.0 + seed},
        records_per_s=100.0, updates=1000, provenance=provenance,
    )  # fmt: skip
    files = {"history.csv": f"epoch,loss,embedding_std\n{history}".encode()}
    write_result(out / "pretrain" / trained.key, result, files)
    rng = np.random.default_rng([int(dataset[-1]), 0])
    targets = (rng.random((records, len(CLASSES))) < SHARES).astype(np.int8)
    patients = np.array([f"p{i}" for i in rng.integers(0, records, records)])
    cells = []
    for fraction in FRACTIONS:
        rng = np.random.default_rng([int(dataset[-1]), number, seed, round(100 * fraction)])
        strength = 0.5 + 0.05 * number + fraction
        logits = strength * (targets - 0.5) + rng.standard_normal(targets.shape)
        protocol = "scratch" if name == "supervised" else "linear"
        own = identity | {
            "task": "t", "label_fraction": fraction, "label_seed": seed, "protocol": protocol,
            "pretrain_key": trained.key,
        }  # fmt: skip
        cell = SavedCell(
            key=key_of(own), title=f"linear {name}", task="t", label_fraction=fraction,
            protocol=protocol, label_seed=seed, pretrain_key=trained.key,
            pretrain_dataset=None if name == "supervised" else dataset, **common,
        )  # fmt: skip
        scored = EvaluateResult(
            key=cell.key, identity=own, classes=CLASSES, n_test=records, provenance=provenance,
            n_labels=round(8 * records * fraction), macro={"auroc": 0.5},
        )  # fmt: skip
        arrays = pack_arrays(
            rows=np.arange(records), patients=patients, targets=targets,
            scores=(1 / (1 + np.exp(-logits))).astype(np.float32),
            thresholds=np.full(len(CLASSES), 0.5, dtype=np.float32),
        )  # fmt: skip
        write_result(out / "evaluate" / cell.key, scored, {"predictions.npz": arrays})
        cells.append(cell)
    return trained, cells


def timed(phase: str, call: Callable[[], T]) -> T:
    """Print what a call takes."""
    clock, used = time.perf_counter(), processor_s()
    value = call()
    print(f"| {phase} | {time.perf_counter() - clock:.2f} | {processor_s() - used:.2f} |")
    return value


def processor_s() -> float:
    """Processor time of this process and its ended children."""
    return sum(os.times()[:4])


def report(out: Path, folder: Path) -> None:
    """Write the report of a run, phase by phase."""

    def imported() -> tuple[Any, Any, Any, Any]:
        from lcd_plugin.report import collect, leaderboard
        from lcd_plugin.report.write import FORMATS, write_report

        return collect, leaderboard, FORMATS, write_report

    collect, leaderboard, formats, write_report = timed("imports", imported)
    timed("reading (also part of the next)", lambda: collect.collect([out]))
    board = timed("leaderboard", lambda: leaderboard.build_leaderboard([out]))
    for name in formats:
        timed(f"writing {name}", partial(write_report, board, folder, [name]))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"methods": 20, "seeds": 5, "datasets": 4, "records": 500}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="of a run that is there, instead of a made-up one")
    parser.add_argument("--phases", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phases:
        report(options.out, options.phases)
        return
    with tempfile.TemporaryDirectory() as place:
        out = options.out or Path(place) / "out"
        if not options.out:
            print(f"{made_up(out, options):,} cells", flush=True)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| phase | s | processor s |\n|---|---:|---:|", flush=True)
        command = [sys.executable, __file__, "--out", str(out), "--phases", f"{place}/report"]
        clock, used = time.perf_counter(), processor_s()
        subprocess.run(command, check=True)
        took = time.perf_counter() - clock
        print(f"| **whole process** | {took:.2f} | {processor_s() - used:.2f} |")


if __name__ == "__main__":
    main()
