"""Pretraining on one dataset and scoring on others: the plan, its keys, leaks, a whole run."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lcd_plugin.bench import available, evaluation
from lcd_plugin.bench.datasets import pretrain_rows
from lcd_plugin.bench.evaluation import extract_features
from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import Suite, load_suite
from lcd_plugin.data.cohorts.synthetic import Synthetic
from lcd_plugin.data.store import Store
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard

SMALL: dict[str, Any] = {
    "methods": ["lcd", "random", "supervised"],
    "label_fractions": [0.5, 1.0],
    "limit": 60,
    "pretrain": {"epochs": 1, "batch_size": 16},
    "finetune": {"epochs": 1},
}
# Of `quick`, before there was any transfer, for data with the fingerprint `FIXED`.
FIXED = "f" * 64
KEYS_BEFORE_TRANSFER = {
    "pretrain lcd on synthetic, vgg16_1d, seed 0": "7cc17f632b824f60",
    "pretrain vicreg on synthetic, vgg16_1d, seed 0": "6226d0b1b5718c64",
    "pretrain random on synthetic, vgg16_1d, seed 0": "f7b4b38790044082",
    "linear lcd on synthetic/diagnosis, vgg16_1d, 10% of labels, seed 0": "2d253d093748dfa3",
    "linear byol on synthetic/diagnosis, vgg16_1d, 30% of labels, seed 0": "a9b5f5c1dad49c5c",
    "linear random on synthetic/diagnosis, vgg16_1d, 100% of labels, seed 0": "840967510329f96e",
    "scratch supervised on synthetic/diagnosis, vgg16_1d, 30% of labels, seed 0": (
        "7756cc9ebea27fc5"
    ),
}

MakePlan = Callable[..., Plan]


@pytest.fixture
def suite_of(wfdb_folder: Path) -> Callable[..., Suite]:
    def make(**changes: Any) -> Suite:
        settings = {"wfdb": {"path": str(wfdb_folder)}} | changes.pop("settings", {})
        return load_suite("quick", [], SMALL | {"settings": settings} | changes)

    return make


@pytest.fixture
def plan_of(suite_of: Callable[..., Suite]) -> MakePlan:
    return lambda **changes: make_plan(suite_of(**changes), "fp32", "cpu", lambda *_: None)


@pytest.fixture
def transfer(plan_of: MakePlan) -> Plan:
    return plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"])


def run(plan: Plan, out: Path) -> tuple[list[CellEvent], Leaderboard]:
    events: list[CellEvent] = []
    Runner(plan, out, torch.device("cpu"), listen=events.append).run()
    return events, build_leaderboard([out])


def change_store(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Store], Store]):
    """Let a plan see another store than was prepared."""
    opened = available.open_store

    def open_store(dataset: str, *rest: Any) -> Store:
        store = opened(dataset, *rest)
        return change(store) if dataset == name else store

    monkeypatch.setattr(available, "open_store", open_store)


def test_keys_without_transfer_are_what_they_were(monkeypatch: pytest.MonkeyPatch):
    """Where a setting or version is raised on purpose, these keys change with it."""

    def fixed(store: Store) -> Store:
        manifest = store.manifest.model_copy(update={"fingerprint": FIXED})
        return dataclasses.replace(store, manifest=manifest)

    change_store(monkeypatch, "synthetic", fixed)
    plan = make_plan(load_suite("quick"), "fp32", "cpu", lambda *_: None)
    keys = {cell.title: cell.key for cell in (*plan.pretrain, *plan.evaluate)}
    assert len(keys) == 5 + 18
    assert {title: keys[title] for title in KEYS_BEFORE_TRANSFER} == KEYS_BEFORE_TRANSFER


def test_cells_of_a_transfer(transfer: Plan):
    assert {(c.method, c.dataset) for c in transfer.pretrain} == {
        ("lcd", "synthetic"),
        ("random", "synthetic"),
    }
    scored = {(c.method, c.dataset, c.pretrain_dataset, c.protocol) for c in transfer.evaluate}
    assert scored == {
        ("lcd", "wfdb", "synthetic", "linear"),
        ("random", "wfdb", "synthetic", "linear"),
        ("supervised", "wfdb", None, "scratch"),
    }
    assert len(transfer.evaluate) == 3 * 2
    target = transfer.setups[""].stores["wfdb"].manifest.fingerprint
    assert {c.identity["data"] for c in transfer.evaluate} == {target}
    source = transfer.setups[""].stores["synthetic"].manifest.fingerprint
    assert {c.identity["data"] for c in transfer.pretrain} == {source}
    titles = [c.title for c in transfer.evaluate]
    assert "linear lcd on wfdb/label, pretrained on synthetic, vgg16_1d, 50%" in titles[0]
    assert "pretrained on" not in titles[-1]


def test_a_pretraining_is_the_same_with_and_without_transfer(transfer: Plan, plan_of: MakePlan):
    alone = plan_of(datasets=["synthetic"])
    assert [c.key for c in transfer.pretrain] == [c.key for c in alone.pretrain]
    scratch = plan_of(datasets=["wfdb"], pretrain={"epochs": 1, "batch_size": 8}).evaluate[-1]
    assert scratch.key == transfer.evaluate[-1].key


def test_several_pretraining_datasets(plan_of: MakePlan):
    both = ["synthetic", "wfdb"]
    plan = plan_of(pretrain_datasets=both, datasets=both, pretrain={"epochs": 1, "batch_size": 8})
    assert len(plan.pretrain) == 2 * 2
    units = [(c.method, c.pretrain_dataset, c.dataset) for c in plan.evaluate]
    assert len(units) == 2 * (2 * 2 * 2 + 2)
    # From scratch once a target, not once a pretraining dataset.
    assert [u for u in units if u[0] == "supervised"] == [
        ("supervised", None, dataset) for dataset in both for _ in range(2)
    ]
    assert len({c.key for c in plan.evaluate}) == len(plan.evaluate)
    own = plan_of(datasets=both, pretrain={"epochs": 1, "batch_size": 8})
    assert {c.key for c in own.evaluate} < {c.key for c in plan.evaluate}


def test_all_records_of_a_dataset_that_is_not_scored(transfer: Plan, plan_of: MakePlan):
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"], pretrain_part="all")
    assert all(c.identity["pretrain_part"] == "all" for c in plan.pretrain)
    assert not {c.key for c in plan.pretrain} & {c.key for c in transfer.pretrain}
    assert not any("pretrain_part" in c.identity for c in transfer.pretrain)
    store = plan.setups[""].stores["synthetic"]
    assert len(pretrain_rows(store, plan.suite)) == store.manifest.n_records == 60
    assert len(pretrain_rows(store, transfer.suite)) == len(store.rows("train")) < 60
    for changes in (
        {"datasets": ["synthetic"]},
        {"datasets": ["wfdb", "synthetic"], "pretrain_datasets": ["synthetic"]},
    ):
        with pytest.raises(ConfigError, match="'synthetic', which is scored too"):
            plan_of(pretrain_part="all", **changes)


def test_what_concerns_pretraining_is_asked_of_the_pretraining_dataset(plan_of: MakePlan):
    # The target has 8 training records, half as many as a batch.
    assert plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"]).evaluate
    with pytest.raises(ConfigError, match="batch size 16 is larger than the 8 training records"):
        plan_of(pretrain_datasets=["wfdb"], datasets=["synthetic"])


def test_a_pretraining_dataset_needs_no_labels_and_no_other_parts(
    monkeypatch: pytest.MonkeyPatch, plan_of: MakePlan, tmp_path: Path
):
    def bare(store: Store) -> Store:
        table = store.table.assign(split="train").drop(columns=[t.name for t in store.tasks])
        manifest = store.manifest.model_copy(update={"tasks": ()})
        return dataclasses.replace(store, table=table, manifest=manifest)

    change_store(monkeypatch, "synthetic", bare)
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"], methods=["random"])
    _, board = run(plan, tmp_path / "out")
    assert {row.dataset for row in board.rows} == {"wfdb"}
    assert {d.dataset: d.n_test for d in board.data} == {"synthetic": 0, "wfdb": 2}
    with pytest.raises(ConfigError, match="'synthetic' has no labels"):
        plan_of(datasets=["synthetic"])


def test_a_run_scores_the_target_with_encoders_of_the_source(
    plan_of: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    extracted = []

    def counted(encoder: Any, signals: np.ndarray, device: Any, rows: np.ndarray) -> np.ndarray:
        extracted.append(len(rows))
        return extract_features(encoder, signals, device, rows)

    monkeypatch.setattr(evaluation, "extract_features", counted)
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb", "synthetic"])
    events, board = run(plan, tmp_path)
    assert board.unfinished == ()
    # Once for each encoder and dataset, though there are several fractions.
    assert extracted == [12, 60, 12, 60]
    ended = [e.cell for e in events if e.status == "done"]
    for before, cell in itertools.pairwise(ended):
        if isinstance(cell, EvaluateCell) and isinstance(before, PretrainCell):
            assert cell.pretrain_key == before.key
    rows = {(r.dataset, r.method, r.pretrain_dataset, r.kind) for r in board.rows}
    assert rows == {
        (dataset, *row)
        for dataset in ("wfdb", "synthetic")
        for row in (
            ("lcd", "synthetic", "pretraining"),
            ("random", "synthetic", "random"),
            ("supervised", "", "supervised"),
        )
    }
    assert {r.n_test for r in board.rows if r.dataset == "wfdb"} == {2}
    assert {c.dataset for c in board.curves} == {"synthetic"}
    again, second = run(plan, tmp_path)
    assert {e.status for e in again} == {"cached"}
    # As text, since two patients have no interval, and what is no number equals nothing.
    assert [r.model_dump_json() for r in second.rows] == [r.model_dump_json() for r in board.rows]


def test_a_leak_names_the_records_on_both_sides(
    plan_of: MakePlan, wfdb_folder: Path, write_record: Callable[..., np.ndarray]
):
    """The target's test part holds a record of the pretraining dataset's training part."""
    store = plan_of(datasets=["synthetic"]).setups[""].stores["synthetic"]
    record = store.table["record"][store.rows("train")[0]]
    signal = Synthetic().read(record).signal
    write_record(wfdb_folder, "r11", signal=signal.T)
    with pytest.raises(DataError) as error:
        plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"])
    said = str(error.value)
    assert f"synthetic record {record} is in the training part" in said
    assert "wfdb record r11 is in the test part" in said
    # Nobody is pretrained on the other's records here.
    assert plan_of(datasets=["synthetic", "wfdb"], pretrain={"epochs": 1, "batch_size": 8})


def test_a_leak_ends_a_run_of_many_too(
    plan_of: MakePlan, monkeypatch: pytest.MonkeyPatch, wfdb_folder: Path
):
    def leaky(store: Store) -> Store:
        table = store.table.copy()
        table.loc[store.rows("test")[0], "origin"] = table["origin"][store.rows("train")[0]]
        return dataclasses.replace(store, table=table)

    change_store(monkeypatch, "wfdb", leaky)
    with pytest.raises(DataError, match="wfdb record r00 is in the training part"):
        plan_of(datasets=["synthetic", "wfdb"], pretrain={"epochs": 1, "batch_size": 8})
    # What is pretrained on only has nothing to leak into.
    small = {"epochs": 1, "batch_size": 8}
    assert plan_of(pretrain_datasets=["wfdb"], datasets=["synthetic"], pretrain=small)


def one_label(folder: Path, rows: range) -> None:
    """Give records of a range the label SR."""
    lines = (folder / "labels.csv").read_text().splitlines()
    for row in rows:
        lines[row + 1] = lines[row + 1].replace("AF", "SR")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "labels.csv").unlink(), "labels.csv"),
        (lambda folder: one_label(folder, range(10, 12)), "one class only"),
        (lambda folder: one_label(folder, range(8)), "a single-label task needs 2"),
    ],
    ids=["unreadable", "one class in the test part", "one class to learn"],
)
def test_a_dataset_that_cannot_be_scored_costs_no_other(
    plan_of: MakePlan, wfdb_folder: Path, spoil: Callable[[Path], None], reason: str
):
    spoil(wfdb_folder)
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb", "synthetic"])
    assert list(plan.unavailable) == ["dataset wfdb"]
    assert reason in plan.unavailable["dataset wfdb"]
    assert {c.dataset for c in plan.evaluate} == {"synthetic"}
    assert list(plan.setups[""].stores) == ["synthetic"]
    with pytest.raises((ConfigError, DataError), match=reason):
        plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"])


def test_a_fraction_too_small_for_one_dataset(plan_of: MakePlan, wfdb_folder: Path):
    relabel(wfdb_folder, ["AF", "SR", "LBBB", *SINGLE[3:]])
    plan = plan_of(
        pretrain_datasets=["synthetic"], datasets=["synthetic", "wfdb"], label_fractions=[0.2]
    )
    assert "leaves class" in plan.unavailable["dataset wfdb/label, 20% of labels"]
    with pytest.raises(ConfigError, match="leaves class"):
        plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"], label_fractions=[0.2])


def test_a_dataset_too_small_to_be_pretrained_on_costs_no_other(plan_of: MakePlan):
    plan = plan_of(datasets=["synthetic", "wfdb"])
    assert "larger than the 8 training records" in plan.unavailable["dataset wfdb"]
    assert {c.dataset for c in (*plan.pretrain, *plan.evaluate)} == {"synthetic"}
    both = plan_of(pretrain_datasets=["wfdb", "synthetic"], datasets=["wfdb"])
    assert list(both.unavailable) == ["pretraining on wfdb"]
    assert {c.pretrain_dataset for c in both.evaluate} == {"synthetic", None}


def test_a_wrong_setting_of_one_dataset_is_an_error(plan_of: MakePlan):
    wrong = {"synthetic": {"recods": 90}}
    with pytest.raises(ConfigError, match="did you mean 'records'"):
        plan_of(pretrain_datasets=["wfdb"], datasets=["wfdb", "synthetic"], settings=wrong)


def relabel(folder: Path, labels: list[str]) -> None:
    lines = (folder / "labels.csv").read_text().splitlines()
    for row, label in enumerate(labels, 1):
        record, patient, _, split = lines[row].split(",")
        lines[row] = ",".join((record, patient, label, split))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


# Eight training records, two of validation, two for the test.
SINGLE = ["AF", "SR"] * 4 + ["AF", "SR", "AF", "SR"]
MULTI = ["AF;N", "SR;N", "N", "N"] * 2 + ["AF;N", "SR", "AF;N", "SR;N"]


def test_a_class_that_training_lacks_is_left_out_of_a_single_label_task(
    plan_of: MakePlan, wfdb_folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    relabel(wfdb_folder, [*SINGLE[:9], "LBBB", "AF", "SR"])
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"], methods=["random"])
    (task,) = plan.setups[""].tasks["wfdb"]
    assert task.classes == ("AF", "SR")
    labels = plan.setups[""].stores["wfdb"].labels(task, "validation")
    assert labels.rows.tolist() == [8]  # the other record has no label of the task any more
    assert labels.targets.tolist() == [[1, 0]]
    told = [m for m in caplog.messages if "wfdb/label: left out" in m]
    assert len(told) == 1
    assert told[0].endswith(": LBBB")
    _, board = run(plan, tmp_path)
    data = next(d for d in board.data if d.dataset == "wfdb")
    assert data.classes_left_out == {"label": ("LBBB",)}
    assert data.tasks["label"]["LBBB"] == 1
    assert set(board.rows[0].per_class) == {"AF", "SR"}
    assert any(note.startswith("wfdb / label: not scored") for note in board.notes)


def test_a_class_of_all_training_records_is_left_out_of_a_multi_label_task(
    plan_of: MakePlan, wfdb_folder: Path
):
    relabel(wfdb_folder, MULTI)
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"])
    (task,) = plan.setups[""].tasks["wfdb"]
    assert task.classes == ("AF", "SR")
    # A record that has only the class left out stays: it has none of the others.
    assert plan.setups[""].stores["wfdb"].labels(task, "train").targets.tolist() == [
        [1, 0], [0, 1], [0, 0], [0, 0],
    ] * 2  # fmt: skip


def test_a_class_that_only_the_test_part_lacks_stays(
    plan_of: MakePlan, wfdb_folder: Path, tmp_path: Path
):
    """What is learned does not follow from the test part; the class has no score."""
    relabel(wfdb_folder, ["AF;X", "SR", "AF", "SR;X"] * 2 + ["AF", "SR;X", "AF", "SR"])
    plan = plan_of(pretrain_datasets=["synthetic"], datasets=["wfdb"], methods=["random"])
    assert plan.setups[""].tasks["wfdb"][0].classes == ("AF", "SR", "X")
    _, board = run(plan, tmp_path)
    assert set(board.rows[0].per_class) == {"AF", "SR"}
    assert board.data[-1].classes_left_out == {}


def test_records_cut_into_windows_are_scored_once(tmp_path: Path):
    suite = load_suite(
        "quick",
        ["data.longer=windows", "data.seconds=4"],
        SMALL | {"methods": ["random", "supervised"], "limit": 60},
    )
    plan = make_plan(suite, "fp32", "cpu", lambda *_: None)
    Runner(plan, tmp_path, torch.device("cpu")).run()
    store = plan.setups[""].stores["synthetic"]
    board = build_leaderboard([tmp_path])
    n_test = store.table.loc[store.table["split"] == "test", "record"].nunique()
    assert len(store.rows("test")) == 2 * n_test
    assert {row.n_test for row in board.rows} == {n_test}
    assert board.unfinished == ()
