"""Every cell of a suite that can run, and what cannot, with the reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lcd_plugin.bench.available import OpenedStores, UsableData, usable_data
from lcd_plugin.bench.datasets import Progress
from lcd_plugin.bench.planned import CellMaker, EvaluateCell, PlannedMethod, PretrainCell
from lcd_plugin.bench.suite import Suite
from lcd_plugin.bench.usable import usable_encoders, usable_methods
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Store
from lcd_plugin.pretrain.snapshots import snapshot_epochs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """A suite under one recipe, with all that its cells are computed from.

    Attributes:
        suite: what was asked for, as the recipe has it.
        stores: the prepared datasets by name.
        tasks: tasks of every dataset that is scored, with the classes that are.
        methods: methods by name.
    """

    suite: Suite
    stores: dict[str, Store]
    tasks: dict[str, tuple[Task, ...]]
    methods: dict[str, PlannedMethod]


@dataclass(frozen=True)
class Plan:
    """All cells of a suite.

    Attributes:
        suite: what was asked for.
        precision: what `auto` came to.
        setups: what cells are computed from, by recipe; `""` is that of a suite without recipes.
        pretrain: cells in the order in which they run.
        evaluate: cells in the order in which they run. What several recipes ask for stands under
            the first of them.
        unavailable: reasons by title (`method lcd`, `dataset ludb`) of what cannot be used.
    """

    suite: Suite
    precision: Literal["fp32", "bf16"]
    setups: dict[str, Setup]
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
        PluginError: no method or no encoder can be loaded.
    """
    # Random draws differ between kinds of device, so that one key never means two of them.
    trained = {"precision": precision} | ({} if device == "cpu" else {"device": device})
    setups: dict[str, Setup] = {}
    # By key: training from scratch has no pretraining dataset, so each of them makes it again, and
    # recipes can ask for the same thing.
    pretrain: dict[str, PretrainCell] = {}
    evaluate: dict[str, EvaluateCell] = {}
    unavailable: dict[str, str] = {}
    opened: OpenedStores = {}
    for recipe in suite.recipes or ("",):
        own = suite.under(recipe) if recipe else suite
        methods, without = usable_methods(own)
        encoders, too = usable_encoders(own)
        data = usable_data(own, methods, progress, opened)
        tasks = {name: target.tasks for name, target in data.targets.items()}
        setups[recipe] = Setup(own, data.stores, tasks, methods)
        before = len(evaluate)
        for cell in _cells(own, recipe, methods, encoders, data, trained):
            known: dict[str, Any] = pretrain if isinstance(cell, PretrainCell) else evaluate
            known.setdefault(cell.key, cell)
        if len(evaluate) == before:
            log.warning("The recipe '%s' changes nothing that these methods depend on.", recipe)
        unavailable |= {
            f"{title}{f' ({recipe})' if recipe else ''}": reason
            for title, reason in (without | too | data.unavailable).items()
        }
    return Plan(
        suite, precision, setups, tuple(pretrain.values()), tuple(evaluate.values()), unavailable
    )


def _cells(
    suite: Suite,
    recipe: str,
    methods: dict[str, PlannedMethod],
    encoders: tuple[str, ...],
    data: UsableData,
    trained: dict[str, str],
) -> Iterator[PretrainCell | EvaluateCell]:
    shares = snapshot_epochs(suite.snapshots, suite.pretrain.epochs).values()
    for source in data.sources:
        names = tuple(data.targets) if suite.pretrain_datasets else (source,)
        for encoder in encoders:
            maker = CellMaker(suite, recipe, encoder, trained)
            for seed in suite.seeds:
                for method in methods.values():
                    cell = maker.pretraining(method, data.stores[source], seed)
                    if cell is not None:
                        yield cell
                    for target in (data.targets[name] for name in names):
                        yield from maker.snapshots(method, target, seed, cell, shares)
                        yield from maker.evaluations(method, target, seed, cell)
