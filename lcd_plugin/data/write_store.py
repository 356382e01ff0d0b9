"""The files of a store, from what the records came to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from lcd_plugin.data.chunks import RecordResult
from lcd_plugin.data.cohort import SPLITS, CohortIndex
from lcd_plugin.data.journal import PartialStore
from lcd_plugin.data.store import (
    MANIFEST,
    QUALITY,
    QUALITY_COLUMNS,
    SIGNALS,
    TABLE,
    Manifest,
    TaskEntry,
    fingerprint_of,
    sha256_of,
)
from lcd_plugin.errors import DataError
from lcd_plugin.files import write_whole

log = logging.getLogger(__name__)


def write_store(
    folder: Path,
    rows: PartialStore,
    index: CohortIndex,
    table: pd.DataFrame,
    identity: dict[str, Any],
    shaped_by: dict[str, Any],
    source: str,
    changed: pd.DataFrame,
) -> None:
    """Write signals, table, findings and, last, the manifest.

    Args:
        folder: where.
        rows: what the records came to, one result for each line of `table`.
        index: of the cohort, for its tasks.
        table: the records.
        identity: what the manifest says of the dataset and the settings.
        shaped_by: the same with the versions of the code.
        source: hash of all source files.
        changed: findings about the dataset's tables.

    Raises:
        DataError: no record is left.
    """
    dataset = identity["dataset"]
    filled = _fill(table, rows.results, dataset)
    copies = _copies(filled) if identity["data"]["quality"]["duplicate"] == "drop" else pd.Series()
    quality = pd.concat([changed, _quality(rows.results, copies)], ignore_index=True)
    _report(quality, dataset)
    keep = ~filled["record"].isin(copies.index).to_numpy()
    used = filled[keep].reset_index(drop=True)
    if used.empty:
        raise DataError(_nothing_left(dataset, quality))
    rows.write_signals(folder / SIGNALS, keep)
    write_whole(folder / TABLE, used.to_csv(index=False).encode())
    write_whole(folder / QUALITY, quality.to_csv(index=False).encode())
    manifest = Manifest(
        **identity,
        n_records=len(used),
        n_left_out=quality.loc[quality["done"] == "left out", "record"].nunique(),
        tasks=tuple(TaskEntry(name=t.name, classes=t.classes, kind=t.kind) for t in index.tasks),
        source_sha256=source,
        fingerprint=fingerprint_of(
            shaped_by | {"source_sha256": source, "table": sha256_of(folder / TABLE)}
        ),
        checksums={name: sha256_of(folder / name) for name in (SIGNALS, TABLE, QUALITY)},
    )
    write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())


def _fill(table: pd.DataFrame, results: list[RecordResult], dataset: str) -> pd.DataFrame:
    """One line a row of the signals: the index, the window, and what the recording is known by."""
    line = [i for i, result in enumerate(results) for _ in result.windows]
    filled = table.iloc[line].reset_index(drop=True)
    filled.insert(1, "window", [number for result in results for number in result.windows])
    if "origin" not in filled.columns:
        filled["origin"] = dataset + "/" + filled["record"]
    filled["content"] = [results[i].content for i in line]
    return filled


def _copies(filled: pd.DataFrame) -> pd.Series[str]:
    """Records whose samples another record has too, with that record's name.

    Two patient ids for one recording are named as well: they may be one person.

    The one in the part that must stay whole remains: test, then validation, then training.
    """
    records = filled.drop_duplicates("record").sort_values(
        # Without a record a column of texts stays one, and has no negative.
        "split",
        key=lambda split: -split.map(SPLITS.index).astype(int),
        kind="stable",
    )
    first = records.drop_duplicates("content").set_index("content")["record"]
    kept = records["content"].map(first)
    copies = kept[(kept != records["record"]).to_numpy()]
    patient = records.set_index("record")["patient"]
    of = records.loc[copies.index, "record"]
    others = (patient[of].to_numpy() != patient[copies].to_numpy()).tolist()
    named = [
        f"{record} (of patient '{patient[record]}')" if other else record
        for record, other in zip(copies, others, strict=True)
    ]
    return pd.Series(named, index=of, dtype=object)


def _quality(results: list[RecordResult], copies: pd.Series[str]) -> pd.DataFrame:
    """Every finding, in the order of the records."""
    lines: list[tuple[str, ...]] = []
    for result in results:
        for finding, done in result.findings:
            lines.append((result.record, finding.lead, finding.kind, finding.reason, done))
        if result.record in copies.index:
            reason = f"holds the same samples as {copies[result.record]}"
            lines.append((result.record, "", "duplicate", reason, "left out"))
    return pd.DataFrame(lines, columns=list(QUALITY_COLUMNS))


def _report(quality: pd.DataFrame, dataset: str) -> None:
    left_out = quality[quality["done"] == "left out"].drop_duplicates("record")
    for record, reason in left_out[["record", "reason"]].head(5).to_numpy():
        log.warning("%s: record %s is left out: %s", dataset, record, reason)
    if len(left_out) > 5:
        log.warning("%s: %d more records are left out", dataset, len(left_out) - 5)
    others = quality[quality["done"] != "left out"]
    if len(others):
        pairs = others.drop_duplicates(["record", "kind", "done"])
        kinds = (pairs["kind"] + " (" + pairs["done"] + ")").value_counts(sort=False)
        counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        log.warning("%s: records with flaws: %s; quality.csv lists them", dataset, counts)


def _nothing_left(dataset: str, quality: pd.DataFrame) -> str:
    left_out = quality[quality["done"] == "left out"].drop_duplicates("record")
    if left_out.empty:
        return f"Dataset '{dataset}' has no records."
    first = left_out.iloc[0]
    return (
        f"Dataset '{dataset}' has no usable record: all {len(left_out)} were left out, "
        f"the first ({first['record']}) because: {first['reason']}."
    )
