"""Features of records, batch by batch, of an encoder that was trained before."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lcd_plugin.data.chunks import CHUNK_RECORDS, Chunk, CohortRecipe, RecordResult, shape_chunk
from lcd_plugin.data.parallel import in_order
from lcd_plugin.encoders import JointEncoder, load_encoder
from lcd_plugin.errors import DataError
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.explain.as_trained import check_leads, noted_of, suite_as_trained
from lcd_plugin.explain.records import Records, find_records
from lcd_plugin.pretrain.device import choose_device

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.data.settings import DataSettings
    from lcd_plugin.encoders import RecordEncoder
    from lcd_plugin.pretrain.device import DeviceName

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Features of some records.

    Attributes:
        records: name of each row's record.
        windows: which window of its record a row is; 0 unless records are cut into several.
        patients: of each row, "" where nobody knows.
        features: shape (rows, features).
        left_out: name and reason of the records that cannot be used.
        n_records: records that the batch is of, with those that are left out.
    """

    records: tuple[str, ...]
    windows: tuple[int, ...]
    patients: tuple[str, ...]
    features: NDArray[np.float32]
    left_out: tuple[tuple[str, str], ...]
    n_records: int


@dataclass(frozen=True)
class Embedding:
    """An encoder and the records that it is to read.

    Attributes:
        encoder: maps (batch, leads, time) to (batch, features).
        data: what records are brought to.
        groups: the records.
        device: where to compute.
    """

    encoder: RecordEncoder
    data: DataSettings
    groups: tuple[Records, ...]
    device: torch.device

    @property
    def columns(self) -> list[str]:
        """Names of the features: `V6_63` for one of a lead, `f63` for one of all leads at once."""
        numbers = range(self.encoder.num_features)
        if isinstance(self.encoder, JointEncoder):
            return [f"f{i}" for i in numbers]
        return [f"{lead}_{i}" for lead in self.data.leads for i in numbers]

    @property
    def n_records(self) -> int:
        """All records, with those that will turn out to be unusable."""
        return sum(len(group.names) for group in self.groups)

    def batches(self, jobs: int | None = None) -> Iterator[Batch]:
        """Read, check and shape records as `data prepare` does, and embed them as `run` does.

        Memory does not grow with the number of records.

        Args:
            jobs: processes that read at most; None is one for each core.

        Raises:
            DataError: the encoder gives features that are no finite numbers.
        """
        for group in self.groups:
            recipe = CohortRecipe.of(group.cohort)
            starts = range(0, len(group.names), CHUNK_RECORDS)
            chunks = (group.names[start : start + CHUNK_RECORDS] for start in starts)
            pieces = ((recipe, names, self.data, None) for names in chunks)
            patients = iter(group.patients)
            for chunk in in_order(shape_chunk, pieces, len(starts), jobs):
                yield self._embed(chunk, tuple(islice(patients, len(chunk.results))))

    def _embed(self, chunk: Chunk, patients: tuple[str, ...]) -> Batch:
        features = np.empty((0, len(self.columns)), dtype=np.float32)
        if len(chunk.signals):
            try:
                features = extract_features(self.encoder, chunk.signals, self.device)
            except FloatingPointError as error:
                raise DataError(f"These weights cannot be used: {error}.") from error
        rows = [
            (result.record, window, patient)
            for result, patient in zip(chunk.results, patients, strict=True)
            for window in result.windows
        ]
        records, windows, owners = zip(*rows, strict=True) if rows else ((), (), ())
        unusable = tuple((r.record, _why(r)) for r in chunk.results if not r.windows)
        return Batch(records, windows, owners, features, unusable, len(chunk.results))


def _why(result: RecordResult) -> str:
    return "; ".join(finding.reason for finding, done in result.findings if done == "left out")


def plan_embedding(
    records: Sequence[str],
    encoder: str | Path,
    leads: Sequence[str] | None = None,
    device: DeviceName = "auto",
    assignments: Sequence[str] = (),
) -> Embedding:
    """Find the records and load the encoder; nothing is read yet.

    Args:
        records: as `find_records` takes them.
        encoder: an `encoder.safetensors`.
        leads: leads that the encoder is shown, by name; None is those of its training.
        device: where to compute.
        assignments: `key=value`, such as `data.shorter=pad`.

    Raises:
        ConfigError: a setting or name that is not known, or leads that the encoder cannot read.
        DataError: the encoder's file, a folder or a dataset cannot be read.
    """
    loaded = load_encoder(encoder)
    noted = noted_of(loaded) | ({} if leads is None else {"leads": list(leads)})

    def suite_of(dataset: str | None = None, folder: Path | None = None) -> Suite:
        return suite_as_trained(noted, assignments, dataset, folder)

    data = suite_of().data
    check_leads(loaded, data)
    groups = tuple(find_records(records, suite_of))
    return Embedding(loaded, data, groups, choose_device(device))


def embed(
    records: Sequence[str],
    encoder: str | Path,
    leads: Sequence[str] | None = None,
    device: DeviceName = "auto",
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Features of records, all at once.

    Args:
        records: WFDB records, folders, lists or datasets; see `find_records`.
        encoder: an `encoder.safetensors`.
        leads: leads that the encoder is shown; None is those of its training.
        device: where to compute.

    Returns:
        A table with the columns record, window and patient, and features of shape (rows,
        features). What cannot be used is named on the log and left out.

    Raises:
        ConfigError: see `plan_embedding`.
        DataError: see there, or no record is left.
    """
    planned = plan_embedding(records, encoder, leads, device)
    batches = list(planned.batches())
    for name, reason in (entry for batch in batches for entry in batch.left_out):
        log.warning("record %s is left out: %s", name, reason)
    table = pd.DataFrame(
        {
            "record": [name for batch in batches for name in batch.records],
            "window": [number for batch in batches for number in batch.windows],
            "patient": [name for batch in batches for name in batch.patients],
        }
    )
    if table.empty:
        raise DataError(f"None of {planned.n_records} records can be used; the log says why.")
    return table, np.concatenate([batch.features for batch in batches])
