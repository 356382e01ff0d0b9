"""Which datasets of a suite can be used, and why the others cannot."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from lcd_plugin.bench.checks import (
    check_leaks,
    check_pretraining,
    check_roles,
    check_scoring,
    usable_fractions,
)
from lcd_plugin.bench.datasets import Progress, chosen_tasks, open_store
from lcd_plugin.bench.own_state import AttemptError, attempt
from lcd_plugin.bench.planned import PlannedMethod, Target
from lcd_plugin.bench.suite import Suite
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import Store
from lcd_plugin.errors import ConfigError, DataError, LcdBenchError, PluginError
from lcd_plugin.plugins import DATASETS

log = logging.getLogger(__name__)

# Of the datasets a recipe can change how records are shaped, and nothing else.
OpenedStores = dict[tuple[str, DataSettings], Store]


@dataclass(frozen=True)
class UsableData:
    """The datasets that cells are made for.

    Attributes:
        stores: all of them by name.
        sources: names of those that are pretrained on.
        targets: those that are scored, by name.
        unavailable: what was asked for and cannot be used, with the reason.
    """

    stores: dict[str, Store]
    sources: tuple[str, ...]
    targets: dict[str, Target]
    unavailable: dict[str, str]


def usable_data(
    suite: Suite, methods: dict[str, PlannedMethod], progress: Progress, opened: OpenedStores
) -> UsableData:
    """Open and check the datasets of a suite; one that cannot be used costs no other.

    Args:
        suite: the resolved suite.
        methods: the methods that will run.
        progress: called while records are prepared.
        opened: stores that other recipes have opened; those of this one are added.

    Raises:
        ConfigError: a setting is impossible, or leaves no dataset.
        DataError: no dataset is left, or a record that is scored was seen before.
        PluginError: no dataset is left.
    """
    check_roles(suite)
    names = dict.fromkeys((*suite.pretrained_on, *suite.datasets))
    problems: dict[str, LcdBenchError] = {}
    stores = _open(names, suite, progress, opened, problems)
    sources = _sources(suite, methods, stores, problems)
    targets = _scored(suite, stores, problems)
    if not suite.pretrain_datasets:
        # Each is pretrained on itself: one that fails in either role is of no use in the other.
        sources = tuple(name for name in sources if name in targets)
        targets = {name: targets[name] for name in sources}
    if not sources or not targets:
        first = next(iter(problems.values()))
        raise type(first)(" ".join(dict.fromkeys(map(str, problems.values())))) from first
    used = {name: store for name, store in stores.items() if name in sources or name in targets}
    check_leaks(suite, used, sources, targets)
    unavailable = {title: str(error) for title, error in problems.items()}
    for title, reason in unavailable.items():
        log.warning("%s cannot be used, the rest goes on: %s", title, reason)
    return UsableData(used, sources, targets, unavailable)


def _open(
    names: Iterable[str],
    suite: Suite,
    progress: Progress,
    opened: OpenedStores,
    problems: dict[str, LcdBenchError],
) -> dict[str, Store]:
    """Stores by name; a setting that a dataset does not have raises, for the user to correct."""
    stores = {}
    for name in names:
        shape = name, suite.data
        try:
            if shape not in opened:
                opened[shape] = attempt(partial(open_store, name, suite, progress))
            stores[name] = opened[shape]
        except AttemptError as failure:
            problems[f"dataset {name}"] = _problem(name, suite, failure)
    return stores


def _problem(name: str, suite: Suite, failure: AttemptError) -> LcdBenchError:
    """What to say of a dataset that could not be opened.

    Raises:
        ConfigError: the suite's settings for it are wrong.
        Exception: a dataset of ours has a bug.
    """
    error, origin = failure.error, DATASETS.origin(name)
    for kind in (DataError, PluginError):
        if isinstance(error, kind):
            return kind(failure.reason)
    given = suite.settings.get(name, {}).keys() - {"path"}
    wrongly = isinstance(error, ConfigError) and isinstance(error.__cause__, ValidationError)
    if origin.own or (given and wrongly):
        raise error
    return PluginError(
        f"The dataset '{name}' of {origin.distribution} cannot be prepared: {failure.reason}"
    )


def _sources(
    suite: Suite,
    methods: dict[str, PlannedMethod],
    stores: dict[str, Store],
    problems: dict[str, LcdBenchError],
) -> tuple[str, ...]:
    found = []
    for name in suite.pretrained_on:
        if name in stores:
            try:
                check_pretraining(suite, methods, stores[name])
            except ConfigError as error:
                role = "pretraining on" if suite.pretrain_datasets else "dataset"
                problems[f"{role} {name}"] = error
            else:
                found.append(name)
    return tuple(found)


def _scored(
    suite: Suite, stores: dict[str, Store], problems: dict[str, LcdBenchError]
) -> dict[str, Target]:
    found: dict[str, Target] = {}
    for name in suite.datasets:
        if name in stores:
            try:
                tasks = chosen_tasks(stores[name], suite, name)
                check_scoring(suite, stores[name], tasks)
            except ConfigError as error:
                problems.setdefault(f"dataset {name}", error)
            else:
                target = _target(suite, name, stores[name], tasks, problems)
                found |= {name: target} if target.tasks else {}
    return found


def _target(
    suite: Suite,
    name: str,
    store: Store,
    tasks: tuple[Task, ...],
    problems: dict[str, LcdBenchError],
) -> Target:
    """A dataset with the label fractions that each of its tasks has records for."""
    fractions = {}
    for task in tasks:
        usable, too_small = usable_fractions(suite, store, task)
        problems |= {f"dataset {name}/{task.name}, {what}": e for what, e in too_small.items()}
        if usable:
            fractions[task.name] = usable
    return Target(store, tuple(task for task in tasks if task.name in fractions), fractions)
