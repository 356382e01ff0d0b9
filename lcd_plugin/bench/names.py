"""Whether all that a suite names is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lcd_plugin.errors import ConfigError, suggest
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS, Registry

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite


def check_names(suite: Suite) -> None:
    """Raise ConfigError for a name that no plugin has, or a task of a dataset that is not scored.

    What is not built in is tried out, several plugins at a time.
    """
    wanted: tuple[tuple[Registry[Any], list[str]], ...] = (
        (METHODS, [*suite.methods]),
        (DATASETS, [*suite.pretrain_datasets, *suite.datasets]),
        (ENCODERS, [suite.encoder(text).name for text in suite.encoders]),
    )
    for registry, names in wanted:
        registry.probe(names)
        for name in names:
            registry.origin(name)
    known = {*METHODS.names(), *DATASETS.names(), *ENCODERS.names()}
    for name in suite.settings:
        if name not in known:
            raise ConfigError(f"settings.{name}: nothing has that name{suggest(name, known)}")
    for task in suite.tasks:
        dataset, slash, _ = task.partition("/")
        if slash and dataset not in suite.datasets:
            near = suggest(dataset, suite.datasets)
            raise ConfigError(f"tasks: no dataset '{dataset}' is scored{near}")
