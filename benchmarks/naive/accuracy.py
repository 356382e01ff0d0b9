"""Does the fast engine cost accuracy? LCD by both pipelines on PTB-XL, one probe, paired intervals.

The naive pipeline trains in float32 with views resampled by scipy; the engine as it is. Both start
from equal weights and make as many updates on the same records, have their batch norm calibrated,
and are scored by the same linear probe with all labels, on the same test records.

    python benchmarks/naive/accuracy.py PTBXL_FOLDER -o runs/accuracy

The naive encoders are kept in the output folder, so that a second call goes on where one ended.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pipeline import NaivePipeline
from safetensors.torch import load_file, save_file
from torch import nn

from lcd_plugin import create_encoder
from lcd_plugin.bench.datasets import chosen_tasks, open_store
from lcd_plugin.bench.suite import Suite, load_suite
from lcd_plugin.data.store import SIGNALS, Store
from lcd_plugin.encoders import LeadwiseEncoder
from lcd_plugin.evaluate.bootstrap import DRAWS, interval, patient_weights
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.evaluate.metrics import macro, per_class
from lcd_plugin.evaluate.protocols import PROTOCOLS
from lcd_plugin.evaluate.protocols.base import Part, Subset, Work
from lcd_plugin.methods.lcd import LCD
from lcd_plugin.pretrain.batch_norm import CALIBRATION_RECORDS, calibrate_batch_norm
from lcd_plugin.pretrain.device import choose_precision
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.memory import keep_freed_memory
from lcd_plugin.pretrain.records import Records

CPU = torch.device("cpu")


def training_records(store: Store) -> Records:
    """The records of the training part."""
    return Records(store.path / SIGNALS, store.signals.shape, store.rows("train"))


def naive_encoder(store: Store, suite: Suite, seed: int, folder: Path) -> nn.Module:
    """LCD's encoder from the naive pipeline, trained now or before."""
    path = folder / f"naive-{seed}.safetensors"
    torch.manual_seed(seed)
    encoder = create_encoder("vgg16_1d")
    names = list(encoder.state_dict())
    records = training_records(store)
    if not path.exists():
        np.random.seed(seed)
        signals = records.read(slice(None)).numpy()
        naive = NaivePipeline("lcd", signals, batch_size=suite.pretrain.batch_size, workers=2)
        # Equal layers in equal order: the starting weights are the engine's.
        start = encoder.state_dict().values()
        renamed = dict(zip(naive.method.encoder.state_dict(), start, strict=True))
        naive.method.encoder.load_state_dict(renamed)
        naive.method.target_encoder.load_state_dict(renamed)
        for epoch in range(1, suite.pretrain.epochs + 1):
            print(f"naive, seed {seed}, epoch {epoch}: loss {naive.epoch():.4f}", flush=True)
        trained = naive.method.encoder.state_dict().values()
        folder.mkdir(parents=True, exist_ok=True)
        save_file(dict(zip(names, trained, strict=True)), path)
    encoder.load_state_dict(load_file(path))
    calibrate_batch_norm(LeadwiseEncoder(encoder), records.sample(CALIBRATION_RECORDS))
    return encoder


def engine_encoder(store: Store, suite: Suite, seed: int) -> nn.Module:
    """LCD's encoder from the engine."""
    outcome = pretrain(
        lambda: LCD(create_encoder("vgg16_1d")),
        training_records(store),
        suite.pretrain,
        suite.views,
        seed=seed,
        device=CPU,
        precision=choose_precision("auto", CPU),
    )
    print(f"engine, seed {seed}: loss {outcome.history[-1]['loss']:.4f}", flush=True)
    return outcome.encoder


def drawn_scores(store: Store, suite: Suite, encoder: nn.Module) -> NDArray[np.float64]:
    """Macro AUROC on the test records: the plain value, then one for each draw of patients."""
    task = chosen_tasks(store, suite, "ptbxl")[0]
    train, validation, test = (store.labels(task, s) for s in ("train", "validation", "test"))
    leadwise = LeadwiseEncoder(encoder)
    features = extract_features(leadwise, store.signals, CPU)
    work = Work(
        encoder=leadwise,
        train=Part(features[train.rows], train.targets),
        validation=Part(features[validation.rows], validation.targets),
        test_inputs=features[test.rows],
        kind=task.kind,
        subsets=(Subset(np.arange(len(train.rows)), seed=0),),
        device=CPU,
        precision="fp32",
    )
    prediction = next(PROTOCOLS["linear"].predict(work, suite.linear))
    drawn = patient_weights(test.patients, test.targets, DRAWS)
    weights = np.concatenate([np.ones((len(drawn), 1), dtype=drawn.dtype), drawn], axis=1)
    return macro(per_class("auroc", test.targets, prediction.test, None, weights))


def main() -> None:
    """Train what is missing, score both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder of PTB-XL")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    suite = load_suite("ptbxl", flags={"settings": {"ptbxl": {"path": arguments.folder}}})
    store = open_store("ptbxl", suite, lambda *_: None)
    score = partial(drawn_scores, store, suite)
    naive = [score(naive_encoder(store, suite, s, arguments.output)) for s in arguments.seeds]
    keep_freed_memory()
    fast = [score(engine_encoder(store, suite, s)) for s in arguments.seeds]
    difference = np.array(fast) - np.array(naive)
    patients = interval(difference[:, 1:].mean(axis=0))
    # Seeds are few and differ more than patients do: drawn with replacement too, as pairs.
    n = len(arguments.seeds)
    drawn = np.random.default_rng(0).integers(n, size=(n, DRAWS))
    both = interval(np.take_along_axis(difference[:, 1:], drawn, axis=0).mean(axis=0))
    print("\n| seed | naive, float32 | engine | difference |\n|---|---|---|---|")
    for seed, a, b in zip(arguments.seeds, naive, fast, strict=True):
        print(f"| {seed} | {a[0]:.3f} | {b[0]:.3f} | {b[0] - a[0]:+.3f} |")
    a, b = np.mean(naive, axis=0)[0], np.mean(fast, axis=0)[0]
    print(f"| mean | {a:.3f} | {b:.3f} | {b - a:+.3f} |")
    print(f"\nInterval of the mean difference over patients: {patients.low:+.3f} to")
    print(f"{patients.high:+.3f}; over patients and seeds: {both.low:+.3f} to {both.high:+.3f}.")


if __name__ == "__main__":
    main()
