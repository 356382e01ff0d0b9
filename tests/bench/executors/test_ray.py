"""Cells computed on a Ray cluster of several nodes, which is real but for being on one machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lcd_plugin.bench.events import CellEvent, RunSummary
from lcd_plugin.bench.executors import ray as executors_ray
from lcd_plugin.bench.executors import ray_worker
from lcd_plugin.bench.executors.local import LocalExecutor
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.own_folder import LOCK, PREFIX, SETTLED_S, OwnFolder
from lcd_plugin.bench.executors.ray import RayExecutor
from lcd_plugin.bench.executors.ray_cluster import QUIET, most_threads, usual_workers
from lcd_plugin.bench.executors.ray_worker import NodeOrder, RayWorker
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.plugins import METHODS, MethodSpec
from lcd_plugin.plugins.offers import HANDED_DOWN, Offer
from lcd_plugin.plugins.trials import Report

SMALL: dict[str, Any] = {
    "methods": ["lcd", "crashing", "simsiam"],
    "label_fractions": [0.5, 1.0],
    "seeds": [0],
    "limit": 60,
    "snapshots": [0.5],
    "pretrain": {"epochs": 8, "batch_size": 16},
}
CRASHING = """
    import os, signal
    from lcd_plugin.methods.base import Method, MethodConfig
    from lcd_plugin.plugins import MethodSpec

    class Mine(Method):
        views = "aa"
        config_class = MethodConfig

        def training_step(self, views):
            print("about to end", flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)

    SPEC = MethodSpec(name="crashing", implementation="crashing:Mine", summary="a test")
"""
CPU = torch.device("cpu")
OBJECTS = 80 * 2**20


def plan_of(**changes: Any) -> Plan:
    return make_plan(load_suite("quick", [], SMALL | changes), "fp32", "cpu", lambda *_: None)


def order_of(plan: Plan, out: Path, **how: Any) -> WorkOrder:
    return WorkOrder.of(plan, out, device="cpu", threads=1, **how)


def results(out: Path) -> dict[str, Any]:
    """All that a run has left, but for times and what is said of the run itself."""
    left: dict[str, Any] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        name = str(path.relative_to(out))
        if path.name == "predictions.npz":
            with np.load(path) as arrays:
                left[name] = {key: arrays[key].tolist() for key in arrays}
        elif path.name == "result.json":
            document = json.loads(path.read_text())
            same = ("status", "key", "identity", "macro", "per_class", "chosen", "n_labels")
            left[name] = {key: document[key] for key in same if key in document}
        elif path.suffix == ".safetensors":
            left[name] = {key: t.tolist() for key, t in load_file(path).items()}
        elif path.parent != out and path.parent.name != "events":
            left[name] = None
    return left


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, and two nodes that can do one cell at a time each."""
    patch = pytest.MonkeyPatch()
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets have short paths
    (folder / "ray").mkdir()
    folders = {"RAY_TMPDIR": str(folder), "TMPDIR": str(folder)}
    for name, value in {**QUIET, **folders, "RAY_AUTH_MODE": "disabled"}.items():
        patch.setenv(name, value)
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    size = {"object_store_memory": OBJECTS}
    head = {"num_cpus": 0, "include_dashboard": False, **size}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, **size)
        yield made
    finally:
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
        patch.undo()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """A plan with a method, from a file that is no package, that ends its process."""
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("plugin")
    (folder / "crashing.py").write_text(dedent(CRASHING))
    patch.syspath_prepend(folder)
    offer = Offer("method", "crashing", "crashing:SPEC", "crashing.py", "1", "file")
    spec = MethodSpec(name="crashing", implementation="crashing:Mine", summary="a test")
    patch.setitem(METHODS.offers, "crashing", [offer])
    patch.setitem(METHODS._reports, offer, Report(asdict(spec), tried=True))
    patch.setenv(HANDED_DOWN, json.dumps([asdict(offer)]))
    yield plan_of()
    patch.undo()
    sys.modules.pop("crashing", None)


@pytest.fixture(scope="module")
def expected(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run leaves that computes on this machine."""
    out = tmp_path_factory.mktemp("local") / "out"
    Runner(plan, out, CPU, executor=LocalExecutor(order_of(plan, out), 2)).run()
    return results(out)


@dataclass(frozen=True)
class Run:
    """A run on the cluster."""

    out: Path
    outcome: RunSummary
    events: list[CellEvent]
    printed: str
    killed: list[str]


@pytest.fixture(scope="module")
def disturbed(cluster: Any, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that lost a node while a cell was computed there."""
    out = tmp_path_factory.mktemp("ray") / "out"
    executor = RayExecutor(order_of(plan, out), 2, address=cluster.address)
    events: list[CellEvent] = []
    killed: list[str] = []

    def listen(event: CellEvent) -> None:
        events.append(event)
        if event.status == "progress" and not killed:
            assert event.worker is not None
            node = executor._workers[event.worker].node
            if node != executor._ray.get_runtime_context().get_node_id():  # which is the run's own
                hit = next(n for n in cluster.worker_nodes if n.node_id == node)
                cluster.remove_node(hit, allow_graceful=False)
                killed.append(event.cell.key)

    with redirect_stdout(StringIO()) as printed:
        try:
            outcome = Runner(plan, out, CPU, executor=executor, listen=listen).run()
        finally:
            cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)
    return Run(out, outcome, events, printed.getvalue(), killed)


class TestLostNode:
    def test_leaves_the_results_that_a_run_on_this_machine_leaves(self, disturbed, expected):
        assert results(disturbed.out) == expected

    def test_costs_only_the_cell_that_was_computed_there(self, disturbed):
        retried = [event for event in disturbed.events if event.status == "retry"]
        assert [event.cell.key for event in retried if "left" in event.message] == disturbed.killed
        started = [e.cell.key for e in disturbed.events if e.status == "started"]
        assert {key for key in started if started.count(key) > 1} == set(disturbed.killed)

    def test_leaves_no_lease_and_nothing_half_written(self, disturbed):
        assert not list(disturbed.out.rglob(".*"))
        assert not list(disturbed.out.rglob("checkpoint*"))
        assert not (disturbed.out / "runners").exists()
        assert not list(disturbed.out.glob("leases/*"))

    def test_is_not_told_on_stdout(self, disturbed):
        assert disturbed.printed == ""

    def test_is_not_confused_with_a_cell_that_ends_its_process(self, disturbed, plan):
        failed = [event for event in disturbed.events if event.status == "failed"]
        assert {event.cell.method for event in failed} == {"crashing"}
        assert all("signal 11" in event.message for event in failed)
        assert len(failed) == 1
        needing = [c for c in plan.evaluate if c.method == "crashing"]
        assert disturbed.outcome.counts["blocked"] == len(needing)
        done = len(plan.pretrain) + len(plan.evaluate) - len(failed) - len(needing)
        assert disturbed.outcome.counts["done"] == done


def test_nodes_need_not_see_the_folder_of_the_run(
    cluster, plan, expected, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere, out = Path(os.environ["TMPDIR"]), tmp_path / "out"
    monkeypatch.setattr(executors_ray, "_presence", lambda root: "")
    seen: list[Path] = []

    def listen(event: CellEvent) -> None:
        seen.extend([*out.rglob("checkpoint*"), *elsewhere.glob(f"{PREFIX}*")])

    executor = RayExecutor(order_of(plan, out), 2, address=cluster.address)
    Runner(plan, out, CPU, executor=executor, listen=listen).run()
    assert results(out) == expected
    # Two workers worked elsewhere, and left nothing there.
    assert len(set(seen)) == 2
    assert all(path.parent == elsewhere for path in seen)
    assert not list(elsewhere.glob(f"{PREFIX}*"))


def test_a_run_ends_with_the_reason_when_no_node_is_fit(
    cluster, plan, tmp_path, monkeypatch: pytest.MonkeyPatch, caplog
):
    other = {"lcd-plugin": "0.0.1", "torch": version("torch")}
    monkeypatch.setattr(ray_worker, "_versions", lambda: other)
    executor = RayExecutor(order_of(plan, tmp_path), 1, address=cluster.address)
    with pytest.raises(ConfigError, match=r"No node .* the run has 0\.0\.1; install the same"):
        Runner(plan, tmp_path, CPU, executor=executor).run()
    # The second worker was sent to the other node.
    assert sum("is left out" in record.message for record in caplog.records) == 2


class TestNode:
    @pytest.fixture
    def greet(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[NodeOrder], Any]:
        """What a worker says first, and where it would compute."""
        ray = pytest.importorskip("ray")
        node = SimpleNamespace(get_node_id=lambda: "abc")
        monkeypatch.setattr(ray, "get_runtime_context", lambda: node)
        monkeypatch.setattr(ray_worker, "be_worker", lambda: None)
        monkeypatch.setenv(HANDED_DOWN, "[]")

        def do(order: NodeOrder) -> tuple[list[dict[str, Any]], RayWorker]:
            worker = RayWorker(order.model_dump_json().encode())
            lines = [json.loads(line) for line in worker.greet("")]
            worker.close()
            return lines, worker

        return do

    @pytest.fixture
    def order(self, tmp_path) -> NodeOrder:
        return NodeOrder.of(order_of(plan_of(methods=["random"]), tmp_path), None)

    def test_prepares_a_dataset_that_it_lacks(
        self, greet, order, tmp_path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("LCD_BENCH_CACHE", str(tmp_path / "of the node"))
        (path,) = order.fingerprints
        gone = tmp_path / "of the run" / path.name
        recipe = order.order.recipes[""].model_copy(update={"stores": {"synthetic": gone}})
        work = order.order.model_copy(update={"recipes": {"": recipe}})
        fingerprints = {gone: order.fingerprints[path]}
        lines, _ = greet(order.model_copy(update={"order": work, "fingerprints": fingerprints}))
        assert [set(line) for line in lines] == [
            {"host", "node"},
            {"prepares"},
            {"ready", "shares"},
        ]
        (made,) = (tmp_path / "of the node" / "stores").iterdir()
        assert (made / "manifest.json").is_file()

    def test_with_other_records_is_unfit(self, greet, order):
        other = dict.fromkeys(order.fingerprints, "another")
        lines, _ = greet(order.model_copy(update={"fingerprints": other}))
        assert lines[-1] == {
            "unfit": "Its records of dataset 'synthetic' are not those of the run."
        }

    def test_without_a_dataset_is_unfit(self, greet, order, monkeypatch: pytest.MonkeyPatch):
        def missing(*arguments: Any) -> None:
            raise DataError("Dataset 'synthetic': there is no folder /records.")

        monkeypatch.setattr(ray_worker, "open_store", missing)
        other = dict.fromkeys(order.fingerprints, "another")
        lines, _ = greet(order.model_copy(update={"fingerprints": other}))
        assert "there is no folder /records" in lines[-1]["unfit"]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"versions": {"torch": "0.1"}}, "the run has 0.1; install the same"),
            ({"codes": {"method": {"nobodys": "1"}}}, "Unknown method 'nobodys'"),
            ({"codes": {"method": {"lcd": "1"}}}, "Its method 'lcd' is not that of the run"),
        ],
    )
    def test_with_other_code_is_unfit(self, greet, order, change, said):
        lines, _ = greet(order.model_copy(update=change))
        assert said in lines[-1]["unfit"]


class TestCluster:
    def test_that_does_not_answer_is_said_at_once(self, tmp_path):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nobody listens
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            since = time.monotonic()
            with pytest.raises(ConfigError, match=f"No Ray cluster answers at {address}"):
                RayExecutor(order_of(plan_of(methods=["random"]), tmp_path), 1, address=address)
        assert time.monotonic() - since < 10

    @pytest.mark.parametrize("address", ["here", "ray://10.0.0.1:10001", ":6379", "host:port"])
    def test_needs_an_address_that_is_one(self, tmp_path, address):
        with pytest.raises(ConfigError, match=r"--address takes HOST:PORT"):
            RayExecutor(order_of(plan_of(methods=["random"]), tmp_path), 1, address=address)

    def test_needs_ray(self, tmp_path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(ConfigError, match=r"pip install 'lcd-plugin\[ray\]'"):
            RayExecutor(order_of(plan_of(methods=["random"]), tmp_path), 1)

    def test_is_shared_among_workers(self):
        nodes = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0}, {"memory": 1.0}]
        assert usual_workers(nodes, 0) == 2
        assert usual_workers(nodes, 2) == 2
        assert most_threads(nodes, 2) == 8
        assert most_threads(nodes, 3) == 8
        assert most_threads(nodes, 4) == 5
        assert most_threads(nodes, 100) == 1


class TestOwnFolder:
    def test_is_removed_by_whoever_made_it_or_comes_later(self, tmp_path):
        mine = OwnFolder(tmp_path)
        left = tmp_path / f"{PREFIX}of-a-killed-process"
        left.mkdir()
        (left / LOCK).touch()
        theirs = tmp_path / "something-else"
        theirs.mkdir()
        long_ago = time.time() - 2 * SETTLED_S
        for folder in (mine.path, left, theirs):
            os.utime(folder, (long_ago, long_ago))
        OwnFolder(tmp_path).close()
        assert {path.name for path in tmp_path.iterdir()} == {mine.path.name, theirs.name}
        mine.close()
        assert [path.name for path in tmp_path.iterdir()] == [theirs.name]
