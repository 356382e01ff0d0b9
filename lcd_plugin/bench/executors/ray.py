"""Workers on the nodes of a Ray cluster, of which any may be lost.

A slot has one worker: an actor, which stays for as long as it can, see `ray_worker`.
"""

from __future__ import annotations

import atexit
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcd_plugin.bench.executors.base import Sink
from lcd_plugin.bench.executors.messages import Over, Said, pack_unit, unpack
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.ray_cluster import RayCluster, most_threads, usual_workers
from lcd_plugin.bench.executors.ray_worker import NodeOrder, RayWorker
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.planned import EvaluateCell
from lcd_plugin.bench.pretraining import ENCODER, snapshot_file
from lcd_plugin.bench.runners import RUNNERS, new_name
from lcd_plugin.bench.units import Unit
from lcd_plugin.data.parallel import cores
from lcd_plugin.errors import ConfigError

log = logging.getLogger(__name__)

# Seconds after which it is said that a worker is waited for.
PATIENCE_S = 30.0
# Seconds in which a worker clears up its node.
LEAVING_S = 5.0
STOPPED = Fault("stopped", "interrupted")


@dataclass
class _Worker:
    """An actor, and what is known of it.

    Attributes:
        stream: what it says; None while it says nothing.
        since: when it was asked for, in s of a monotonic clock.
        node, host: where it is; "" until that is known.
        ready: whether it takes units.
        shares: whether the run's folder is there too.
        has: encoder files that it was sent for its last unit, and keeps.
        waited_for: whether it was said that it is.
    """

    actor: Any
    stream: Any
    since: float
    node: str = ""
    host: str = ""
    ready: bool = False
    shares: bool = False
    has: frozenset[str] = frozenset()
    waited_for: bool = False


class RayExecutor:
    """A pool of workers on a Ray cluster.

    Args:
        order: what the workers are told first.
        jobs: how many; None is one for each node or for its GPUs, and one where none is running.
        address: HOST:PORT of the cluster, or `auto`; None starts one on this machine.
        gpus_each: GPUs of each worker.
        time_s: seconds that a cell may take; None is no limit.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be used.
        DataError: a prepared store cannot be read.
    """

    name = "ray"
    interruptible = False

    def __init__(
        self,
        order: WorkOrder,
        jobs: int | None = None,
        *,
        address: str | None = None,
        gpus_each: int = 0,
        time_s: float | None = None,
    ) -> None:
        sent = NodeOrder.of(order, time_s)
        if address is None:
            jobs = jobs or 1
            threads = order.threads or max(1, cores() // jobs)
            self._cluster = RayCluster(None, jobs * threads, None if gpus_each else 0)
        else:
            self._cluster = RayCluster(address)
            nodes = list(self._cluster.nodes().values())
            jobs = jobs or usual_workers(nodes, gpus_each)
            threads = order.threads or most_threads(nodes, jobs)
        # Whoever never closes this leaves nothing behind either.
        atexit.register(self.close)
        self._ray, self.slots = self._cluster.ray, jobs
        self._needs: dict[str, float] = {"CPU": threads, "GPU": gpus_each}
        if order.memory_gb is not None and address is not None:
            self._needs["memory"] = int(order.memory_gb * 1e9)
        self._order = order.model_copy(update={"threads": threads})
        self._sent = sent.model_copy(update={"order": self._order}).model_dump_json().encode()
        self._workers: dict[int, _Worker] = {}
        self._units: dict[int, Unit] = {}
        # Nodes where nothing can be computed, with the reason.
        self._unfit: dict[str, str] = {}

    def start(self, slot: int, unit: Unit) -> None:
        """See `Executor`."""
        self._units[slot] = unit
        if slot not in self._workers:
            self._workers[slot] = self._new_worker()
        if self._workers[slot].ready:
            self._begin(slot)

    def wait(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        self._use_idle_workers()
        speaking = {s: w.stream for s, w in self._workers.items() if w.stream is not None}
        if not speaking:
            time.sleep(seconds)
            return
        streams = list(speaking.values())
        said, _ = self._ray.wait(streams, num_returns=1, timeout=seconds)
        if said:  # others may have said something as well
            said, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
        for slot, stream in speaking.items():
            worker = self._workers[slot]
            if any(stream is one for one in said):
                self._hear(slot, sink)
            elif slot in self._units and not worker.ready:
                self._tell_of_waiting(worker)
        # Before the run gives those that are idle now something else to do.
        self._use_idle_workers()

    def stop(self, seconds: float, sink: Sink) -> None:
        """See `Executor`."""
        end = time.monotonic() + seconds
        for slot in list(self._units):
            if self._workers[slot].ready:
                self._workers[slot].actor.stop.remote(seconds)
            else:
                self._lose(slot, sink, STOPPED)
        while self._units and time.monotonic() < end:
            self.wait(max(0.0, end - time.monotonic()), sink)
        for slot in list(self._units):
            self._lose(slot, sink, STOPPED)

    def close(self) -> None:
        """See `Executor`."""
        atexit.unregister(self.close)
        workers, self._workers = list(self._workers.values()), {}
        self._units.clear()
        leaving = [worker.actor.close.remote() for worker in workers if worker.ready]
        if leaving:
            self._ray.wait(leaving, num_returns=len(leaving), timeout=LEAVING_S)
        for worker in workers:
            self._ray.kill(worker.actor, no_restart=True)
        self._cluster.close()

    def facts(self) -> dict[str, Any]:
        """See `Executor`."""
        return {"name": self.name, "jobs": self.slots, "ray": self._ray.__version__}

    def _fits(self, node: dict[str, float]) -> bool:
        """Whether a node has room for a worker when it is empty."""
        return all(node.get(name, 0) >= n for name, n in self._needs.items())

    def _new_worker(self) -> _Worker:
        how: dict[str, Any] = {
            "num_cpus": self._needs["CPU"],
            "num_gpus": self._needs["GPU"],
            "memory": self._needs.get("memory"),
            "max_restarts": 0,
            "max_task_retries": 0,
            # So that it can be told to stop while it computes.
            "max_concurrency": 2,
        }
        if self._unfit:
            how["label_selector"] = {"ray.io/node-id": f"!in({','.join(self._unfit)})"}
        actor = self._ray.remote(RayWorker).options(**how).remote(self._sent)
        return _Worker(actor, _stream(actor.greet, _presence(self._order.root)), time.monotonic())

    def _begin(self, slot: int) -> None:
        """Give a worker that is ready the unit of its slot."""
        worker, unit = self._workers[slot], self._units[slot]
        files: dict[str, bytes] = {}
        if not worker.shares:
            names = _encoder_files(unit)
            folder = self._order.root / "pretrain"
            # One that is gone is missed by the cell that needs it, as on this machine.
            there = [name for name in sorted(names - worker.has) if (folder / name).is_file()]
            files = {name: (folder / name).read_bytes() for name in there}
            worker.has = names
        worker.stream = _stream(worker.actor.compute, pack_unit(unit), files)

    def _use_idle_workers(self) -> None:
        """Let slots whose worker is still to come have those that have nothing to do.

        A cluster that has lost a node may have no room for another one.
        """
        idle = [s for s, w in self._workers.items() if w.ready and s not in self._units]
        for slot in self._units:
            if idle and not self._workers[slot].ready:
                other = idle.pop()
                workers = self._workers
                workers[slot], workers[other] = workers[other], workers[slot]
                self._begin(slot)

    def _hear(self, slot: int, sink: Sink) -> None:
        worker = self._workers[slot]
        try:
            content = self._ray.get(next(worker.stream))
        except StopIteration:
            self._lose(slot, sink, Fault("lost", f"its worker on {worker.host} went away"))
            return
        except self._ray.exceptions.RayError as error:
            self._lose(slot, sink, self._fault(worker, error))
            return
        if not worker.ready:
            self._greeted(slot, json.loads(content))
            return
        message = unpack(content)
        if isinstance(message, Said):
            log.log(message.level, "%s", message.text)
        elif isinstance(message, Over):
            del self._units[slot]
            worker.stream = None
        sink(slot, message)

    def _greeted(self, slot: int, said: dict[str, Any]) -> None:
        """Take in what a worker says before it is ready."""
        worker = self._workers[slot]
        worker.node, worker.host = said.get("node", worker.node), said.get("host", worker.host)
        if "prepares" in said:
            log.warning("Dataset '%s' is prepared on %s.", said["prepares"], worker.host)
            worker.waited_for = True
        elif "unfit" in said:
            self._leave_out(worker, said["unfit"])
            self._workers[slot] = self._new_worker()
        elif "ready" in said:
            worker.ready, worker.shares, worker.stream = True, said["shares"], None
            if slot in self._units:
                self._begin(slot)

    def _leave_out(self, worker: _Worker, reason: str) -> None:
        """Compute nothing on a node from now on.

        Raises:
            ConfigError: no other is left.
        """
        self._ray.kill(worker.actor, no_restart=True)
        if worker.node not in self._unfit:
            log.warning("The node %s is left out: %s", worker.host, reason)
        self._unfit[worker.node] = reason
        fitting = {node for node, has in self._cluster.nodes().items() if self._fits(has)}
        if not fitting - self._unfit.keys():
            raise ConfigError(
                f"No node of the Ray cluster can compute the cells; {worker.host}: {reason}"
            )

    def _tell_of_waiting(self, worker: _Worker) -> None:
        if worker.waited_for or time.monotonic() - worker.since < PATIENCE_S:
            return
        worker.waited_for = True
        parts = [f"{n:g} {name}s" for name, n in self._needs.items() if n and name != "memory"]
        if "memory" in self._needs:
            parts.append(f"{self._needs['memory'] / 1e9:g} GB")
        log.warning(
            "No node of the Ray cluster has taken a worker for %g s; it needs one with %s free.",
            PATIENCE_S,
            ", ".join(parts),
        )

    def _lose(self, slot: int, sink: Sink, fault: Fault) -> None:
        """End a worker whose unit will not come to an end, and say why."""
        worker = self._workers.pop(slot)
        self._ray.kill(worker.actor, no_restart=True)
        if self._units.pop(slot, None) is not None:
            sink(slot, Over(fault))

    def _fault(self, worker: _Worker, error: Exception) -> Fault:
        """What the end of a worker says of its unit.

        Raises:
            ConfigError: no worker can be started there.
        """
        known, where = self._ray.exceptions, worker.host or "a node of the Ray cluster"
        text = str(error).strip()
        if "creation task" in text:
            raise ConfigError(
                f"No worker can be started on {where} ({text.splitlines()[-1]}); install what "
                f"this machine has on every node."
            ) from error
        if isinstance(error, known.OutOfMemoryError):
            return Fault("killed", f"Ray ended its process, since {where} ran low on memory")
        if isinstance(error, known.RayTaskError):
            return Fault("lost", f"its worker on {where} failed: {text.splitlines()[-1]}", text)
        gone = worker.node and worker.node not in self._cluster.nodes()
        if gone or isinstance(error, known.ActorUnavailableError):
            return Fault("lost", f"{where} left the Ray cluster")
        return Fault("killed", f"its worker on {where} was killed")


def _stream(method: Any, *arguments: Any) -> Any:
    """Call a method of an actor that says one thing after another."""
    return method.options(num_returns="streaming").remote(*arguments)


def _encoder_files(unit: Unit) -> frozenset[str]:
    """What has to be read for a unit, by its place in `pretrain`."""
    cells = [cell for cell in unit.cells if isinstance(cell, EvaluateCell)]
    return frozenset(
        f"{c.pretrain_key}/{ENCODER if c.snapshot is None else snapshot_file(c.snapshot)}"
        for c in cells
        if c.pretrain_key is not None
    )


def _presence(root: Path) -> str:
    """A file that shows that a folder is the run's own and no copy; "" if there is none."""
    process = new_name().rpartition(".")[0]
    return next((path.name for path in (root / RUNNERS).glob(f"{process}.*.json")), "")
