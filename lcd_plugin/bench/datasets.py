"""Opening the datasets of a suite: where they are, their settings, their prepared stores."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lcd_plugin.bench.suite import Suite, explain
from lcd_plugin.data.cohort import SPLITS, Cohort, Task
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.store import Store
from lcd_plugin.errors import ConfigError, DataError, suggest
from lcd_plugin.plugins import DATASETS

Progress = Callable[[str, int, int], None]


def open_store(name: str, suite: Suite, progress: Progress) -> Store:
    """The prepared store of a dataset under a suite's settings; made if it is not there yet.

    Args:
        name: the dataset.
        suite: data settings, the dataset's own settings and the limit.
        progress: called with the dataset's name, records done and their total.

    Raises:
        ConfigError: a setting that the dataset does not have.
        DataError: the folder is missing or unusable.
    """
    cohort = _open_cohort(name, suite)
    spec = DATASETS.spec(name)
    return prepare(
        cohort,
        name,
        spec.version,
        suite.data,
        suite.limit,
        lambda done, total: progress(name, done, total),
    )


def _open_cohort(name: str, suite: Suite) -> Cohort:
    given = dict(suite.settings.get(name, {}))
    path = _folder(name, given.pop("path", None)) if DATASETS.spec(name).needs_path else None
    cohort_class: type[Cohort] = DATASETS.load(name)
    try:
        settings = cohort_class.settings_class.model_validate(given)
    except ValidationError as error:
        raise ConfigError(explain(error, cohort_class.settings_class, f"{name}.")) from error
    return cohort_class(path, settings, suite.data.rate)


def _folder(name: str, given: str | None) -> Path:
    root = os.environ.get("LCD_BENCH_DATA")
    if given is None and root is None:
        raise DataError(
            f"Dataset '{name}' needs the folder of its records: give -d {name}=FOLDER, or set "
            f"LCD_BENCH_DATA to a folder that has it by name."
        )
    folder = Path(str(given)).expanduser() if given is not None else Path(str(root)) / name
    if not folder.is_dir():
        raise DataError(f"Dataset '{name}': there is no folder {folder}.")
    return folder


def chosen_tasks(store: Store, suite: Suite, dataset: str) -> tuple[Task, ...]:
    """The suite's tasks, or the dataset's main task if it names none.

    Raises:
        ConfigError: the dataset has no task of a name.
    """
    if not suite.tasks:
        return store.tasks[:1]
    by_name = {task.name: task for task in store.tasks}
    for name in suite.tasks:
        if name not in by_name:
            raise ConfigError(f"Dataset '{dataset}' has no task '{name}'{suggest(name, by_name)}")
    return tuple(by_name[name] for name in suite.tasks)


def summary(store: Store) -> dict[str, Any]:
    """What a report says of a dataset: sizes, classes, what was left out."""
    left_out = store.left_out
    return {
        "dataset": store.manifest.dataset,
        "fingerprint": store.manifest.fingerprint,
        **{f"n_{split}": len(store.rows(split)) for split in SPLITS},
        "n_left_out": store.manifest.n_left_out,
        "left_out": left_out.head(20).to_numpy().tolist(),
        "settings": store.manifest.data.model_dump(mode="json") | store.manifest.cohort_settings,
        "tasks": {task.name: _class_counts(store, task) for task in store.tasks},
    }


def _class_counts(store: Store, task: Task) -> dict[str, int]:
    counts = sum(store.labels(task, split).targets.sum(axis=0, dtype=int) for split in SPLITS)
    return dict(zip(task.classes, map(int, counts), strict=True))
