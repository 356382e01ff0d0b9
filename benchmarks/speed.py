"""The engine against the naive pipeline, as a Markdown table.

    python benchmarks/speed.py -o runs/speed.md
    python benchmarks/speed.py --total 100 --records 1700 --methods lcd

Each side lives in a process of its own, and they take turns: in every round each method trains for
`--epochs` epochs by the naive pipeline and then by the engine, so that other work on the machine
meets both. What is compared is compared within a round. A round before the first, of one batch a
method, warms up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from sides import do, engine_epochs, engine_precision, naive_epochs, process
from work import Timing, Work, cores

from lcd_plugin.pretrain.device import choose_device, processor

METHODS = ("lcd", "simclr", "byol", "vicreg")
YARDSTICK = "simclr"


class Sides:
    """The two processes; a call waits until the other side has nothing left to do."""

    def __init__(self, stack: ExitStack) -> None:
        self._naive: ProcessPoolExecutor = stack.enter_context(process("naive"))
        self._engine: ProcessPoolExecutor = stack.enter_context(process("engine"))

    def naive(self, method: str, work: Work, epochs: int = 1) -> Timing:
        """Epochs of the naive pipeline."""
        return self._naive.submit(do, naive_epochs, method, work, epochs).result()

    def engine(self, method: str, work: Work, epochs: int = 1, calibrate: bool = False) -> Timing:
        """A pretraining by the engine."""
        return self._engine.submit(do, engine_epochs, method, work, epochs, calibrate).result()

    def ask_engine(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns in the engine's process."""
        return self._engine.submit(function, *arguments).result()

    def warm_up(self, methods: Sequence[str], work: Work) -> None:
        """One batch a method on both sides."""
        one_batch = replace(work, shape=(work.batch, *work.shape[1:]))
        for method in methods:
            self.naive(method, one_batch)
            self.engine(method, one_batch)


def rates(sides: Sides, options: argparse.Namespace, work: Work) -> list[str]:
    """The table of throughputs, paired by round."""
    naive: dict[str, list[float]] = {method: [] for method in options.methods}
    steps: dict[str, list[float]] = {method: [] for method in options.methods}
    whole: dict[str, list[float]] = {method: [] for method in options.methods}
    updates = work.shape[0] // work.batch
    for number in range(1, options.rounds + 1):
        for method in options.methods:
            slow = sides.naive(method, work, options.epochs)
            fast = sides.engine(method, work, options.epochs)
            if slow.records_per_s is None or fast.records_per_s is None:
                sys.exit("All updates went into warming up the GPU; use more --records or --epochs")
            naive[method].append(slow.records_per_s)
            steps[method].append(fast.records_per_s)
            whole[method].append(options.epochs * updates * work.batch / fast.wall_s)
            progress(
                f"round {number}/{options.rounds}, {method}: naive {slow.records_per_s:,.0f}, "
                f"engine {fast.records_per_s:,.0f} records/s"
            )
    rows = [
        "| Method | Naive, records/s | Engine, records/s | Ratio (range) | Engine, whole call, "
        "records/s | Ratio, whole call (range) | Engine, ms an update | "
        f"Time an update, {YARDSTICK} = 1 (range) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method in options.methods:
        cells = [
            method,
            f"{statistics.median(naive[method]):,.0f}",
            f"{statistics.median(steps[method]):,.0f}",
            spread(steps[method], naive[method]),
            f"{statistics.median(whole[method]):,.0f}",
            spread(whole[method], naive[method]),
            f"{statistics.median(1000 * work.batch / rate for rate in steps[method]):.1f}",
            spread(steps[YARDSTICK], steps[method], 2) if YARDSTICK in steps else "–",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return [
        *rows,
        "",
        f"Medians of {options.rounds} rounds of {options.epochs} epoch(s); ratios are medians over "
        "rounds of what was paired within one, with their least and greatest. Naive: whole epochs, "
        f"its {cores()} DataLoader workers started anew each time, which is the default. Engine: "
        "the phase `steps`, waiting for records included; the whole call of `pretrain` also builds "
        "the method, reads the records from a file in the system's cache and monitors collapse.",
    ]


def totals(sides: Sides, options: argparse.Namespace, work: Work) -> list[str]:
    """The table of whole runs: the engine's measured, the naive one's scaled from two epochs."""
    rows = [
        "| Method | Naive, s (2 epochs measured, scaled) | Engine, s (measured) | Ratio |",
        "|---|---:|---:|---:|",
    ]
    for method in options.methods:
        # One before and one after, so that a drift of the machine meets both sides.
        before = sides.naive(method, work)
        progress(f"{method}: naive epoch {before.wall_s:.1f} s")
        engine = sides.engine(method, work, options.total, calibrate=True)
        progress(f"{method}: engine {engine.wall_s:.1f} s")
        after = sides.naive(method, work)
        progress(f"{method}: naive epoch {after.wall_s:.1f} s")
        naive = options.total * (before.wall_s + after.wall_s) / 2
        rows.append(
            f"| {method} | {naive:,.1f} | {engine.wall_s:,.1f} | {naive / engine.wall_s:.1f} |"
        )
    return [
        *rows,
        "",
        f"{options.total} epochs, everything counted. Engine: one run, measured from end to end: "
        "building the method, reading the records, training, monitoring, calibration of the batch "
        "norm. Naive: **not run in full**; two epochs were measured, one before and one after the "
        f"engine's run, and their mean multiplied by {options.total}; it neither reads its records "
        "nor calibrates in that time.",
    ]


def header(options: argparse.Namespace, work: Work, precision: str, threads: int) -> list[str]:
    """Where, when and on what was measured."""
    device = choose_device(work.device)  # type: ignore[arg-type]
    gpu = [f"- GPU: {torch.cuda.get_device_name(device)}"] if device.type == "cuda" else []
    records, leads, samples = work.shape
    return [
        f"- Machine: {processor()}, {cores()} cores, {threads} threads in torch",
        *gpu,
        f"- torch {torch.__version__}; engine in {precision}, naive in fp32; device {work.device}",
        f"- {records:,} records of {leads} leads x {samples:,} samples, batches of {work.batch}",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "",
    ]


def spread(above: Sequence[float], below: Sequence[float], digits: int = 1) -> str:
    """Median of the ratios of pairs, with their range."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    low, high = min(ratios), max(ratios)
    return f"{statistics.median(ratios):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def progress(text: str) -> None:
    """A line for who waits, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def parsed() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="The engine against the naive pipeline.")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    for name, default in {"records": 1024, "batch": 256, "leads": 8, "samples": 2048}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--epochs", type=int, default=1, help="of each side in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--total", type=int, metavar="EPOCHS", help="time whole runs of so many")
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    options = parser.parse_args()
    if options.records < options.batch:
        parser.error("--records must be at least --batch")
    return options


def main() -> None:
    """Measure and print."""
    options = parsed()
    shape = (options.records, options.leads, options.samples)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work = Work.write(folder, shape, options.batch, options.device)
        sides = Sides(stack)
        precision = sides.ask_engine(engine_precision, options.device)
        about = header(options, work, precision, sides.ask_engine(torch.get_num_threads))
        sides.warm_up(options.methods, work)
        table = totals(sides, options, work) if options.total else rates(sides, options, work)
    text = "\n".join([*about, *table]) + "\n"
    print(text, end="")
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)


if __name__ == "__main__":
    main()
