"""Opening the datasets of a suite: where they are, their settings, their prepared stores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.bench.cohorts import open_cohort
from lcd_plugin.bench.suite import Suite
from lcd_plugin.data.cohort import SPLITS, Split, Task
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.store import Store
from lcd_plugin.errors import ConfigError, suggest
from lcd_plugin.plugins import DATASETS

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


def open_store(name: str, suite: Suite, progress: Progress, jobs: int | None = None) -> Store:
    """The prepared store of a dataset under a suite's settings; made if it is not there yet.

    Args:
        name: the dataset.
        suite: data settings, the dataset's own settings and the limit.
        progress: called with the dataset's name, records done and their total.
        jobs: processes that prepare at most.

    Raises:
        ConfigError: a setting that the dataset does not have.
        DataError: the folder is missing or unusable.
    """
    cohort = open_cohort(name, suite)
    origin, version = DATASETS.origin(name), DATASETS.spec(name).version
    return prepare(
        cohort,
        name,
        # Whoever edits a dataset of theirs gets a new store.
        version if origin.own else f"{version}+{origin.code}",
        suite.data,
        suite.limit,
        lambda done, total: progress(name, done, total),
        jobs,
    )


def pretrain_rows(store: Store, suite: Suite) -> NDArray[np.int64]:
    """Rows of a store that pretraining on it uses."""
    if suite.pretrain_part == "all":
        return np.arange(store.manifest.n_records)
    return store.rows("train")


def chosen_tasks(store: Store, suite: Suite, dataset: str) -> tuple[Task, ...]:
    """The suite's tasks, or the dataset's main task if it names none, with what can be learned.

    Classes that cannot be learned are left out, and named on the log.

    Raises:
        ConfigError: the dataset has no task of a name, or one with too few classes to learn.
    """
    by_name = {task.name: task for task in store.tasks}
    if not by_name:
        raise ConfigError(f"Dataset '{dataset}' has no labels, so it can only be pretrained on.")
    asked = [name.removeprefix(f"{dataset}/") for name in suite.tasks]
    # What still has a dataset before it is another one's.
    names = tuple(dict.fromkeys(name for name in asked if "/" not in name)) or tuple(by_name)[:1]
    for name in names:
        if name not in by_name:
            raise ConfigError(f"Dataset '{dataset}' has no task '{name}'{suggest(name, by_name)}")
    return tuple(_learnable(store, by_name[name], dataset) for name in names)


def classes_left_out(store: Store, task: Task) -> tuple[str, ...]:
    """Classes of a task without a positive or without a negative labelled training record.

    Nothing can be learned of them. The rule looks at training labels only, so it is the same for
    every method, and the test part has no say in what is learned: a class that only the test part
    lacks stays in the task and gets no score.
    """
    targets = store.labels(task, "train").targets
    positives = targets.sum(axis=0, dtype=int)
    return tuple(
        name
        for name, count in zip(task.classes, positives, strict=True)
        if count in (0, len(targets))
    )


def _learnable(store: Store, task: Task, dataset: str) -> Task:
    if not len(store.labels(task, "train").rows):
        raise ConfigError(f"{dataset}/{task.name} has no labelled train records.")
    left_out = classes_left_out(store, task)
    if not left_out:
        return task
    classes = tuple(name for name in task.classes if name not in left_out)
    least = 1 if task.kind == "multi-label" else 2
    if len(classes) < least:
        raise ConfigError(
            f"{dataset}/{task.name} has {len(classes)} classes with and without labelled training "
            f"records, and a {task.kind} task needs {least}; give it more labelled records."
        )
    log.warning(
        "%s/%s: left out of the task, since the training part has no record with them, or none "
        "without: %s",
        dataset,
        task.name,
        ", ".join(left_out),
    )
    return replace(task, classes=classes)


def summary(store: Store) -> dict[str, Any]:
    """What a report says of a dataset: sizes, classes, what was left out."""
    left_out = store.left_out
    unlearnable = {task.name: list(classes_left_out(store, task)) for task in store.tasks}
    return {
        "dataset": store.manifest.dataset,
        "fingerprint": store.manifest.fingerprint,
        **{f"n_{split}": _count(store, split) for split in SPLITS},
        "n_left_out": store.manifest.n_left_out,
        "left_out": left_out.head(20).to_numpy().tolist(),
        "settings": store.manifest.data.model_dump(mode="json") | store.manifest.cohort_settings,
        "tasks": {task.name: _class_counts(store, task) for task in store.tasks},
        "classes_left_out": {name: classes for name, classes in unlearnable.items() if classes},
    }


def _count(store: Store, split: Split) -> int:
    """Records of a part, however many windows they were cut into."""
    return int(store.table["record"].iloc[store.rows(split)].nunique())


def _class_counts(store: Store, task: Task) -> dict[str, int]:
    labels = [store.labels(task, split) for split in SPLITS]
    counts = sum(part.targets[part.first].sum(axis=0, dtype=int) for part in labels)
    return dict(zip(task.classes, map(int, counts), strict=True))
