"""Records read ahead of the steps against records in memory: throughput and peak memory.

Generates stores of several sizes and pretrains LCD for an epoch on each, resident and streamed by
turns, every time in a new process, with a budget of memory that only the smallest store may take.

    python benchmarks/streaming.py [--records 8192 32768] [--rounds 2] [--batch 256]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from lcd_plugin import create_encoder
from lcd_plugin.methods.lcd import LCD
from lcd_plugin.pretrain.device import choose_device, choose_precision, processor
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.memory import keep_freed_memory, peak_memory_mb, reset_peak_memory
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

CHUNK = 1024


def generate(path: Path, shape: tuple[int, int, int]) -> None:
    """Write a store's file of noise."""
    noise = np.random.default_rng(0).standard_normal((CHUNK, *shape[1:])).astype(np.float16)
    with path.open("wb") as file:
        for start in range(0, shape[0], CHUNK):
            file.write(np.roll(noise, start // CHUNK, axis=0)[: shape[0] - start].tobytes())


def epoch(
    path: Path, shape: tuple[int, int, int], batch: int, budget_gb: float, mode: str, device: str
) -> tuple[str, float, float, float]:
    """Where the records lived, records/s, share of waiting, and memory above the start in MB."""
    keep_freed_memory()
    where = choose_device(device)  # type: ignore[arg-type]
    reset_peak_memory(where)
    before = peak_memory_mb(where) or 0.0
    outcome = pretrain(
        lambda: LCD(create_encoder("vgg16_1d")),
        Records(path, shape, np.arange(shape[0])),
        PretrainSettings(epochs=1, batch_size=batch, calibrate_batch_norm=False),
        ViewSettings(),
        seed=0,
        device=where,
        precision=choose_precision("auto", where),
        engine=EngineSettings(records=mode, memory_gb=budget_gb),  # type: ignore[arg-type]
    )
    rate, waited = outcome.records_per_s, outcome.data_wait_share
    return (
        str(outcome.how.records),
        rate or 0.0,
        waited or 0.0,
        (outcome.peak_memory_mb or 0.0) - before,
    )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[8192, 32768])
    parser.add_argument("--leads", type=int, default=8)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    print(f"{processor()}, {torch.get_num_threads()} threads, {arguments.device}\n")
    print("| records | size, MB | auto chose | resident, records/s | streamed | ratio | waited |")
    print("|---|---|---|---|---|---|---|")
    memory = []
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signals.f16"
        budget = 2.5 * min(arguments.records) * arguments.leads * arguments.samples / 1e9
        for n in arguments.records:
            shape = (n, arguments.leads, arguments.samples)
            generate(path, shape)
            rows = []
            for _ in range(arguments.rounds):
                for mode in ("resident", "auto", "stream"):
                    with spawn.Pool(1) as pool:
                        given = (path, shape, arguments.batch, budget, mode, arguments.device)
                        rows.append((mode, *pool.apply(epoch, given)))
            of = {m: [row for row in rows if row[0] == m] for m in ("resident", "auto", "stream")}
            rate = {m: statistics.median(row[2] for row in of[m]) for m in of}
            ratios = [s[2] / r[2] for r, s in zip(of["resident"], of["stream"], strict=True)]
            print(
                f"| {n} | {2 * np.prod(shape) / 1e6:,.0f} | {of['auto'][0][1]} "
                f"| {rate['resident']:,.0f} | {rate['stream']:,.0f} "
                f"| {statistics.median(ratios):.2f} | {of['stream'][0][3]:.1%} |"
            )
            memory.append((n, *(max(row[4] for row in of[m]) for m in ("resident", "stream"))))
    print("\n| records | peak memory above the start, MB: resident | streamed |\n|---|---|---|")
    for n, resident, streamed in memory:
        print(f"| {n} | {resident:,.0f} | {streamed:,.0f} |")
    print(f"\nThe budget was {budget:.2f} GB.")


if __name__ == "__main__":
    main()
