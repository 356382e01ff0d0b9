"""The split is honoured: test labels decide the test score and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lcd_plugin.bench import available, evaluation
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.data.store import Store
from lcd_plugin.report.leaderboard import build_leaderboard

SMALL: dict[str, Any] = {
    "methods": ["lcd", "random", "supervised"],
    "protocols": ["linear", "linear-paper", "attentive", "knn", "finetune"],
    "label_fractions": [0.5, 1.0],
    "limit": 80,
    # As little as there can be: every protocol is run twice.
    "data": {"seconds": 1, "leads": ["II", "V2"]},
    "pretrain": {"epochs": 1, "batch_size": 16},
    "finetune": {"epochs": 1},
    "finetune_paper": {"epochs": 2},
    "attentive": {"epochs": 2},
    "linear_paper": {"epochs": 3},
}
TASK = "diagnosis"


def plan_of(**changes: Any) -> Plan:
    return make_plan(load_suite("quick", [], SMALL | changes), "fp32", "cpu", lambda *_: None)


def run(plan: Plan, out: Path) -> Path:
    assert Runner(plan, out, torch.device("cpu")).run().complete
    return out


def relabel(monkeypatch: pytest.MonkeyPatch, change: Callable[[np.ndarray, Store], np.ndarray]):
    """Let plans see a store with other labels under the same fingerprint."""
    opened = available.open_store

    def open_store(*given: Any) -> Store:
        store = opened(*given)
        labels = change(store.table[TASK].to_numpy(copy=True), store)
        return dataclasses.replace(store, table=store.table.assign(**{TASK: labels}))

    monkeypatch.setattr(available, "open_store", open_store)


def shuffled(parts: tuple[str, ...], seed: int = 0) -> Callable[[np.ndarray, Store], np.ndarray]:
    def change(labels: np.ndarray, store: Store) -> np.ndarray:
        rng = np.random.default_rng(seed)
        for part in parts:
            rows = store.rows(part)  # type: ignore[arg-type]
            labels[rows] = rng.permutation(labels[rows])
        return labels

    return change


def test_shuffled_test_labels_change_nothing_but_the_test_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = plan_of()
    before = run(plan, tmp_path / "before")
    relabel(monkeypatch, shuffled(("test",)))
    after = run(plan_of(), tmp_path / "after")
    assert {c.protocol for c in plan.evaluate} == {*SMALL["protocols"], "scratch", "scratch-paper"}
    changed = 0
    for cell in plan.evaluate:
        one, other = (out / "evaluate" / cell.key for out in (before, after))
        results = [json.loads((f / "result.json").read_text()) for f in (one, other)]
        for same in ("chosen", "validation_macro", "n_labels", "n_validation", "n_test"):
            assert results[0][same] == results[1][same]
        arrays = [np.load(f / "predictions.npz") for f in (one, other)]
        for same in ("scores", "thresholds", "rows", "patients"):
            assert np.array_equal(arrays[0][same], arrays[1][same])
        changed += results[0]["macro"] != results[1]["macro"]
    assert changed == len(plan.evaluate)


def test_features_that_are_the_label_reach_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan = plan_of(methods=["random"], protocols=["linear"])
    (setup,) = plan.setups.values()
    store, (task,) = setup.stores["synthetic"], setup.tasks["synthetic"]
    features = np.zeros((store.manifest.n_records, 2 * len(task.classes)), dtype=np.float32)
    for part in ("train", "validation", "test"):
        labels = store.labels(task, part)  # type: ignore[arg-type]
        features[labels.rows, : len(task.classes)] = labels.targets

    def told(encoder: Any, signals: Any, device: Any, rows: np.ndarray) -> np.ndarray:
        return features[rows]

    monkeypatch.setattr(evaluation, "extract_features", told)
    out = run(plan, tmp_path)
    for path in out.glob("evaluate/*/result.json"):
        assert json.loads(path.read_text())["macro"]["auroc"] == pytest.approx(1)


def test_labels_that_mean_nothing_give_one_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of eight 95 % intervals fewer than six miss the truth in 1 of 170 cases."""
    inside = 0
    for seed in range(8):
        with monkeypatch.context() as patch:
            relabel(patch, shuffled(("train", "validation", "test"), seed))
            plan = plan_of(methods=["random"], protocols=["linear"], limit=200, seeds=[seed])
        (row,) = (
            row
            for row in build_leaderboard([run(plan, tmp_path / str(seed))]).rows
            if row.metric == "auroc" and row.label_fraction == 1
        )
        inside += row.ci_low < 0.5 < row.ci_high
    assert inside >= 6
