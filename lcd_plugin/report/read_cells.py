"""Reading the files of one cell, with words for what is wrong with them."""

from __future__ import annotations

import csv
import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from lcd_plugin.bench.results import (
    HISTORY,
    MOST_OF_RESULT,
    PREDICTIONS,
    RESULT,
    SCHEMA,
    CellResult,
    EvaluateResult,
    PretrainResult,
    key_of,
)
from lcd_plugin.files import read_limited

# Bytes that are read of one file, or of one array; real ones are far below.
MOST = 2**30
# Arrays of predictions with the kinds of number that they may hold; no kind is that of objects,
# which could execute code.
ARRAYS = {"patients": "U", "rows": "iu", "targets": "iu", "scores": "f", "thresholds": "f"}
RECORDS = ("patients", "rows", "targets")
COLUMNS = ("epoch", "loss", "embedding_std")

R = TypeVar("R", bound=CellResult)
KnownArrays: TypeAlias = dict[tuple[Any, ...], NDArray[Any]]


class UnreadableError(Exception):
    """A file is not what a run writes; the message goes on from the name of its cell."""


class OtherSchemaError(UnreadableError):
    """A result of a version of the format that is not this program's.

    Args:
        found: that version.
    """

    def __init__(self, found: int) -> None:
        if found > SCHEMA:
            super().__init__(f"{RESULT} is of schema {found}: update lcd-bench to read it")
        else:
            super().__init__(f"{RESULT} is of schema {found}, now {SCHEMA}: run it again")
        self.found = found


class _Head(BaseModel):
    """What a result of any schema has."""

    model_config = ConfigDict(extra="ignore", strict=True)

    schema_version: int
    key: str
    identity: dict[str, Any]


def read_cell(folder: Path, kind: type[R]) -> R | None:
    """The result in a cell's folder, or None where it was not computed yet.

    The files beside it are checked when they are read: a report needs no encoders, so that results
    can be passed on without them.

    Raises:
        UnreadableError: there is something else.
    """
    try:
        content = _read(folder / RESULT)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UnreadableError("a file stands in place of its folder") from None
    try:
        result = kind.model_validate_json(content)
    except ValidationError as error:
        raise _not_a_result(content, error) from None
    if result.schema_version != SCHEMA:
        raise OtherSchemaError(result.schema_version)
    if result.key != folder.name or key_of(result.identity) != result.key:
        raise UnreadableError(f"{RESULT} was changed, or is of another cell")
    if not _has_needed(result):
        raise UnreadableError(f"{RESULT} does not say where its numbers come from")
    return result


def read_identity(folder: Path) -> dict[str, Any] | None:
    """The identity of a result of any kind and version; None where there is no result.

    Raises:
        UnreadableError: there is something else.
    """
    try:
        content = _read(folder / RESULT)
        return _Head.model_validate_json(content).identity
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UnreadableError("a file stands in place of its folder") from None
    except ValidationError as error:
        raise _not_a_result(content, error) from None


def _not_a_result(content: bytes, error: ValidationError) -> UnreadableError:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return UnreadableError(f"{RESULT} is no JSON, or only a part of it")
    try:
        head = _Head.model_validate_json(content)
    except ValidationError:
        return UnreadableError(f"{RESULT} is none of lcd-bench")
    if head.schema_version != SCHEMA:
        return OtherSchemaError(head.schema_version)
    where = ".".join(map(str, first["loc"]))
    return UnreadableError(f"{RESULT} is not as lcd-bench writes it: {where}: {first['msg']}")


def _has_needed(result: CellResult) -> bool:
    """Whether an identity holds what reports read of it."""
    if result.status == "failed":
        return True
    origin = result.provenance
    if not isinstance(origin.get("machine", {}), dict):
        return False
    if not isinstance(origin.get("finished", ""), str):
        return False
    if not isinstance(origin.get("argv", []), list):
        return False
    if isinstance(result, PretrainResult) and result.snapshots:
        budget = result.identity.get("pretrain")
        return isinstance(budget, dict) and isinstance(budget.get("batch_size"), int)
    return not isinstance(result, EvaluateResult) or "data" in result.identity


def _read(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        FileNotFoundError, NotADirectoryError: it is not there.
        UnreadableError: it cannot be read.
    """
    try:
        return read_limited(path, MOST_OF_RESULT if path.name == RESULT else MOST)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise UnreadableError(f"{path.name}: {error.strerror}") from None


def _read_vouched(folder: Path, name: str, result: CellResult) -> bytes:
    """The bytes of a file that a result vouches for."""
    try:
        content = _read(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableError(f"{name} is missing") from None
    if hashlib.sha256(content).hexdigest() != result.files.get(name):
        raise UnreadableError(f"{name} was changed, or is only a part of it")
    return content


def read_predictions(
    folder: Path, result: EvaluateResult, known: KnownArrays
) -> dict[str, NDArray[Any]]:
    """The arrays of `Scored`.

    Args:
        folder: of the cell.
        result: of the cell.
        known: arrays of the test records that were read before, which most results of a run have
            in common; new ones are added.

    Raises:
        UnreadableError: they are not what the result says, or some scores are no numbers.
    """
    content = _read_vouched(folder, PREDICTIONS, result)
    records, classes = result.n_test, len(result.classes)
    shapes = {"targets": (records, classes), "scores": (records, classes), "thresholds": (classes,)}
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            for name in ARRAYS:
                shape = shapes.get(name, (records,))
                if name not in RECORDS:
                    found[name] = _read_array(file, name, shape)
                    continue
                key = (name, shape, _compressed(file, name, content))
                if key not in known:
                    known[key] = _read_array(file, name, shape)
                found[name] = known[key]
    except UnreadableError:
        raise
    # What a damaged archive can raise is no closed list: of zipfile, of zlib, and of the decoders.
    except Exception as error:
        raise UnreadableError(f"{PREDICTIONS} is no archive of arrays: {error}") from None
    for name in ("scores", "thresholds"):
        if not np.isfinite(found[name]).all():
            raise UnreadableError(f"{PREDICTIONS}: some of its {name} are not a number")
    targets = found["targets"]
    if ((targets != 0) & (targets != 1)).any():
        raise UnreadableError(f"{PREDICTIONS}: some of its targets are neither 0 nor 1")
    return found


def _compressed(file: zipfile.ZipFile, name: str, content: bytes) -> tuple[Any, ...]:
    """All that an array of an archive is made from: equal for equal arrays of one writer."""
    entry = file.getinfo(f"{name}.npy")
    # A local header is 30 bytes, which end in the lengths of the name and of what is between it and
    # the data (section 4.3.7 of the format's specification, APPNOTE).
    lengths = content[entry.header_offset + 26 : entry.header_offset + 30]
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", lengths))
    return (
        entry.compress_type,
        entry.flag_bits,
        entry.file_size,
        entry.CRC,
        content[start : start + entry.compress_size],
    )


def _read_array(file: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of an archive; its size is checked before any memory is taken for it."""
    entry = file.getinfo(f"{name}.npy")
    with file.open(entry) as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        found, fortran, dtype = header(stream)
        if dtype.kind not in ARRAYS[name] or found != shape:
            raise UnreadableError(
                f"{PREDICTIONS}: {name} is {dtype} of shape {found}, and not of {shape}"
            )
        size = dtype.itemsize * int(np.prod(shape, dtype=object))
        if size > MOST or entry.file_size > size + 2**16:
            raise UnreadableError(f"{PREDICTIONS}: {name} claims {entry.file_size:,} bytes")
        array = np.frombuffer(stream.read(size), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def read_history(folder: Path, result: PretrainResult) -> dict[str, tuple[float, ...]]:
    """The columns of a training history that a report draws.

    Raises:
        UnreadableError: it is something else.
    """
    content = _read_vouched(folder, HISTORY, result)
    try:
        lines = list(csv.DictReader(io.StringIO(content.decode())))
        if not lines:
            raise ValueError("no epochs")
        return {name: tuple(float(line[name]) for line in lines) for name in COLUMNS}
    except (ValueError, KeyError, TypeError, csv.Error):
        raise UnreadableError(f"{HISTORY} is no history of a pretraining") from None
