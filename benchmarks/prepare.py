"""Preparing PTB-XL against a plain loop over `wfdb.rdsamp`: records/s and peak memory.

Both come to the same rows: 8 leads, 100 Hz resampled to 2,048 samples, millivolts less the median.
The loop only reads, resamples and scales; preparing also hashes every file and recording, compares
checksums, checks the quality and writes a store that can be resumed.

    python benchmarks/prepare.py PTBXL_FOLDER [--rounds 3] [--copies 8]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import logging
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import wfdb
from scipy.signal import resample_poly

from lcd_plugin.data.cohorts.wfdb_folder import WFDBFolder, WFDBSettings
from lcd_plugin.data.parallel import cores
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import PAPER_LEADS, DataSettings, QualitySettings

SAMPLES = 2048
SETTINGS = DataSettings(rate=SAMPLES / 10, quality=QualitySettings(duplicate="keep"))


def loop(folder: Path, records: list[str], out: Path) -> None:
    """What a script does."""
    rows = np.empty((len(records), len(PAPER_LEADS), SAMPLES), dtype=np.float16)
    for row, record in enumerate(records):
        signal, fields = wfdb.rdsamp(str(folder / record))
        names = [name.lower() for name in fields["sig_name"]]
        chosen = signal[:, [names.index(lead.lower()) for lead in PAPER_LEADS]].T
        resampled = resample_poly(chosen, 256, 125, axis=-1, padtype="line")[:, :SAMPLES]
        centred = resampled - np.median(resampled, axis=1, keepdims=True)
        rows[row] = np.clip(centred / 0.25, -30, 30)
    rows.tofile(out)


def side(name: str, folder: Path, records: list[str], place: Path) -> tuple[float, Path]:
    """Seconds, and the file of the rows."""
    os.environ["LCD_BENCH_CACHE"] = str(place)
    logging.disable(logging.WARNING)
    began = time.perf_counter()
    if name == "loop":
        out = place / "rows.f16"
        loop(folder, records, out)
    else:
        cohort = WFDBFolder(folder, WFDBSettings(), SETTINGS.rate)
        jobs = 1 if name == "one process" else None
        out = prepare(cohort, "wfdb", 1, SETTINGS, jobs=jobs).path / "signals.f16"
    return time.perf_counter() - began, out


def process_tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listed.read_text().split():
            found += process_tree(int(child))
    return found


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants, what they share counted once (Linux)."""
    total = 0.0
    with contextlib.suppress(OSError):  # one that has just ended
        for one in process_tree(pid):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return total


def watched(name: str, folder: Path, records: list[str], place: Path) -> tuple[float, float, Path]:
    """A side in a new process: seconds, peak memory in MB above its start, file of the rows."""
    spawn = multiprocessing.get_context("spawn")
    # Not a daemon, as a pool's are: it may have workers of its own.
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        pid = pool.submit(os.getpid).result()
        pool.submit(make_low_pass).result()
        start = peak = memory_mb(pid)
        work = pool.submit(side, name, folder, records, place)
        while not work.done():
            peak = max(peak, memory_mb(pid))
            time.sleep(0.05)
        seconds, out = work.result()
    return seconds, peak - start, out


def make_low_pass() -> None:
    """Have everything imported that both sides use."""
    resample_poly(np.zeros(1000), 256, 125)


def tree(source: Path, folder: Path, copies: int) -> list[str]:
    """A folder of WFDB records with labels: PTB-XL's 100 Hz records, several times."""
    with (source / "ptbxl_database.csv").open(newline="") as file:
        originals = [line["filename_lr"] for line in csv.DictReader(file)]
    records = []
    parts = ["train"] * 8 + ["validation", "test"]
    for copy in range(copies):
        for original in originals:
            target = folder / str(copy) / original
            target.parent.mkdir(parents=True, exist_ok=True)
            for ending in (".hea", ".dat"):
                shutil.copyfile(f"{source / original}{ending}", f"{target}{ending}")
            records.append(f"{copy}/{original}")
    lines = [f"{record},{i},{i % 2},{parts[i % 10]}" for i, record in enumerate(records)]
    (folder / "labels.csv").write_text("\n".join(["record,patient,label,split", *lines]) + "\n")
    return records


def measure(folder: Path, records: list[str], rounds: int, names: list[str]) -> None:
    """Print a line for each side."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        rows = {}
        with tempfile.TemporaryDirectory() as place:
            for name in names:
                own = Path(place) / name.replace(" ", "-")
                own.mkdir()
                seconds, peak, out = watched(name, folder, records, own)
                taken[name].append((seconds, peak))
                rows[name] = np.fromfile(out, dtype=np.float16)
        # Half precision: one unit in the last place of what is rounded in another order.
        for name in names[1:]:
            np.testing.assert_allclose(
                rows[name].astype(np.float32), rows[names[0]].astype(np.float32), rtol=2e-3,
                atol=2e-3,
            )  # fmt: skip
    for name in names:
        ratios = [a[0] / b[0] for a, b in zip(taken[names[0]], taken[name], strict=True)]
        rate = statistics.median(len(records) / seconds for seconds, _ in taken[name])
        peak = max(peak for _, peak in taken[name])
        print(
            f"| {len(records):,} | {name} | {rate:,.0f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}-{max(ratios):.1f}) | {peak:,.0f} |"
        )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="PTB-XL, or a part of it in the same layout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=8, help="for the larger folder")
    arguments = parser.parse_args()
    print(f"{cores()} cores; ratios are to the first line of their folder, median and range\n")
    print("| records | | records/s | ratio | memory above the start, MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for copies, names in (
            (1, ["loop", "one process", "prepare"]),
            (arguments.copies, ["one process", "prepare"]),
        ):
            place = Path(folder) / str(copies)
            records = tree(arguments.folder, place, copies)
            measure(place, records, arguments.rounds, names)
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
