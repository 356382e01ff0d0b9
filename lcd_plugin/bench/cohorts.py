"""From a dataset's name to its cohort: where its folder is, and its own settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lcd_plugin.bench.suite import Suite, explain
from lcd_plugin.data.cohort import Cohort
from lcd_plugin.errors import ConfigError, DataError, PluginError
from lcd_plugin.plugins import DATASETS, DatasetSpec

DATA = "LCD_BENCH_DATA"


def open_cohort(name: str, suite: Suite) -> Cohort:
    """The cohort of a dataset, with the suite's settings for it.

    Raises:
        ConfigError: a setting that the dataset does not have.
        DataError: the folder is missing.
        PluginError: the dataset cannot be loaded, or is no cohort.
    """
    given = dict(suite.settings.get(name, {}))
    spec = DATASETS.spec(name)
    path = find_folder(spec, given.pop("path", None)) if spec.needs_path else None
    cohort_class = DATASETS.load(name)
    if not (isinstance(cohort_class, type) and issubclass(cohort_class, Cohort)):
        raise PluginError(f"The dataset '{name}' is no lcd_plugin.data.cohort.Cohort.")
    try:
        settings = cohort_class.settings_class.model_validate(given)
    except ValidationError as error:
        raise ConfigError(explain(error, cohort_class.settings_class, f"{name}.")) from error
    return cohort_class(path, settings, suite.data.rate)


def find_folder(spec: DatasetSpec, given: Any = None) -> Path:
    """Where the records of a dataset lie: as given, or in `LCD_BENCH_DATA` by one of its names.

    Raises:
        DataError: nowhere; the sentence says what to do.
    """
    name = spec.name
    root = os.environ.get(DATA)
    if given is not None:
        folder = Path(str(given)).expanduser()
        if not folder.is_dir():
            raise DataError(f"Dataset '{name}': there is no folder {folder}.")
        return folder
    how = f"give {name}=FOLDER (lcd-bench run: -d {name}=FOLDER)" + (
        f", or fetch it with lcd-bench data download {name}" if spec.source else ""
    )
    if root is None:
        raise DataError(
            f"Dataset '{name}' needs the folder of its records: {how}, or set {DATA} to a folder "
            f"that has it by name."
        )
    places = [Path(root).expanduser() / place for place in usual_places(spec)]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(f"Dataset '{name}': there is no folder {' or '.join(map(str, places))}; {how}.")


def usual_places(spec: DatasetSpec) -> tuple[str, ...]:
    """Where a dataset lies in `LCD_BENCH_DATA`: by its name, or where its release has it."""
    released = "/".join(part for part in (spec.folder, spec.part) if part)
    return tuple(dict.fromkeys(place for place in (spec.name, released) if place))
