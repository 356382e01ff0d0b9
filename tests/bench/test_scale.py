"""Plans of very many cells: what they take grows with them and no faster."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.listing import listing
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.results import EvaluateResult, PretrainResult, write_result
from lcd_plugin.bench.saved_plan import SavedPlan, read_plan, save_plan
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.bench.units import units_of

SMALL: dict[str, Any] = {
    "methods": ["lcd", "random", "supervised"],
    "label_fractions": [0.5, 1.0],
    "limit": 60,
    "pretrain": {"batch_size": 16},
    "protocols": ["linear", "finetune"],
}
WIDE: dict[str, Any] = {
    "recipes": {"a": {}, "b": {"data": {"seconds": 4}}},
    "lead_subsets": ["all", "II"],
    "snapshots": [0.5],
    "label_seeds": [3, 4, 5],
    "seeds": [0, 1],
}


def plan_of(**changes: Any) -> Plan:
    return make_plan(load_suite("quick", [], SMALL | changes), "fp32", "cpu", lambda *_: None)


def steps(call: Callable[[], object]) -> int:
    """Lines of Python that a call runs, those in loops counted anew each time round."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def n_cells(plan: Plan) -> int:
    return len(plan.pretrain) + len(plan.evaluate)


@pytest.fixture(scope="module")
def plans() -> tuple[Plan, Plan]:
    """Plans of about 2,000 and 4,000 cells."""
    return plan_of(seeds=list(range(200))), plan_of(seeds=list(range(400)))


@pytest.mark.parametrize("what", ["seeds", "label_seeds"])
def test_a_plan_of_twice_the_cells_is_twice_the_work(what: str):
    plan_of()  # what the first plan imports and prepares
    once, twice = (steps(lambda n=n: plan_of(**{what: list(range(n))})) for n in (200, 400))
    assert 1.5 < twice / once < 2.1


def test_units_of_twice_the_cells_are_twice_the_work(plans: tuple[Plan, Plan]):
    once, twice = (steps(lambda plan=plan: list(units_of(plan))) for plan in plans)
    assert 1.9 < twice / once < 2.1


def test_units_in_order_by_scanning_the_plan_for_each():
    """Independent of `units_of`: for each pretraining, all evaluations are looked through."""
    plan = plan_of(**WIDE)
    expected: list[list[Cell]] = []
    for pretraining in [*plan.pretrain, None]:
        expected += [[pretraining]] if pretraining else []
        key = pretraining.key if pretraining else None
        own = [cell for cell in plan.evaluate if cell.pretrain_key == key]
        for group in dict.fromkeys(cell.group for cell in own):
            expected.append([cell for cell in own if cell.group == group])
    units = list(units_of(plan))
    assert [list(unit.cells) for unit in units] == expected
    assert [unit.pretraining for unit in units] == [cells[0] in plan.pretrain for cells in expected]
    trained = {cell.key for cell in plan.pretrain}
    assert {unit.needs for unit in units if not unit.pretraining} == {*trained, None}
    assert {unit.needs for unit in units if unit.pretraining} == {None}


def test_cells_of_a_unit_differ_in_labels_only_and_units_in_more():
    def rest(cell: Cell) -> str:
        labels = ("label_fraction", "label_seed")
        return json.dumps({k: v for k, v in cell.identity.items() if k not in labels})

    units = [unit for unit in units_of(plan_of(**WIDE)) if not unit.pretraining]
    assert all(len({rest(cell) for cell in unit.cells}) == 1 for unit in units)
    assert len({rest(unit.cells[0]) for unit in units}) == len(units)
    labels = {(c.identity["label_fraction"], c.identity["label_seed"]) for c in units[0].cells}
    assert labels == {(c.label_fraction, c.label_seed) for c in units[0].cells}
    assert len(labels) == len(units[0].cells)


def bytes_kept(make: Callable[[], object]) -> int:
    """Memory of what a call returns."""
    tracemalloc.start()
    try:
        made = make()
        kept = tracemalloc.get_traced_memory()[0]
        del made
        return kept
    finally:
        tracemalloc.stop()


def test_a_cell_is_small():
    plan_of()  # what the first plan imports and prepares
    plans: list[Plan] = []
    taken = bytes_kept(lambda: plans.append(plan_of(label_seeds=list(range(1000)))))
    assert n_cells(plans[0]) > 3000
    # With an identity of its own, each would take more than twice this.
    assert taken / n_cells(plans[0]) < 400


def test_a_saved_plan_is_small_and_says_the_same(plans: tuple[Plan, Plan], tmp_path: Path):
    plan = plans[0]
    made: list[SavedPlan] = []
    assert bytes_kept(lambda: made.append(SavedPlan.of(plan, []))) / n_cells(plan) < 450
    save_plan(tmp_path, made[0])
    assert read_plan(tmp_path) == made[0]
    document = json.loads((tmp_path / "plan.json").read_bytes())
    assert [c["key"] for c in document["evaluate"]] == [cell.key for cell in plan.evaluate]
    assert [c["title"] for c in document["pretrain"]] == [cell.title for cell in plan.pretrain]
    assert {c["kind"] for c in document["evaluate"]} == {"pretraining", "random", "supervised"}


class TestListing:
    @pytest.fixture
    def plan(self) -> Plan:
        return plan_of(label_seeds=list(range(60)))

    def write(self, plan: Plan, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.fsync", lambda _: None)
        for cell in plan.pretrain:
            trained = PretrainResult(key=cell.key, identity=cell.identity)
            write_result(out / "pretrain" / cell.key, trained, {})
        for cell in plan.evaluate:
            score = EvaluateResult(
                key=cell.key, identity=cell.identity, traceback="x" * 10_000, macro={"auroc": 0.5}
            )
            write_result(out / "evaluate" / cell.key, score, {"predictions.npz": bytes(10_000)})

    def test_it_says_what_is_there(
        self, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        assert {entry.status for entry in listing(plan, tmp_path)} == {"to do"}
        self.write(plan, tmp_path, monkeypatch)
        failed, gone = plan.evaluate[0], plan.evaluate[-1]
        broken = EvaluateResult(
            status="failed", key=failed.key, identity=failed.identity, error="no memory"
        )
        write_result(tmp_path / "evaluate" / failed.key, broken, {})
        (tmp_path / "evaluate" / gone.key / "predictions.npz").unlink()
        found = {entry.key: (entry.title, entry.status) for entry in listing(plan, tmp_path)}
        expected = {c.key: (c.title, "complete") for c in (*plan.pretrain, *plan.evaluate)}
        expected[failed.key] = (failed.title, "failed")
        expected[gone.key] = (gone.title, "to do")
        assert found == expected

    def test_no_result_stays_in_memory(
        self, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.write(plan, tmp_path, monkeypatch)
        entries: Iterator[Any] = listing(plan, tmp_path)
        for _ in range(20):  # what a first look keeps, such as names of keys
            next(entries)
        tracemalloc.start()
        try:
            left = sum(1 for _ in entries)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert left > 150
        # A few results of 10 kB at a time, and not 150 of them.
        assert most < 200_000
