"""Every cell of a suite that can run, and what cannot, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from lcd_plugin.bench.available import UsableData, usable_data
from lcd_plugin.bench.datasets import Progress
from lcd_plugin.bench.planned import CellMaker, EvaluateCell, PlannedMethod, PretrainCell
from lcd_plugin.bench.suite import Suite, explain
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Store
from lcd_plugin.encoders import create_encoder
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.methods.base import Method
from lcd_plugin.plugins import METHODS


@dataclass(frozen=True)
class Plan:
    """All cells of a suite.

    Attributes:
        suite: what was asked for.
        precision: what `auto` came to.
        stores: the prepared datasets by name.
        tasks: tasks of every dataset that is scored, with the classes that are.
        methods: methods by name.
        pretrain: cells in the order in which they run.
        evaluate: cells in the order in which they run.
        unavailable: reasons by title (`method lcd`, `dataset ludb`) of what cannot be used.
    """

    suite: Suite
    precision: Literal["fp32", "bf16"]
    stores: dict[str, Store]
    tasks: dict[str, tuple[Task, ...]]
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
        DataError: no dataset is usable, or a record that is scored was seen before.
        PluginError: no method can be loaded.
    """
    methods, unavailable = _load_methods(suite)
    for name in suite.encoders:
        create_encoder(name, **suite.settings.get(name, {}))
    data = usable_data(suite, methods, progress)
    # Random draws differ between kinds of device, so that one key never means two of them.
    trained = {"precision": precision} | ({} if device == "cpu" else {"device": device})
    pretrain, evaluate = _cells(suite, methods, data, trained)
    unavailable |= data.unavailable
    return Plan(suite, precision, data.stores, data.tasks, methods, pretrain, evaluate, unavailable)


def _cells(
    suite: Suite, methods: dict[str, PlannedMethod], data: UsableData, trained: dict[str, str]
) -> tuple[tuple[PretrainCell, ...], tuple[EvaluateCell, ...]]:
    pretrain: list[PretrainCell] = []
    # By key: training from scratch has no pretraining dataset, so each of them makes it again.
    evaluate: dict[str, EvaluateCell] = {}
    for source in data.sources:
        targets = tuple(data.tasks) if suite.pretrain_datasets else (source,)
        for encoder in suite.encoders:
            for seed in suite.seeds:
                maker = CellMaker(suite, encoder, seed, trained)
                for method in methods.values():
                    cell = maker.pretraining(method, data.stores[source])
                    pretrain += [cell] if cell is not None else []
                    for name in targets:
                        store, tasks = data.stores[name], data.tasks[name]
                        scores = maker.evaluations(method, store, tasks, cell)
                        evaluate |= {score.key: score for score in scores}
    return tuple(pretrain), tuple(evaluate.values())


def _load_methods(suite: Suite) -> tuple[dict[str, PlannedMethod], dict[str, str]]:
    methods: dict[str, PlannedMethod] = {}
    unavailable: dict[str, str] = {}
    for name in suite.methods:
        try:
            spec, method_class = METHODS.spec(name), METHODS.load(name)
        except PluginError as error:
            unavailable[f"method {name}"] = str(error)
            continue
        if not (isinstance(method_class, type) and issubclass(method_class, Method)):
            reason = f"The method '{name}' is no lcd_plugin.methods.base.Method."
            unavailable[f"method {name}"] = reason
            continue
        try:
            config = method_class.config_class.model_validate(suite.settings.get(name, {}))
        except ValidationError as error:
            raise ConfigError(explain(error, method_class.config_class, f"{name}.")) from error
        methods[name] = PlannedMethod(spec, config, method_class)
    if not methods:
        raise PluginError(" ".join(unavailable.values()))
    return methods, unavailable
