"""The whole evaluation of one encoder against scikit-learn doing the same work.

An encoder with random weights, calibrated on the training records of PTB-XL, gives features once,
before the clock. Then by turns each side makes the linear probe on 7 label fractions x 3 label
seeds, the penalty chosen on validation, and draws the macro AUROC on test 1,000 times for each:

    python benchmarks/evaluation.py --data PTBXL_FOLDER [--rounds 3]

scikit-learn's side is what a script does: `StandardScaler`, `LogisticRegression` started from the
solution of the penalty before, `roc_auc_score` on the records of each draw. Both get the same
draws; making them is on our clock only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from work import cores

from lcd_plugin import create_encoder
from lcd_plugin.bench.datasets import chosen_tasks, open_store
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.data.store import SIGNALS
from lcd_plugin.encoders import LeadwiseEncoder
from lcd_plugin.evaluate.bootstrap import DRAWS, patient_weights
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.evaluate.label_subsets import label_subsets
from lcd_plugin.evaluate.metrics import macro, per_class
from lcd_plugin.evaluate.protocols.base import Part, Subset, Work, log_loss
from lcd_plugin.evaluate.protocols.linear import predict
from lcd_plugin.evaluate.settings import LinearSettings
from lcd_plugin.methods.baselines import Untrained
from lcd_plugin.pretrain.device import processor
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.records import Records

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
LABEL_SEEDS = (0, 1, 2)
SETTINGS = LinearSettings()
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Task:
    """What both sides are given.

    Attributes:
        work: features, targets and label subsets.
        targets: of the test records, shape (records, classes).
        patients: of the test records, shape (records,).
    """

    work: Work
    targets: NDArray[np.int8]
    patients: NDArray[np.str_]


@dataclass(frozen=True)
class Outcome:
    """What a side comes to: seconds, and macro AUROC of each subset, plain and drawn."""

    fit_s: float
    bootstrap_s: float
    scores: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @property
    def total_s(self) -> float:
        """Seconds of both phases."""
        return self.fit_s + self.bootstrap_s


def make_task(folder: Path) -> Task:
    """Features of a random encoder on PTB-XL, 8 leads x 64 features."""
    suite = load_suite("ptbxl", flags={"settings": {"ptbxl": {"path": str(folder)}}})
    store = open_store("ptbxl", suite, lambda *_: None)
    task = chosen_tasks(store, suite, "ptbxl")[0]
    outcome = pretrain(
        lambda: Untrained(create_encoder("vgg16_1d")),
        Records(store.path / SIGNALS, store.signals.shape, store.rows("train")),
        suite.pretrain,
        suite.views,
        seed=0,
        device=CPU,
        precision="fp32",
        train=False,
    )
    encoder = LeadwiseEncoder(outcome.encoder)
    features = extract_features(encoder, store.signals, CPU)
    train, validation, test = (store.labels(task, s) for s in ("train", "validation", "test"))
    by_seed = [label_subsets(train.targets, FRACTIONS, s, task.classes) for s in LABEL_SEEDS]
    work = Work(
        encoder=encoder,
        train=Part(features[train.rows], train.targets),
        validation=Part(features[validation.rows], validation.targets),
        test_inputs=features[test.rows],
        kind=task.kind,
        subsets=tuple(Subset(rows, seed=0) for rows_of_seed in by_seed for rows in rows_of_seed),
        device=CPU,
        precision="fp32",
    )
    return Task(work, test.targets, test.patients)


def ours(task: Task) -> Outcome:
    """The package's way."""
    began = time.perf_counter()
    predictions = [prediction.test for prediction in predict(task.work, SETTINGS)]
    fitted = time.perf_counter()
    weights = patient_weights(task.patients, task.targets, DRAWS)
    drawn = [macro(per_class("auroc", task.targets, p, weights=weights)) for p in predictions]
    done = time.perf_counter()
    scores = [macro(per_class("auroc", task.targets, p))[0] for p in predictions]
    return Outcome(fitted - began, done - fitted, np.array(scores), np.array(drawn))


def by_scikit_learn(task: Task) -> Outcome:
    """A script's way."""
    weights = patient_weights(task.patients, task.targets, DRAWS).astype(int)
    draws = [np.repeat(np.arange(len(weights)), column) for column in weights.T]
    began = time.perf_counter()
    predictions = [fit_and_choose(task.work, subset.rows) for subset in task.work.subsets]
    fitted = time.perf_counter()
    drawn = [[roc_auc_score(task.targets[r], p[r]) for r in draws] for p in predictions]
    done = time.perf_counter()
    scores = [roc_auc_score(task.targets, p) for p in predictions]
    return Outcome(fitted - began, done - fitted, np.array(scores), np.array(drawn))


def fit_and_choose(work: Work, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of the test records under the penalty with the best validation log-loss."""
    scaler = StandardScaler().fit(work.train.inputs[rows])
    x, x_validation, x_test = (
        scaler.transform(part)
        for part in (work.train.inputs[rows], work.validation.inputs, work.test_inputs)
    )
    columns = list(work.train.targets[rows].T)
    models = [
        LogisticRegression(max_iter=SETTINGS.max_iterations, warm_start=True) for _ in columns
    ]

    def probabilities(part: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.stack([model.predict_proba(part)[:, 1] for model in models], axis=1)

    best, chosen = np.inf, np.empty(0)
    for c in SETTINGS.inverse_penalties:
        for model, column in zip(models, columns, strict=True):
            model.set_params(C=c).fit(x, column)
        loss = log_loss(work.validation.targets, probabilities(x_validation), work.kind)
        if loss < best:
            best, chosen = loss, probabilities(x_test)
    return chosen


def table(pairs: list[tuple[Outcome, Outcome]]) -> list[str]:
    """Seconds of both sides by phase, as Markdown."""
    rows = ["| | scikit-learn, s | ours, s | ratio (range) |", "|---|---:|---:|---:|"]
    for name in ("fit_s", "bootstrap_s", "total_s"):
        theirs, own = (
            [getattr(side, name) for side in sides] for sides in zip(*pairs, strict=True)
        )
        ratios = [a / b for a, b in zip(theirs, own, strict=True)]
        rows.append(
            f"| {name.removesuffix('_s')} | {statistics.median(theirs):.1f} | "
            f"{statistics.median(own):.2f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}-{max(ratios):.1f}) |"
        )
    return rows


def main() -> None:
    """Measure by turns and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = os.environ.get("LCD_BENCH_DATA")
    default = Path(data) / "ptbxl" if data else None
    parser.add_argument("--data", type=Path, default=default, required=default is None)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(cores())
    task = make_task(options.data)
    pairs = []
    for number in range(1, options.rounds + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs = by_scikit_learn(task)
        own = ours(task)
        pairs.append((theirs, own))
        line = f"round {number}: scikit-learn {theirs.total_s:.1f} s, ours {own.total_s:.1f} s"
        print(line, file=sys.stderr, flush=True)
    rows, columns = task.work.train.inputs.shape
    print(f"- Machine: {processor()}, {cores()} cores; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"- torch {torch.__version__}, scikit-learn {sklearn.__version__}")
    print(
        f"- {rows:,} labelled training records x {columns} features, {task.targets.shape[1]} "
        f"classes, {len(SETTINGS.inverse_penalties)} penalties, {len(task.work.subsets)} label "
        f"subsets; {len(task.targets)} test records, {DRAWS:,} draws\n"
    )
    print(*table(pairs), sep="\n")
    theirs, own = pairs[-1]
    print(f"\nMedians of {options.rounds} rounds. Largest difference in macro AUROC between the")
    print(
        f"sides: {np.abs(theirs.scores - own.scores).max():.5f}; within a draw, "
        f"{np.abs(theirs.drawn - own.drawn).max():.5f}."
    )


if __name__ == "__main__":
    main()
