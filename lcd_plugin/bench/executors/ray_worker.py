"""What runs on a node of a Ray cluster: the executor of this machine with one job, at a distance.

Units come and messages go as bytes. The process that computes is a child of Ray's, so that it
ends as it would on the machine of the run, and what it does to itself is told in the same words.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lcd_plugin.bench.datasets import open_store
from lcd_plugin.bench.executors.local import LocalExecutor
from lcd_plugin.bench.executors.messages import Message, Over, pack, unpack_unit
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.executors.own_folder import OwnFolder
from lcd_plugin.bench.runners import RUNNERS
from lcd_plugin.bench.suite import Suite
from lcd_plugin.data.store import MANIFEST, Manifest, Store
from lcd_plugin.errors import LcdBenchError
from lcd_plugin.files import write_whole
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS, Registry
from lcd_plugin.plugins.complaint import complaint
from lcd_plugin.plugins.offers import HANDED_DOWN, be_worker

# Seconds in which a request to stop is noticed.
ATTENTION_S = 0.2


class NodeOrder(BaseModel):
    """All that a node has to know of a run, as one JSON document.

    Attributes:
        order: what workers are told on any machine.
        time_s: seconds that a cell may take.
        versions: of the packages that have to be the same.
        fingerprints: of the prepared stores, by the path that each has on the run's machine.
        offers: plugins from files, as the run hands them down.
        search_path: folders of their files.
        codes: of the plugins that are not built in, by kind and name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: WorkOrder
    time_s: float | None
    versions: dict[str, str]
    fingerprints: dict[Path, str]
    offers: str
    search_path: tuple[str, ...]
    codes: dict[str, dict[str, str]]

    @classmethod
    def of(cls, order: WorkOrder, time_s: float | None) -> NodeOrder:
        """The order for the nodes of a cluster, from what this process knows.

        Raises:
            DataError: a prepared store cannot be read.
        """
        paths = {path for recipe in order.recipes.values() for path in recipe.stores.values()}
        return cls(
            order=order,
            time_s=time_s,
            versions=_versions(),
            fingerprints={path: Store.open(path).manifest.fingerprint for path in paths},
            offers=os.environ.get(HANDED_DOWN, "[]"),
            search_path=_folders_of_offers(),
            codes=_codes(Suite.model_validate(order.suite)),
        )


class UnfitError(Exception):
    """Nothing can be computed on this node; the message says why, as a sentence."""


class RayWorker:
    """An actor: one worker, which takes one unit at a time.

    Args:
        content: a `NodeOrder`.
    """

    def __init__(self, content: bytes) -> None:
        self._node = NodeOrder.model_validate_json(content)
        self._root = self._node.order.root
        self._scratch: OwnFolder | None = None
        self._executor: LocalExecutor | None = None
        self._stop_s: float | None = None
        self._stopping = threading.Event()

    def greet(self, presence: str) -> Iterator[bytes]:
        """Say where this is and make everything ready; the last line has `ready` or `unfit`.

        Args:
            presence: name of the file that says that the run is at work; "" if there is none.
        """
        import ray

        yield _line(host=platform.node(), node=ray.get_runtime_context().get_node_id())
        try:
            self._know_plugins()
            self._compare()
            stores: dict[Path, Path] = {}
            for path in self._node.fingerprints:
                if _fingerprint(path) != self._node.fingerprints[path]:
                    yield _line(prepares=self._dataset(path)[0])
                stores[path] = self._store(path)
        except UnfitError as error:
            yield _line(unfit=str(error))
            return
        except LcdBenchError as error:
            yield _line(unfit=complaint(error))
            return
        shares = self._take_place(presence)
        self._executor = LocalExecutor(self._order(stores), 1, time_s=self._node.time_s)
        yield _line(ready=True, shares=shares)

    def compute(self, unit: bytes, files: dict[str, bytes]) -> Iterator[list[bytes]]:
        """Compute a unit and say what comes of it; the last is `Over`.

        Args:
            unit: as `pack_unit` has it.
            files: encoder files that it needs and this node lacks, by their place in `pretrain`.
        """
        assert self._executor is not None, "greeted first"
        asked = unpack_unit(unit)
        if self._scratch is not None:
            self._forget_others({asked.needs, asked.cells[0].key})
        for name, content in files.items():
            write_whole(self._root / "pretrain" / name, content)
        said: list[Message] = []
        self._executor.start(0, asked)
        while not any(isinstance(message, Over) for message in said):
            said.clear()
            if self._stopping.is_set():
                self._executor.stop(self._stop_s or 0.0, lambda _, message: said.append(message))
            else:
                self._executor.wait(ATTENTION_S, lambda _, message: said.append(message))
            for message in said:
                yield pack(message)

    def stop(self, seconds: float) -> None:
        """Let the unit save what it has and end, within this time; called from another thread."""
        self._stop_s = seconds
        self._stopping.set()

    def close(self) -> None:
        """End the process that computes and leave nothing on the node."""
        if self._executor is not None:
            self._executor.close()
        if self._scratch is not None:
            self._scratch.close()

    def _know_plugins(self) -> None:
        os.environ[HANDED_DOWN] = self._node.offers
        be_worker()
        sys.path += [p for p in self._node.search_path if p not in sys.path and Path(p).is_dir()]

    def _compare(self) -> None:
        """Raises `UnfitError` unless the code is the same as that of the run."""
        here = _versions()
        for package, wanted in self._node.versions.items():
            if here[package] != wanted:
                raise UnfitError(
                    f"It has {package} {here[package]} and the run has {wanted}; install the same."
                )
        for kind, codes in self._node.codes.items():
            for name, code in codes.items():
                if _registry(kind).origin(name).code != code:
                    raise UnfitError(
                        f"Its {kind} '{name}' is not that of the run; install the same."
                    )

    def _store(self, path: Path) -> Path:
        """Where a prepared store is on this node, made from the records if it is not there.

        Raises:
            UnfitError: what can be made here is another store.
            LcdBenchError: none can be made.
        """
        wanted = self._node.fingerprints[path]
        if _fingerprint(path) == wanted:
            return path
        dataset, suite = self._dataset(path)
        store = open_store(dataset, suite, lambda *_: None, self._node.order.threads)
        if store.manifest.fingerprint != wanted:
            raise UnfitError(f"Its records of dataset '{dataset}' are not those of the run.")
        return store.path

    def _dataset(self, path: Path) -> tuple[str, Suite]:
        """What a store was made from."""
        suite = Suite.model_validate(self._node.order.suite)
        return next(
            (dataset, suite.under(name) if name else suite)
            for name, recipe in self._node.order.recipes.items()
            for dataset, other in recipe.stores.items()
            if other == path
        )

    def _take_place(self, presence: str) -> bool:
        """Work in the run's folder if it is here too, else in a folder of one's own."""
        found = presence and (self._root / RUNNERS / presence).is_file()
        if found and os.access(self._root, os.W_OK):
            return True
        self._scratch = OwnFolder()
        self._root = self._scratch.path
        return False

    def _forget_others(self, keys: set[str | None]) -> None:
        """Keep files of these pretrainings only: a node has not room for all of a long run."""
        for folder in (self._root / "pretrain").glob("*"):
            if folder.name not in keys:
                shutil.rmtree(folder, ignore_errors=True)

    def _order(self, stores: dict[Path, Path]) -> WorkOrder:
        """The order with the places that things have here."""
        recipes = {
            name: recipe.model_copy(
                update={"stores": {d: stores[path] for d, path in recipe.stores.items()}}
            )
            for name, recipe in self._node.order.recipes.items()
        }
        return self._node.order.model_copy(update={"root": self._root, "recipes": recipes})


def _line(**content: Any) -> bytes:
    return json.dumps(content).encode()


def _fingerprint(path: Path) -> str | None:
    try:
        return Manifest.model_validate_json((path / MANIFEST).read_bytes()).fingerprint
    except (OSError, ValidationError):
        return None


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("lcd-plugin", "torch")}


def _folders_of_offers() -> tuple[str, ...]:
    """Where the plugins from files are."""
    offers = json.loads(os.environ.get(HANDED_DOWN, "[]"))
    specs = [find_spec(offer["value"].partition(":")[0]) for offer in offers]
    return tuple({str(Path(spec.origin).parent) for spec in specs if spec and spec.origin})


def _codes(suite: Suite) -> dict[str, dict[str, str]]:
    """Fingerprints of the plugins of a suite that do not come with this package."""
    names = {
        METHODS.kind: suite.methods,
        DATASETS.kind: (*suite.datasets, *suite.pretrain_datasets),
        ENCODERS.kind: tuple(suite.encoder(text).name for text in suite.encoders),
    }
    codes: dict[str, dict[str, str]] = {}
    for kind, used in names.items():
        offered = set(_registry(kind).names())
        origins = {name: _registry(kind).origin(name) for name in used if name in offered}
        codes[kind] = {name: origin.code for name, origin in origins.items() if not origin.own}
    return codes


def _registry(kind: str) -> Registry[Any]:
    registries: tuple[Registry[Any], ...] = (METHODS, DATASETS, ENCODERS)
    return next(registry for registry in registries if registry.kind == kind)
