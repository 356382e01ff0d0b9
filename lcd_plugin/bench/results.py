"""Results on disk: one folder a cell, its result.json written last and whole."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import from_json

from lcd_plugin.files import read_limited, write_whole
from lcd_plugin.json_number import Number

# Raise it when the meaning of a result changes: older results are then computed anew.
SCHEMA = 1
# Files of a cell: its result, and what a pretraining and an evaluation have beside theirs.
RESULT = "result.json"
ENCODER, HISTORY, PREDICTIONS = "encoder.safetensors", "history.csv", "predictions.npz"
# Bytes of a result.json that are read; real ones have some thousands.
MOST_OF_RESULT = 2**24

# Both become paths, and a result may be anybody's: nothing that could lead out of a folder.
Key: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
FileName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=128)
]

# What an exception says can hold names of files that are no Unicode, which no JSON can.
Message: TypeAlias = Annotated[
    str, AfterValidator(lambda text: text.encode(errors="backslashreplace").decode())
]


class CellResult(BaseModel):
    """What both kinds of cell record.

    Attributes:
        status: `failed` has an `error` and no numbers.
        identity: everything that can change the numbers; `key` is its hash.
        phases: wall-time in s by phase.
        files: SHA-256 of the files beside this one.
        sizes: bytes of each of `files`.
        provenance: versions, machine, git state, command line, times.
        error: what failed, and the end of its traceback.
        transient: whether it failed for what may have passed when it is next tried.
        seal: see `seal_of`; None in results from before there were seals, which have no sizes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    status: Literal["complete", "failed"] = "complete"
    key: Key
    identity: dict[str, Any]
    phases: dict[str, float] = Field(default_factory=dict)
    files: dict[FileName, str] = Field(default_factory=dict)
    sizes: dict[FileName, int] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    error: Message | None = None
    traceback: Message | None = None
    transient: bool = False
    seal: str | None = None

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
    file: FileName


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


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def key_of(identity: dict[str, Any]) -> str:
    """Hash of an identity, independent of the order of its keys."""
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()[:16]


def seal_of(document: Mapping[str, Any]) -> str:
    """Hash of all that a result says, by which one that was changed by hand is recognised.

    Args:
        document: its JSON as it was parsed. Its seal is not part of it, nor are the order of its
            keys and the space between them.
    """
    said = {name: value for name, value in document.items() if name != "seal"}
    return hashlib.sha256(_canonical(said).encode()).hexdigest()


def check_seal(text: bytes | str) -> bool:
    """Whether a result.json is as it was written, or from before there were seals."""
    try:
        return _has_its_seal(from_json(text))
    except (ValueError, RecursionError):
        return False


def _has_its_seal(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    if document.get("seal") is None:
        # Of what is sealed nothing can be taken away, the seal included.
        return "sizes" not in document
    return bool(document["seal"] == seal_of(document))


def write_result(folder: Path, result: R, files: dict[str, bytes]) -> R:
    """Write a cell: its files first, then the result that vouches for them."""
    for name, content in files.items():
        write_whole(folder / name, content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    sizes = {name: len(content) for name, content in files.items()}
    result = result.model_copy(update={"files": sums, "sizes": sizes})
    result = result.model_copy(update={"seal": seal_of(from_json(result.model_dump_json()))})
    write_whole(folder / RESULT, result.model_dump_json(indent=1).encode())
    return result


def read_result(folder: Path, kind: type[R]) -> R | None:
    """The result of a cell, or None where there is none that can be relied on.

    Its files are read, so that nothing of them can have changed.
    """
    result = _read(folder, kind)
    if result is None or key_of(result.identity) != result.key:
        return None
    return result if _files_are_whole(folder, result.files) else None


def quick_look(folder: Path, kind: type[R], key: str) -> R | None:
    """The result of a planned cell, or None where there is none to go on from.

    What it says is checked. Its files are there and have their sizes, but are not read: many
    thousand cells are looked at in seconds. Those of a result without a seal have no sizes, and
    are read.

    Args:
        folder: of the cell.
        kind: what it computes.
        key: of the cell, as it is planned.
    """
    result = _read(folder, kind)
    if result is None or result.key != key:
        return None
    if result.seal is None:
        whole = key_of(result.identity) == key and _files_are_whole(folder, result.files)
    else:
        whole = _files_have_sizes(folder, result)
    return result if whole else None


def _read(folder: Path, kind: type[R]) -> R | None:
    """What a result.json says, if nobody changed that."""
    try:
        document = from_json(read_limited(folder / RESULT, MOST_OF_RESULT))
        result = kind.model_validate(document) if _has_its_seal(document) else None
    except (OSError, ValueError, RecursionError):
        return None
    return result if result is not None and result.schema_version == SCHEMA else None


def _files_have_sizes(folder: Path, result: CellResult) -> bool:
    if result.sizes.keys() != result.files.keys():
        return False
    try:
        found = {name: (folder / name).stat() for name in result.sizes}
    except OSError:
        return False
    return all(
        stat.S_ISREG(file.st_mode) and file.st_size == result.sizes[name]
        for name, file in found.items()
    )


def _files_are_whole(folder: Path, sums: dict[str, str]) -> bool:
    try:
        return all(_sha256(folder / name) == sums[name] for name in sums)
    except OSError:
        return False


def _sha256(path: Path) -> str | None:
    """Hash of a file; None for a pipe or a device, which could be read for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack_arrays(**arrays: NDArray[Any]) -> bytes:
    """Arrays as the bytes of a compressed npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
