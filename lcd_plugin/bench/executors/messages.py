"""What is said of a unit while it is computed, and how it travels: JSON and bytes, no pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.results import CellResult, EvaluateResult, PretrainResult
from lcd_plugin.bench.units import Unit
from lcd_plugin.pretrain.job import EpochDone


@dataclass(frozen=True)
class Started:
    """Work on a cell has begun."""

    key: str


@dataclass(frozen=True)
class Prepared:
    """What the cells of a unit have in common is there, as its first one was told."""

    key: str


@dataclass(frozen=True)
class Advanced:
    """A pretraining has done an epoch."""

    key: str
    epoch: EpochDone


@dataclass(frozen=True)
class Said:
    """A cell logged or printed something.

    Attributes:
        level: of the log record, as `logging` numbers it; 0 is what was printed.
        text: what it said.
    """

    key: str
    level: int
    text: str


@dataclass(frozen=True)
class Computed:
    """A cell has its result.

    Attributes:
        result: whose provenance has the machine that it was computed on.
        files: the files that belong to it, by name.
    """

    key: str
    result: CellResult
    files: dict[str, bytes]


@dataclass(frozen=True)
class Over:
    """Work on a unit has ended.

    Attributes:
        fault: why, if some of its cells have no result; None if all have.
    """

    fault: Fault | None = None


Message = Started | Prepared | Advanced | Said | Computed | Over
Send = Callable[[Message], None]
_PLAIN: dict[str, type[Started] | type[Prepared] | type[Said]] = {
    "Started": Started,
    "Prepared": Prepared,
    "Said": Said,
}


def pack(message: Message) -> list[bytes]:
    """A message as a line of JSON and the contents of its files."""
    kind = type(message).__name__
    if isinstance(message, Computed):
        trained = isinstance(message.result, PretrainResult)
        head = {"key": message.key, "trained": trained, "files": list(message.files)}
        text = message.result.model_dump_json().encode()
        return [_line(kind, head), text, *message.files.values()]
    return [_line(kind, asdict(message))]


def unpack(parts: Sequence[bytes]) -> Message:
    """The message that was packed into these parts."""
    head: dict[str, Any] = json.loads(parts[0])
    kind = head.pop("message")
    if kind == "Computed":
        model = PretrainResult if head["trained"] else EvaluateResult
        files = dict(zip(head["files"], parts[2:], strict=True))
        return Computed(head["key"], model.model_validate_json(parts[1]), files)
    if kind == "Advanced":
        return Advanced(head["key"], EpochDone(*head["epoch"]))
    if kind == "Over":
        return Over(Fault(**head["fault"]) if head["fault"] else None)
    return _PLAIN[kind](**head)


def _line(kind: str, head: dict[str, Any]) -> bytes:
    return json.dumps({"message": kind, **head}).encode()


def pack_unit(unit: Unit) -> bytes:
    """A unit as JSON."""
    own = [{f.name: getattr(cell, f.name) for f in fields(cell) if f.init} for cell in unit.cells]
    return json.dumps({"pretraining": unit.pretraining, "cells": own}).encode()


def unpack_unit(content: bytes) -> Unit:
    """The unit that was packed."""
    document = json.loads(content)
    kind: type[Cell] = PretrainCell if document["pretraining"] else EvaluateCell
    return Unit(tuple(kind(**own) for own in document["cells"]))
