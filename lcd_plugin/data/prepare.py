"""Records to store: read each once, shape it, leave out what cannot be used, write whole."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lcd_plugin.data.signals import shape_recording
from lcd_plugin.data.splits import check_splits, limit_records
from lcd_plugin.data.store import (
    LEFT_OUT,
    MANIFEST,
    SIGNALS,
    TABLE,
    Manifest,
    Store,
    TaskEntry,
    fingerprint_of,
    sha256_of,
)
from lcd_plugin.errors import DataError, RecordError

if TYPE_CHECKING:
    from lcd_plugin.data.cohort import Cohort, CohortIndex
    from lcd_plugin.data.settings import DataSettings

log = logging.getLogger(__name__)

# Raise it when shaping changes: stores of older versions are then made anew.
PREPARE_VERSION = 1

Progress = Callable[[int, int], None]


def cache_folder() -> Path:
    """Where prepared stores are kept: `LCD_BENCH_CACHE`, or the platform's cache folder."""
    given = os.environ.get("LCD_BENCH_CACHE")
    if given:
        return Path(given)
    import pooch

    return Path(pooch.os_cache("lcd-bench"))


def prepare(
    cohort: Cohort,
    dataset: str,
    dataset_version: int,
    settings: DataSettings,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Store:
    """Open the store of a cohort under `settings`, making it first if it is not there.

    Args:
        cohort: the dataset.
        dataset: its name.
        dataset_version: version of its spec.
        settings: leads, rate, length and normalisation.
        limit: use only so many records, sampled with a fixed seed.
        progress: called with the number of records done and their total.

    Returns:
        The store; its `left_out` names the records that could not be used.

    Raises:
        DataError: the dataset is unusable as a whole.
    """
    index = cohort.index()
    table = index.table if limit is None else limit_records(index.table, limit)
    identity = {
        "prepare": PREPARE_VERSION,
        "dataset": dataset,
        "dataset_version": dataset_version,
        "cohort_settings": cohort.settings.model_dump(mode="json"),
        "data": settings.model_dump(mode="json"),
        "limit": limit,
    }
    stamp = fingerprint_of(identity | {"files": _stamps(cohort, table)})
    folder = cache_folder() / "stores" / f"{dataset}-{stamp[:16]}"
    if not (folder / MANIFEST).is_file():
        try:
            _make(cohort, index, table, identity, settings, folder, progress)
        except OSError as error:
            raise DataError(
                f"No store can be written to {folder.parent} ({error.strerror}); "
                f"set LCD_BENCH_CACHE to a folder with space."
            ) from error
    return Store.open(folder)


def _stamps(cohort: Cohort, table: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Name, size and time of every source file: enough to see a change without reading it."""
    files = [*cohort.tables(), *(f for record in table["record"] for f in _files(cohort, record))]
    stamps = []
    for file in files:
        status = file.stat()
        stamps.append((str(file.resolve()), status.st_size, status.st_mtime_ns))
    return stamps


def _files(cohort: Cohort, record: str) -> tuple[Path, ...]:
    try:
        return cohort.files(record)
    except RecordError:
        return ()


def _make(
    cohort: Cohort,
    index: CohortIndex,
    table: pd.DataFrame,
    identity: dict[str, Any],
    settings: DataSettings,
    folder: Path,
    progress: Progress,
) -> None:
    """Write a store beside its place and move it there when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        source = hashlib.sha256()
        for path in cohort.tables():
            source.update(path.read_bytes())
        kept, left_out = _write_signals(cohort, table, settings, workplace, source, progress)
        _report(left_out, identity["dataset"])
        if not kept:
            raise DataError(_nothing_left(identity["dataset"], left_out))
        used = table.iloc[kept].reset_index(drop=True)
        check_splits(used, identity["dataset"])
        used.to_csv(workplace / TABLE, index=False)
        pd.DataFrame(left_out, columns=["record", "reason"]).to_csv(
            workplace / LEFT_OUT, index=False
        )
        identity = {k: v for k, v in identity.items() if k != "prepare"}
        content = {"source_sha256": source.hexdigest(), "records": list(used["record"])}
        manifest = Manifest(
            **identity,
            n_records=len(used),
            n_left_out=len(left_out),
            tasks=tuple(
                TaskEntry(name=t.name, classes=t.classes, kind=t.kind) for t in index.tasks
            ),
            source_sha256=source.hexdigest(),
            fingerprint=fingerprint_of(identity | content | {"prepare": PREPARE_VERSION}),
            checksums={name: sha256_of(workplace / name) for name in (SIGNALS, TABLE, LEFT_OUT)},
        )
        (workplace / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        _settle(workplace, folder)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _write_signals(
    cohort: Cohort,
    table: pd.DataFrame,
    settings: DataSettings,
    workplace: Path,
    source: Any,
    progress: Progress,
) -> tuple[list[int], list[tuple[str, str]]]:
    kept: list[int] = []
    left_out: list[tuple[str, str]] = []
    with (workplace / SIGNALS).open("wb") as file:
        for row, record in enumerate(table["record"]):
            try:
                for content in _contents(cohort, record):
                    source.update(content)
                signal = shape_recording(cohort.read(record), settings)
            except RecordError as error:
                left_out.append((record, str(error)))
            else:
                file.write(signal.tobytes())
                kept.append(row)
            progress(row + 1, len(table))
    return kept, left_out


def _contents(cohort: Cohort, record: str) -> list[bytes]:
    try:
        return [path.read_bytes() for path in _files(cohort, record)]
    except OSError as error:
        raise RecordError(f"not readable ({error.strerror})") from error


def _settle(workplace: Path, folder: Path) -> None:
    try:
        workplace.rename(folder)
    except OSError:
        # Another process was quicker with the same store, or an unusable one lies there.
        if (folder / MANIFEST).is_file():
            return
        shutil.rmtree(folder, ignore_errors=True)
        workplace.rename(folder)


def _report(left_out: list[tuple[str, str]], dataset: str) -> None:
    for record, reason in left_out[:5]:
        log.warning("%s: record %s is left out: %s", dataset, record, reason)
    if len(left_out) > 5:
        log.warning("%s: %d more records are left out", dataset, len(left_out) - 5)


def _nothing_left(dataset: str, left_out: list[tuple[str, str]]) -> str:
    if not left_out:
        return f"Dataset '{dataset}' has no records."
    record, reason = left_out[0]
    return (
        f"Dataset '{dataset}' has no usable record: all {len(left_out)} were left out, "
        f"the first ({record}) because: {reason}."
    )
