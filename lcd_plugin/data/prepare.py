"""Records to store: read each once, shape it, leave out what cannot be used, write whole."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock
from pandas.util import hash_pandas_object

from lcd_plugin.data.chunks import CHUNK_RECORDS, CohortRecipe, shape_chunk
from lcd_plugin.data.journal import PartialStore
from lcd_plugin.data.parallel import in_order
from lcd_plugin.data.release import ReleaseSums, changed_tables, find_sums, release_sums
from lcd_plugin.data.splits import check_splits, limit_records
from lcd_plugin.data.store import MANIFEST, QUALITY_COLUMNS, Store, fingerprint_of
from lcd_plugin.data.write_store import write_store
from lcd_plugin.errors import DataError

if TYPE_CHECKING:
    from lcd_plugin.data.cohort import Cohort, CohortIndex
    from lcd_plugin.data.settings import DataSettings

log = logging.getLogger(__name__)

# Raise it when shaping changes: stores of older versions are then made anew.
PREPARE_VERSION = 3

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
    dataset_version: int | str,
    settings: DataSettings,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
    jobs: int | None = None,
) -> Store:
    """Open the store of a cohort under `settings`, making it first if it is not there.

    A preparation that was killed goes on where it was; two at a time wait for each other.

    Args:
        cohort: the dataset.
        dataset: its name.
        dataset_version: version of its spec, for a plugin with that of its code.
        settings: leads, rate, length, normalisation and quality.
        limit: use only so many records, sampled with a fixed seed.
        progress: called with the number of records done and their total.
        jobs: processes that read and shape at most; None is one for each core.

    Returns:
        The store; its `quality` names what was found, its `left_out` what could not be used.

    Raises:
        DataError: the dataset is unusable as a whole.
    """
    index = cohort.index()
    table = index.table if limit is None else limit_records(index.table, limit)
    check_splits(table, dataset)
    identity = {
        "dataset": dataset,
        "dataset_version": dataset_version,
        "cohort_settings": cohort.settings.model_dump(mode="json"),
        "data": settings.model_dump(mode="json"),
        "limit": limit,
    }
    versions = {"prepare": PREPARE_VERSION}
    files = {"files": _stamps(cohort, table), "index": _hash_of(table, index)}
    stamp = fingerprint_of(identity | versions | files)
    folder = cache_folder() / "stores" / f"{dataset}-{stamp[:16]}"
    store = _opened(folder)
    if store is None:
        if _is_there(folder):
            log.warning("The prepared store %s was changed or cut; preparing it anew.", folder)
        partial = folder.with_name(f".{folder.name}.partial")
        lock = folder.with_name(f".{folder.name}.lock")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):
                try:
                    _make(cohort, index, table, identity, settings, folder, partial, progress, jobs)
                finally:
                    with contextlib.suppress(OSError):  # Windows keeps a file that is open
                        lock.unlink()
        except OSError as error:
            raise _not_possible(error, folder.parent) from error
    # Left behind by a process that was killed between moving the store and clearing up.
    PartialStore.clear(folder)
    return store or Store.open(folder)


def _opened(folder: Path) -> Store | None:
    """A store; None where there is none that can be used."""
    if not _is_there(folder):
        return None
    try:
        return Store.open(folder)
    except DataError:
        return None


def _stamps(cohort: Cohort, table: pd.DataFrame) -> list[tuple[str | int, ...]]:
    """Name, size and time of every source file: enough to see a change without reading it."""
    stamps: list[tuple[str | int, ...]] = []
    sums = find_sums(cohort.path)
    for file in [*cohort.sources(table["record"]), *([sums] if sums else [])]:
        try:
            status = file.stat()
        except OSError:
            continue
        # The last of the three changes with permissions, too: what could not be read may be now.
        times = (status.st_mtime_ns, status.st_ctime_ns)
        stamps.append((str(file.absolute()), status.st_size, *times))
    return stamps


def _hash_of(table: pd.DataFrame, index: CohortIndex) -> str:
    """Hash of records, patients, splits, labels and tasks: a store fits one index only."""
    head = repr((list(table.columns), index.tasks)).encode()
    lines = hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(head + lines.tobytes()).hexdigest()


def _is_there(folder: Path) -> bool:
    try:
        return (folder / MANIFEST).is_file()
    except OSError as error:
        raise _not_possible(error, folder.parent) from error


def _not_possible(error: OSError, stores: Path) -> DataError:
    place = str(error.filename or stores)
    if place.startswith(str(stores)) or str(stores).startswith(place):
        return DataError(
            f"No store can be written to {stores} ({error.strerror}); set LCD_BENCH_CACHE to a "
            f"folder with space."
        )
    return DataError(f"{place} cannot be read ({error.strerror}).")


def _make(
    cohort: Cohort,
    index: CohortIndex,
    table: pd.DataFrame,
    identity: dict[str, Any],
    settings: DataSettings,
    folder: Path,
    partial: Path,
    progress: Progress,
    jobs: int | None,
) -> None:
    """Write a store beside its place and move it there when it is whole."""
    if _opened(folder) is not None:
        return  # another process made it while this one waited
    sums = release_sums(cohort.path)
    rows = PartialStore(partial, 2 * len(settings.leads) * settings.samples)
    _shape_all(cohort, tuple(table["record"]), settings, sums, rows, progress, jobs)
    source = hashlib.sha256()
    for path in cohort.tables():
        source.update(path.read_bytes())
    for result in rows.results:
        source.update(result.digest.encode())
    shaped_by = identity | {"prepare": PREPARE_VERSION}
    changed = pd.DataFrame(
        [("", "", "checksum", reason, "kept") for reason in changed_tables(cohort, sums)],
        columns=list(QUALITY_COLUMNS),
    )
    for reason in changed["reason"]:
        log.warning("%s: %s", identity["dataset"], reason)
    try:
        write_store(partial, rows, index, table, identity, shaped_by, source.hexdigest(), changed)
    except DataError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if folder.exists():
        # Without a manifest, or with files that do not fit it, it is no store.
        shutil.rmtree(folder)
    partial.rename(folder)


def _shape_all(
    cohort: Cohort,
    records: tuple[str, ...],
    settings: DataSettings,
    sums: ReleaseSums | None,
    rows: PartialStore,
    progress: Progress,
    jobs: int | None,
) -> None:
    done = len(rows.results)
    if done:
        log.warning("%d of %d records were prepared before", done, len(records))
    progress(done, len(records))
    recipe = CohortRecipe.of(cohort)
    starts = range(done, len(records), CHUNK_RECORDS)
    chunks = (records[start : start + CHUNK_RECORDS] for start in starts)
    pieces = ((recipe, chunk, settings, sums and sums.of(cohort, chunk)) for chunk in chunks)
    for chunk_done in in_order(shape_chunk, pieces, len(starts), jobs):
        rows.append(chunk_done)
        progress(len(rows.results), len(records))
