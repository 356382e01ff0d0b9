"""Every cell of a suite with the hash of all that can change its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from lcd_plugin.bench.datasets import Progress, chosen_tasks, open_store
from lcd_plugin.bench.results import SCHEMA, key_of
from lcd_plugin.bench.suite import Protocol, Suite, explain
from lcd_plugin.data.cohort import SPLITS, Task
from lcd_plugin.data.store import Store
from lcd_plugin.encoders import create_encoder
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.evaluate.label_subsets import label_subset
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.plugins import ENCODERS, METHODS, MethodSpec
from lcd_plugin.pretrain.engine import check_batch
from lcd_plugin.pretrain.settings import EngineSettings
from lcd_plugin.views.leads import ALL_LEADS

# Raise one when its numbers change for equal settings.
PROTOCOL_VERSIONS = {"linear": 1, "finetune": 1, "knn": 1, "scratch": 1}
ENGINE_VERSION = 2


@dataclass(frozen=True)
class PlannedMethod:
    """A method with its validated settings."""

    spec: MethodSpec
    config: MethodConfig
    method_class: type[Method]


@dataclass(frozen=True)
class PretrainCell:
    """One pretraining: a method on a dataset with an encoder and a seed."""

    identity: dict[str, Any]
    method: str
    encoder: str
    dataset: str
    seed: int
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.identity))

    @property
    def title(self) -> str:
        """For progress and messages."""
        return f"pretrain {self.method} on {self.dataset}, {self.encoder}, seed {self.seed}"


@dataclass(frozen=True)
class EvaluateCell:
    """One score: an encoder on a task under a protocol at a label fraction.

    Attributes:
        protocol: the suite's protocol, or `scratch` for the supervised baseline.
        pretrain_key: the pretraining whose encoder is scored; None for `scratch`.
    """

    identity: dict[str, Any]
    method: str
    encoder: str
    dataset: str
    task: str
    protocol: Protocol | Literal["scratch"]
    label_fraction: float
    seed: int
    pretrain_key: str | None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.identity))

    @property
    def title(self) -> str:
        """For progress and messages."""
        return (
            f"{self.protocol} {self.method} on {self.dataset}/{self.task}, {self.encoder}, "
            f"{100 * self.label_fraction:.4g}% of labels, seed {self.seed}"
        )


@dataclass(frozen=True)
class Plan:
    """All cells of a suite.

    Attributes:
        suite: what was asked for.
        precision: what `auto` came to.
        stores: the prepared datasets by name.
        methods: methods by name.
        pretrain: cells in the order in which they run.
        evaluate: cells in the order in which they run.
        unavailable: methods whose plugin cannot be loaded, with the reason.
    """

    suite: Suite
    precision: Literal["fp32", "bf16"]
    stores: dict[str, Store]
    methods: dict[str, PlannedMethod]
    pretrain: tuple[PretrainCell, ...]
    evaluate: tuple[EvaluateCell, ...]
    unavailable: dict[str, str]


def make_plan(
    suite: Suite, precision: Literal["fp32", "bf16"], device: str, progress: Progress
) -> Plan:
    """Check a suite against its data and plugins, and list its cells.

    Everything that can be known to be impossible is found here, before any time is spent.

    Args:
        suite: the resolved suite.
        precision: of training.
        device: type of the device that trains, `cpu` or `cuda`.
        progress: called while records are prepared.

    Raises:
        ConfigError: a setting is impossible.
        DataError: a dataset is not usable.
        PluginError: no method can be loaded.
    """
    methods, unavailable = _load_methods(suite)
    for name in suite.encoders:
        create_encoder(name, **suite.settings.get(name, {}))
    stores = {name: open_store(name, suite, progress) for name in suite.datasets}
    # Random draws differ between kinds of device, so that one key never means two of them.
    trained = {"precision": precision} | ({} if device == "cpu" else {"device": device})
    pretrain: list[PretrainCell] = []
    evaluate: list[EvaluateCell] = []
    for dataset, store in stores.items():
        tasks = chosen_tasks(store, suite, dataset)
        _check_data(suite, methods, store, tasks)
        for encoder in suite.encoders:
            for seed in suite.seeds:
                for method in methods.values():
                    cell = _pretrain_cell(suite, method, encoder, store, seed, trained)
                    if cell is not None:
                        pretrain.append(cell)
                    evaluate += _evaluate_cells(
                        suite, method, encoder, store, tasks, seed, trained, cell
                    )
    return Plan(suite, precision, stores, methods, tuple(pretrain), tuple(evaluate), unavailable)


def _load_methods(suite: Suite) -> tuple[dict[str, PlannedMethod], dict[str, str]]:
    methods: dict[str, PlannedMethod] = {}
    unavailable: dict[str, str] = {}
    for name in suite.methods:
        try:
            spec, method_class = METHODS.spec(name), METHODS.load(name)
        except PluginError as error:
            unavailable[name] = str(error)
            continue
        if not (isinstance(method_class, type) and issubclass(method_class, Method)):
            unavailable[name] = f"The method '{name}' is no lcd_plugin.methods.base.Method."
            continue
        try:
            config = method_class.config_class.model_validate(suite.settings.get(name, {}))
        except ValidationError as error:
            raise ConfigError(explain(error, method_class.config_class, f"{name}.")) from error
        methods[name] = PlannedMethod(spec, config, method_class)
    if not methods:
        raise PluginError(" ".join(unavailable.values()))
    return methods, unavailable


def _check_data(
    suite: Suite, methods: dict[str, PlannedMethod], store: Store, tasks: tuple[Task, ...]
) -> None:
    n_leads = len(store.manifest.data.leads)
    for name, method in methods.items():
        letters = set(method.method_class.views) - {ALL_LEADS}
        if method.spec.kind == "pretraining" and len(letters) > n_leads:
            raise ConfigError(
                f"Method '{name}' needs {len(letters)} different leads, and data.leads has "
                f"{n_leads}."
            )
    if any(m.spec.kind == "pretraining" for m in methods.values()):
        check_batch(suite.pretrain.batch_size, len(store.rows("train")), suite.engine.devices)
    for task in tasks:
        for split in SPLITS:
            targets = store.labels(task, split).targets
            if not len(targets):
                raise ConfigError(
                    f"{store.manifest.dataset}/{task.name} has no labelled {split} records."
                )
        positives = store.labels(task, "test").targets.sum(axis=0)
        if not ((positives > 0) & (positives < len(store.labels(task, "test").targets))).any():
            raise ConfigError(
                f"The test records of {store.manifest.dataset}/{task.name} have one class only, so "
                f"nothing can be scored."
            )
        targets = store.labels(task, "train").targets
        for seed in suite.seeds:
            for fraction in suite.label_fractions:
                label_subset(targets, fraction, seed, task.classes)


def _base_identity(suite: Suite, encoder: str, store: Store, seed: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "engine": ENGINE_VERSION,
        "encoder": encoder,
        "encoder_version": ENCODERS.spec(encoder).version,
        "encoder_settings": suite.settings.get(encoder, {}),
        "dataset": store.manifest.dataset,
        "data": store.manifest.fingerprint,
        "seed": seed,
    }


def _pretrain_cell(
    suite: Suite,
    method: PlannedMethod,
    encoder: str,
    store: Store,
    seed: int,
    trained: dict[str, str],
) -> PretrainCell | None:
    if method.spec.kind == "supervised":
        return None
    identity = _base_identity(suite, encoder, store, seed) | {
        "kind": "pretrain",
        "method": method.spec.name,
        "method_version": method.spec.version,
    }
    if method.spec.kind == "pretraining":
        # An untrained encoder does not depend on the budget: changing it costs no new result.
        identity |= {
            "config": method.config.model_dump(mode="json"),
            "pretrain": suite.pretrain.model_dump(mode="json"),
            "views": suite.views.model_dump(mode="json"),
            **trained,
            **_rounding(suite.engine),
        }
    return PretrainCell(identity, method.spec.name, encoder, store.manifest.dataset, seed)


def _rounding(engine: EngineSettings) -> dict[str, Any]:
    """What of the engine changes numbers; nothing at its defaults."""
    compiled = {"compile": "always"} if engine.compile == "always" else {}
    return compiled | ({} if engine.devices == 1 else {"devices": engine.devices})


def _evaluate_cells(
    suite: Suite,
    method: PlannedMethod,
    encoder: str,
    store: Store,
    tasks: tuple[Task, ...],
    seed: int,
    trained: dict[str, str],
    pretraining: PretrainCell | None,
) -> list[EvaluateCell]:
    base = _base_identity(suite, encoder, store, seed)
    protocols = suite.protocols if pretraining is not None else ("scratch",)
    cells = []
    for task in tasks:
        for protocol in protocols:
            settings = suite.finetune if protocol == "scratch" else getattr(suite, protocol)
            trains = protocol in ("finetune", "scratch")
            for fraction in suite.label_fractions:
                identity = base | {
                    "kind": "evaluate",
                    "method": method.spec.name,
                    "method_version": method.spec.version,
                    "pretrain_key": pretraining.key if pretraining else None,
                    "task": task.name,
                    "protocol": protocol,
                    "protocol_version": PROTOCOL_VERSIONS[protocol],
                    "protocol_settings": settings.model_dump(mode="json"),
                    "label_fraction": fraction,
                    **(trained if trains else {"precision": "fp32"}),
                }
                cells.append(
                    EvaluateCell(
                        identity,
                        method.spec.name,
                        encoder,
                        store.manifest.dataset,
                        task.name,
                        protocol,  # type: ignore[arg-type]
                        fraction,
                        seed,
                        pretraining.key if pretraining else None,
                    )
                )
    return cells
