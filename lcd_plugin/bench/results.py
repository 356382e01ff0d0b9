"""Results on disk: one folder a cell, its result.json written last and whole."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lcd_plugin.files import write_whole
from lcd_plugin.json_number import Number

# Raise it when the meaning of a result changes: older results are then computed anew.
SCHEMA = 1
# Files of a cell: its result, and what a pretraining and an evaluation have beside theirs.
RESULT = "result.json"
ENCODER, HISTORY, PREDICTIONS = "encoder.safetensors", "history.csv", "predictions.npz"


class CellResult(BaseModel):
    """What both kinds of cell record.

    Attributes:
        status: `failed` has an `error` and no numbers.
        identity: everything that can change the numbers; `key` is its hash.
        phases: wall-time in s by phase.
        files: SHA-256 of the files beside this one.
        provenance: versions, machine, git state, command line, times.
        error: what failed, and the end of its traceback.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    status: Literal["complete", "failed"] = "complete"
    key: str
    identity: dict[str, Any]
    phases: dict[str, float] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    traceback: str | None = None

    @property
    def wall_s(self) -> float:
        """Sum of the phases in s."""
        return sum(self.phases.values())


class SnapshotEntry(BaseModel):
    """The encoder of a pretraining under way, in a file of its own.

    Attributes:
        share: of the pretraining budget.
        epoch, updates, records: done so far.
        seconds: wall-time of a pretraining that had ended here, all phases counted.
        file: its encoder file, beside the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    epoch: int
    updates: int
    records: int
    seconds: float
    file: str


class PretrainResult(CellResult):
    """A pretraining.

    Attributes:
        updates: optimiser updates.
        records_per_s: records that one second of training steps takes in; None without steps.
        data_wait_share: share of the steps' time in which they waited for records.
        peak_memory_mb: largest memory of the process or GPU.
        final_loss: mean loss of the last epoch.
        engine: how it was computed, see `HowComputed`.
        snapshots: encoders under way, in the order of their shares.
    """

    updates: int = 0
    records_per_s: float | None = None
    data_wait_share: float | None = None
    peak_memory_mb: float | None = None
    final_loss: float | None = None
    engine: dict[str, Any] = Field(default_factory=dict)
    snapshots: tuple[SnapshotEntry, ...] = ()


class EvaluateResult(CellResult):
    """The scores of an encoder on a task with the labels of one subset.

    Attributes:
        n_labels: labelled training records used.
        n_validation, n_test: labelled records of the other parts.
        classes: class names, in the order of `per_class`.
        macro: metric -> mean over classes, on the test records.
        validation_macro: the same on the validation records, where settings are to be chosen.
        per_class: metric -> one value a class; None where the test has no positive.
        chosen: what validation chose.
    """

    n_labels: int = 0
    n_validation: int = 0
    n_test: int = 0
    classes: tuple[str, ...] = ()
    macro: dict[str, Number] = Field(default_factory=dict)
    validation_macro: dict[str, Number] = Field(default_factory=dict)
    per_class: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    chosen: dict[str, Any] = Field(default_factory=dict)


R = TypeVar("R", bound=CellResult)


def key_of(identity: dict[str, Any]) -> str:
    """Hash of an identity, independent of the order of its keys."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_result(folder: Path, result: R, files: dict[str, bytes]) -> R:
    """Write a cell: its files first, then the result that vouches for them."""
    for name, content in files.items():
        write_whole(folder / name, content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    result = result.model_copy(update={"files": sums})
    write_whole(folder / RESULT, result.model_dump_json(indent=1).encode())
    return result


def read_result(folder: Path, kind: type[R]) -> R | None:
    """The result of a cell, or None where there is none that can be relied on."""
    try:
        result = kind.model_validate_json((folder / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None
    if result.schema_version != SCHEMA or key_of(result.identity) != result.key:
        return None
    return result if _files_are_whole(folder, result.files) else None


def _files_are_whole(folder: Path, sums: dict[str, str]) -> bool:
    try:
        return all(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
            for name, checksum in sums.items()
        )
    except OSError:
        return False


def pack_arrays(**arrays: NDArray[Any]) -> bytes:
    """Arrays as the bytes of a compressed npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
