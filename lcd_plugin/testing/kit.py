"""All checks of a plugin, as a list or as one call."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lcd_plugin.errors import ConfigError, suggest
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
from lcd_plugin.testing.check import Check, ConformanceError, NotCheckedError

if TYPE_CHECKING:
    from torch import nn

    from lcd_plugin.data.cohort import Cohort, CohortSettings
    from lcd_plugin.methods.base import Method, MethodConfig

Kind = Literal["method", "dataset", "encoder"]
_REGISTRIES: dict[Kind, Any] = {"method": METHODS, "dataset": DATASETS, "encoder": ENCODERS}
_TRIALS: dict[Kind, tuple[str, str]] = {
    "method": ("lcd_plugin.testing.methods", "MethodTrial"),
    "dataset": ("lcd_plugin.testing.datasets", "DatasetTrial"),
    "encoder": ("lcd_plugin.testing.encoders", "EncoderTrial"),
}


def check_method(
    method: str | type[Method],
    config: MethodConfig | Mapping[str, Any] | None = None,
    *,
    slow: bool = True,
) -> None:
    """Check a pretraining method.

    Args:
        method: a name of `lcd-bench list methods`, or the class.
        config: its settings; None is its defaults.
        slow: whether to train it on synthetic records too, which takes some seconds.

    Raises:
        ConformanceError: the message names every check that failed.
        ConfigError: no method has that name, or it is a baseline.
        PluginError: it cannot be loaded.

    Warns:
        ConformanceWarning: the features collapse, or something else looks wrong.
    """
    _run_all(checks_for("method", method, config, slow=slow))


def check_dataset(
    dataset: str | type[Cohort],
    path: str | Path | None = None,
    settings: CohortSettings | Mapping[str, Any] | None = None,
) -> None:
    """Check a dataset.

    Args:
        dataset: a name of `lcd-bench list datasets`, or the class.
        path: folder of the records; None looks for a registered one in `LCD_BENCH_DATA`.
        settings: its settings; None is its defaults.

    Raises:
        ConformanceError: the message names every check that failed.
        ConfigError: no dataset has that name.
        DataError: there is no such folder.
        PluginError: it cannot be loaded.

    Warns:
        ConformanceWarning: something looks wrong.
    """
    _run_all(checks_for("dataset", dataset, settings, path=path))


def check_encoder(
    encoder: str | Callable[..., nn.Module], settings: Mapping[str, Any] | None = None
) -> None:
    """Check an encoder.

    Args:
        encoder: a name of `lcd-bench list encoders`, or what makes one.
        settings: what it is made with, such as a small `width`; None is its defaults.

    Raises:
        ConformanceError: the message names every check that failed.
        ConfigError: no encoder has that name.
        PluginError: it cannot be loaded.

    Warns:
        ConformanceWarning: something looks wrong.
    """
    _run_all(checks_for("encoder", encoder, settings))


def checks_for(
    kind: Kind,
    plugin: Any,
    settings: Any = None,
    *,
    path: str | Path | None = None,
    slow: bool = True,
) -> list[Check]:
    """The checks of a plugin; it is loaded when the first of them runs.

    Args:
        kind: `method`, `dataset` or `encoder`.
        plugin: its name, its class or, for an encoder, what makes one.
        settings: what it is made with; None is its defaults.
        path: folder of a dataset's records.
        slow: whether to include checks that take seconds.

    Raises:
        ConfigError: no kind has that name, or a path for what is no dataset.
    """
    if kind not in _TRIALS:
        raise ConfigError(f"Unknown kind of plugin '{kind}'{suggest(kind, _TRIALS)}")
    if path is not None and kind != "dataset":
        raise ConfigError(f"Only datasets have a path, and this is a check of a kind '{kind}'.")
    module_name, trial_class = _TRIALS[kind]
    module = importlib.import_module(module_name)
    places = {} if kind != "dataset" else {"path": path}
    trial = getattr(module, trial_class)(plugin, settings, **places)
    advise = getattr(module, "advise", lambda error: "")
    checks: dict[Any, Check] = {}
    for function in module.CHECKS:
        if slow or function not in module.SLOW:
            # What others need comes before them.
            needs = checks.get(module.NEEDS.get(function))
            about = _sentence(function)
            checks[function] = Check(
                function.__name__, about, function in module.SLOW, trial, function, needs, advise
            )
    return list(checks.values())


def kinds_of(name: str) -> tuple[Kind, ...]:
    """The kinds of plugin that have a name.

    Raises:
        ConfigError: none has.
    """
    found = tuple(kind for kind, registry in _REGISTRIES.items() if name in registry.offers)
    if not found:
        known = {other for registry in _REGISTRIES.values() for other in registry.names()}
        raise ConfigError(f"Unknown plugin '{name}'{suggest(name, known)}")
    return found


def _sentence(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").splitlines()[0]


def _run_all(checks: list[Check]) -> None:
    failures, not_checked = [], []
    for check in checks:
        try:
            check.run()
        except NotCheckedError:
            not_checked.append(check.name)
        except ConformanceError as error:
            failures.append(str(error))
    if not failures:
        return
    lines = [f"{checks[0].trial.title}: {len(failures)} of {len(checks)} checks failed.", *failures]
    if not_checked:
        lines.append(f"Not checked because of that: {', '.join(not_checked)}.")
    raise ConformanceError("\n".join(lines))
