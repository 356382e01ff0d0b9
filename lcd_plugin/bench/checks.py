"""What can be known to be impossible before any time is spent: too few records, leaks."""

from __future__ import annotations

from collections.abc import Iterable

from lcd_plugin.bench.datasets import pretrain_rows
from lcd_plugin.bench.lead_subsets import leads_of
from lcd_plugin.bench.planned import PlannedMethod
from lcd_plugin.bench.suite import Suite
from lcd_plugin.data.cohort import SPLITS, Task
from lcd_plugin.data.leaks import check_parts, check_transfer
from lcd_plugin.data.store import Store
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.label_subsets import cut, label_order
from lcd_plugin.methods.add_ons import views_of
from lcd_plugin.pretrain.engine import check_batch
from lcd_plugin.views.leads import letters_of


def check_roles(suite: Suite) -> None:
    """Raise ConfigError if all records of a dataset are for pretraining and it is scored too."""
    if suite.pretrain_part == "train":
        return
    both = [name for name in suite.pretrained_on if name in suite.datasets]
    if both:
        raise ConfigError(
            f"pretrain_part is 'all', so pretraining would see the test records of '{both[0]}', "
            f"which is scored too; use pretrain_part='train', or name other pretrain_datasets."
        )


def check_pretraining(suite: Suite, methods: dict[str, PlannedMethod], store: Store) -> None:
    """Raise ConfigError if a method cannot be pretrained on a dataset."""
    trained = {n: m for n, m in methods.items() if m.spec.kind == "pretraining"}
    n_leads = len(store.manifest.data.leads)
    for name, method in trained.items():
        letters = letters_of(views_of(method.method_class, method.config))
        if len(letters) > n_leads:
            raise ConfigError(
                f"Method '{name}' needs {len(letters)} different leads, and data.leads has "
                f"{n_leads}."
            )
    if trained:
        n_records = len(pretrain_rows(store, suite))
        check_batch(suite.pretrain.batch_size, n_records, suite.engine.devices)


def check_scoring(suite: Suite, store: Store, tasks: tuple[Task, ...]) -> None:
    """Raise ConfigError if nothing can be learned or scored on one of the tasks of a dataset.

    Args:
        suite: lead subsets.
        store: the dataset that is scored.
        tasks: its tasks with the classes that are scored.
    """
    for subset in suite.lead_subsets:
        leads_of(subset, store.manifest.data.leads)
    for task in tasks:
        name = f"{store.manifest.dataset}/{task.name}"
        labels = {split: store.labels(task, split) for split in SPLITS}
        targets = {split: labels[split].targets[labels[split].first] for split in SPLITS}
        for split, labelled in targets.items():
            if not len(labelled):
                raise ConfigError(f"{name} has no labelled {split} records.")
        positives = targets["test"].sum(axis=0, dtype=int)
        if not ((positives > 0) & (positives < len(targets["test"]))).any():
            raise ConfigError(
                f"The test records of {name} have one class only, so nothing can be scored."
            )


def usable_fractions(
    suite: Suite, store: Store, task: Task
) -> tuple[tuple[float, ...], dict[str, ConfigError]]:
    """Label fractions that leave every class of a task something to learn from.

    Args:
        suite: fractions, counts and seeds of label subsets.
        store: the dataset that is scored.
        task: the task with the classes that are scored.

    Returns:
        The fractions, ascending, counts as shares of the labelled training records; and why the
        others cannot be used, by what was asked for.
    """
    labels = store.labels(task, "train")
    targets = labels.targets[labels.first]
    orders = [label_order(targets, seed) for seed in suite.label_seeds or suite.seeds]
    usable, problems = set[float](), {}
    for amount in (*suite.label_fractions, *suite.label_counts):
        counted = isinstance(amount, int)
        try:
            for order in orders:
                cut(targets, order, amount, task.classes)
        except ConfigError as error:
            problems[f"{amount} labels" if counted else f"{100 * amount:.4g}% of labels"] = error
        else:
            usable.add(amount / len(targets) if counted else amount)
    return tuple(sorted(usable)), problems


def check_leaks(
    suite: Suite, stores: dict[str, Store], sources: Iterable[str], targets: Iterable[str]
) -> None:
    """Raise DataError if a record that is scored was seen before.

    Args:
        suite: which datasets are pretrained on for which, and which part of them.
        stores: the datasets by name.
        sources: names of those that are pretrained on.
        targets: names of those that are scored.
    """
    # Without pretraining datasets each is pretrained on its own training part and no other's.
    foreign = tuple(sources) if suite.pretrain_datasets else ()
    for target in targets:
        held = stores[target].table
        check_parts(held, target)
        for source in foreign:
            if source != target:
                rows = pretrain_rows(stores[source], suite)
                check_transfer(stores[source].table, rows, source, held, target)
