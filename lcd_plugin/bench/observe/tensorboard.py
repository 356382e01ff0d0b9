"""TensorBoard: curves of every pretraining, and scores against the number of labels."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from lcd_plugin.bench.observe.lines import kind_of
from lcd_plugin.bench.observe.numbers import history_of, numbers_of, settings_of
from lcd_plugin.bench.results import EvaluateResult

if TYPE_CHECKING:
    from lcd_plugin.bench.events import Cell, CellEvent

FOLDER = "tensorboard"
WRITTEN_EVERY = 5  # seconds


class TensorBoard:
    """Writes `OUT/tensorboard/`, which `tensorboard --logdir` shows, also while the run goes on.

    A pretraining is one of its runs, with the epoch as the step. Evaluations that differ only in
    how many labels they have are one run too, with the number of labels as the step.

    Its own writer is used and not torch's, which does the same and loads more.

    Args:
        out: folder of the run.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._open: dict[str, EventFileWriter] = {}

    def listen(self, event: CellEvent) -> None:
        """Write what happened to a cell."""
        cell = event.cell
        if kind_of(cell) == "evaluate":
            if event.status == "done" and isinstance(event.result, EvaluateResult):
                self._score(cell, event.result)
        elif event.status == "started":
            self._end(cell)
            self._open[cell.key] = self._writer(cell)
        elif cell.key not in self._open:
            return
        elif event.epoch is not None:
            rate = event.epoch.records_per_s
            speed = {} if rate is None else {"records_per_s": rate}
            numbers = {"loss": event.epoch.loss} | speed
            _add(self._open[cell.key], numbers, event.epoch.epoch)
        else:
            if event.status == "done" and event.result is not None:
                self._finish(event)
            self._end(cell)

    def close(self) -> None:
        """Close the files of what is still under way."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _finish(self, event: CellEvent) -> None:
        assert event.result is not None
        writer, epoch = self._open[event.cell.key], 0
        for epoch, numbers in history_of(self._out, event.cell).items():
            _add(writer, {f"history/{name}": value for name, value in numbers.items()}, epoch)
        _add(writer, {f"end/{n}": v for n, v in numbers_of(event.result).items()}, epoch)

    def _score(self, cell: Cell, result: EvaluateResult) -> None:
        writer = self._writer(cell)
        _add(writer, numbers_of(result), result.n_labels)
        writer.close()

    def _end(self, cell: Cell) -> None:
        if (writer := self._open.pop(cell.key, None)) is not None:
            writer.close()

    def _writer(self, cell: Cell) -> EventFileWriter:
        folder = self._out / FOLDER / run_name(cell)
        writer = EventFileWriter(str(folder), flush_secs=WRITTEN_EVERY)
        settings = {name: v for name, v in settings_of(cell).items() if name != "label_fraction"}
        _write(writer, hparams.hparams_pb(settings, trial_id=folder.name), 0)
        return writer


def run_name(cell: Cell) -> str:
    """What the run of a cell is called: readable, and no other's name."""
    parts = [kind_of(cell), cell.method, cell.encoder, cell.dataset]
    if kind_of(cell) == "pretrain":
        own = cell.key
    else:
        parts += [getattr(cell, name) for name in ("task", "protocol", "leads")]
        alike = (getattr(cell, "group", None), getattr(cell, "label_seed", None))
        own = hashlib.sha256(repr(alike).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join([*parts, f"seed{cell.seed}"]))
    return f"{readable[:120]}-{own[:8]}"


def _add(writer: EventFileWriter, numbers: Mapping[str, float], step: int) -> None:
    values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
    _write(writer, Summary(value=values), step)


def _write(writer: EventFileWriter, summary: Summary, step: int) -> None:
    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
