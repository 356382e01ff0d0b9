"""Looking at every record of a dataset: can it be read, is it the release's, is it plausible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lcd_plugin.data.chunks import (
    CHUNK_RECORDS,
    TRIPS,
    CohortRecipe,
    make_cohort,
    read_record,
    source_digest,
)
from lcd_plugin.data.cohort import Cohort, Recording
from lcd_plugin.data.content import content_hash
from lcd_plugin.data.leads import canonical_lead
from lcd_plugin.data.parallel import in_order
from lcd_plugin.data.quality import Finding, inspect_leads, inspect_limb_leads
from lcd_plugin.data.release import ReleaseSums
from lcd_plugin.errors import RecordError

# Findings of files, not of signals: with them a copy is not the dataset.
BROKEN = frozenset({"unreadable", "checksum"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """A record that was looked at; `content` is "" where it could not be read."""

    record: str
    origin: str
    content: str
    findings: tuple[Finding, ...]


def verify(
    cohort: Cohort,
    dataset: str,
    sums: ReleaseSums | None,
    progress: Progress = lambda done, total: None,
    jobs: int | None = None,
) -> list[Verified]:
    """Read every record of a cohort, all of its leads, and say what is wrong with it.

    Args:
        cohort: the dataset.
        dataset: its name.
        sums: checksums of its release, if it came with any.
        progress: called with the number of records done and their total.
        jobs: processes at most; None is one for each core.

    Raises:
        DataError: the cohort has no index.
    """
    table = cohort.index().table
    records = tuple(table["record"])
    origins = table["origin"] if "origin" in table.columns else dataset + "/" + table["record"]
    recipe = CohortRecipe.of(cohort)
    starts = range(0, len(records), CHUNK_RECORDS)
    chunks = (records[start : start + CHUNK_RECORDS] for start in starts)
    pieces = ((recipe, chunk, sums and sums.of(cohort, chunk)) for chunk in chunks)
    looked: list[tuple[str, tuple[Finding, ...]]] = []
    for chunk in in_order(_look, pieces, len(starts), jobs):
        looked += chunk
        progress(len(looked), len(records))
    return [
        Verified(record, origin, content, findings)
        for record, origin, (content, findings) in zip(records, origins, looked, strict=True)
    ]


def copies(datasets: Mapping[str, Iterable[Verified]]) -> list[tuple[str, str, str]]:
    """Records that hold the same recording as an earlier one: (dataset, record, reason)."""
    first: dict[str, str] = {}
    found = []
    for dataset, records in datasets.items():
        for record in records:
            name = f"{dataset} {record.record}"
            known = first.setdefault(record.content, name) if record.content else name
            same = first.setdefault(f"origin {record.origin}", name)
            if known != name:
                found.append((dataset, record.record, f"holds the same samples as {known}"))
            elif same != name:
                found.append((dataset, record.record, f"is the same recording as {same}"))
    return found


def _look(
    recipe: CohortRecipe, records: tuple[str, ...], sums: dict[str, bytes] | None
) -> list[tuple[str, tuple[Finding, ...]]]:
    cohort = make_cohort(recipe)
    return [_look_at(cohort, record, sums) for record in records]


def _look_at(
    cohort: Cohort, record: str, sums: dict[str, bytes] | None
) -> tuple[str, tuple[Finding, ...]]:
    try:
        source_digest(cohort, record, sums)
        recording = read_record(cohort, record)
        return content_hash(recording), tuple(_findings(recording, cohort.physical))
    except RecordError as error:
        return "", (Finding(error.kind, error.lead, str(error)),)
    except TRIPS as error:
        reason = f"cannot be looked at ({type(error).__name__}: {str(error)[:200]})"
        return "", (Finding("unreadable", "", reason),)


def _findings(recording: Recording, physical: bool) -> list[Finding]:
    leads = [canonical_lead(name) for name in recording.leads]
    found = inspect_leads(recording.signal, leads, recording.rate)
    return [*found, *(inspect_limb_leads(recording) if physical else ())]
