"""A dataset under test, with its index and a few of its records."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lcd_plugin.bench.cohorts import find_folder
from lcd_plugin.bench.suite import explain
from lcd_plugin.data.cohort import Cohort, CohortIndex, CohortSettings, Recording
from lcd_plugin.errors import ConfigError, DataError, PluginError, RecordError
from lcd_plugin.plugins import DATASETS
from lcd_plugin.testing.check import fail

RATE = 100.0
# Records that are read, evenly over the index.
READ = 8
CACHE = "LCD_BENCH_CACHE"


class DatasetTrial:
    """A dataset under test.

    Args:
        dataset: its name or its class.
        settings: its settings, checked or not; None is its defaults.
        path: folder of its records; None looks for a registered one in `LCD_BENCH_DATA`.
    """

    def __init__(
        self,
        dataset: str | type[Cohort],
        settings: CohortSettings | Mapping[str, Any] | None = None,
        path: str | Path | None = None,
    ) -> None:
        self._dataset, self._settings, self._path = dataset, settings, path
        self.name = dataset if isinstance(dataset, str) else dataset.__name__
        self.title = f"dataset '{self.name}'"

    def load(self) -> type[Cohort]:
        """The class; see `Trial.load`.

        Raises:
            DataError: there is no folder of records.
        """
        _ = self.folder, self.settings
        return self.cohort_class

    @cached_property
    def cohort_class(self) -> type[Cohort]:
        """The dataset's class."""
        found: Any = self._dataset
        if isinstance(found, str):
            found = DATASETS.load(found)
        if not (isinstance(found, type) and issubclass(found, Cohort)):
            raise PluginError(
                f"The {self.title} is no class that inherits from lcd_plugin.data.cohort.Cohort."
            )
        return found

    @cached_property
    def folder(self) -> Path | None:
        """Where its records lie; None for a dataset that needs no folder."""
        if isinstance(self._dataset, str):
            spec = DATASETS.spec(self._dataset)
            return find_folder(spec, self._path) if spec.needs_path else None
        if self._path is None:
            return None
        folder = Path(self._path).expanduser()
        if not folder.is_dir():
            raise DataError(f"The {self.title}: there is no folder {folder}.")
        return folder

    @cached_property
    def settings(self) -> CohortSettings:
        """Its settings.

        Raises:
            ConfigError: they are impossible, or one that has no default is missing.
        """
        if isinstance(self._settings, CohortSettings):
            return self._settings
        settings_class = self.cohort_class.settings_class
        try:
            return settings_class.model_validate(dict(self._settings or {}))
        except ValidationError as error:
            raise ConfigError(explain(error, settings_class, f"{self.name}.")) from error

    def surroundings(self) -> AbstractContextManager[None]:
        """See `Trial.surroundings`; only `own_cache` leaves something behind."""
        return nullcontext()

    def make(self) -> Cohort:
        """A cohort that has read nothing yet."""
        return self.cohort_class(self.folder, self.settings, RATE)

    @cached_property
    def cohort(self) -> Cohort:
        """One cohort for all checks."""
        return self.make()

    @cached_property
    def index(self) -> CohortIndex:
        """Its index."""
        return self.cohort.index()

    @cached_property
    def some_records(self) -> list[str]:
        """Names of a few records, evenly over the index."""
        names = list(self.index.table["record"])
        if not names:
            fail("records in the index", "none", "List them in index(); is it the right folder?")
        places = np.linspace(0, len(names) - 1, min(READ, len(names))).astype(int)
        return [names[place] for place in places]

    @cached_property
    def readable(self) -> dict[str, Recording]:
        """Those of them that can be read, by name."""
        found, said = {}, ""
        for name in self.some_records:
            try:
                found[name] = self.cohort.read(name)
            except RecordError as error:
                said = f"{name}: {error}"
        if 2 * len(found) < len(self.some_records):
            fail(
                "records that can be read",
                f"{len(found)} of {len(self.some_records)} ({said})",
                "Look at how read() finds a record's files; RecordError is for single bad ones.",
            )
        return found


@contextmanager
def own_cache() -> Iterator[None]:
    """Prepared stores go to a folder that is gone afterwards."""
    before = os.environ.get(CACHE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[CACHE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[CACHE]
            else:
                os.environ[CACHE] = before
