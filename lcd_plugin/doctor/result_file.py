"""The result of a cell: whether it is one, of this cell, and as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lcd_plugin.bench.results import MOST_OF_RESULT, RESULT, SCHEMA, CellResult, check_seal, key_of
from lcd_plugin.doctor.findings import Severity
from lcd_plugin.files import read_limited
from lcd_plugin.report.read_cells import (
    OtherSchemaError,
    R,
    UnreadableError,
    read_cell,
)


@dataclass(frozen=True)
class Damage:
    """Something wrong with the result of a cell.

    Attributes:
        kind, severity, message: as in `Finding`.
        file: in the folder of the cell; "" for all of it.
        spoils: whether the result cannot be used.
    """

    kind: str
    message: str
    file: str = RESULT
    severity: Severity = "problem"
    spoils: bool = True


def examine_result(folder: Path, model: type[R]) -> tuple[R | None, list[Damage]]:
    """The result in a folder, as far as it can be read, and what is wrong with it."""
    try:
        content = read_limited(folder / RESULT, MOST_OF_RESULT)
        result = model.model_validate_json(content)
        if result.schema_version != SCHEMA:
            raise OtherSchemaError(result.schema_version)
    except OSError as error:
        return None, [Damage("unreadable", f"cannot be read ({error.strerror})")]
    except (ValidationError, OtherSchemaError):
        return None, [_in_words(folder, model)]
    if not check_seal(content):
        return None, [_changed("its seal does not fit what it says")]
    if key_of(result.identity) != result.key:
        return None, [_changed("its key is not that of the settings that it names")]
    if result.key != folder.name:
        message = f"the result of another cell, {result.key}, lies in this folder"
        return None, [Damage("misplaced", message)]
    return result, []


def _changed(why: str) -> Damage:
    return Damage("changed", f"was changed by hand, or damaged: {why}")


def _in_words(folder: Path, model: type[CellResult]) -> Damage:
    """What a report says of a result that it cannot read."""
    try:
        read_cell(folder, model)
    except OtherSchemaError as error:
        return Damage("other-schema", str(error), severity="note", spoils=False)
    except UnreadableError as error:
        return Damage("unreadable", str(error).removeprefix(f"{RESULT} "))
    return Damage("unreadable", "is none of lcd-bench")
