"""Computing a unit, in whichever process: what it comes to is told, and nothing is raised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lcd_plugin.bench.evaluation import Evaluator
from lcd_plugin.bench.executors.messages import (
    Advanced,
    Computed,
    Over,
    Prepared,
    Said,
    Send,
    Started,
)
from lcd_plugin.bench.faults import Fault, fault_of
from lcd_plugin.bench.own_state import AttemptError, attempt
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.pretraining import compute_pretraining
from lcd_plugin.bench.provenance import environment, machine
from lcd_plugin.bench.results import CellResult
from lcd_plugin.bench.units import Unit
from lcd_plugin.pretrain.job import PretrainingStopped


class Workbench:
    """All that is needed to compute the units of a plan one after another.

    Args:
        plan: what its cells are computed from.
        root: folder with `pretrain/<key>`, where encoders are and checkpoints go.
        device: where to compute.
        stop: whether what is under way should be saved and ended.
    """

    def __init__(
        self, plan: Plan, root: Path, device: torch.device, stop: Callable[[], bool]
    ) -> None:
        self._plan, self._root, self._device, self._stop = plan, root, device, stop
        self._evaluator = Evaluator(plan, root / "pretrain", device)
        # Of the process that computes, which need not be that of the run.
        self._origin = {
            "machine": machine(device, torch.get_num_threads()),
            "environment": environment(),
        }

    def compute(self, unit: Unit, send: Send) -> None:
        """Compute a unit and say what comes of it; the last is `Over`."""
        with _heard(unit.cells[0].key, send):
            first = unit.cells[0]
            if isinstance(first, PretrainCell):
                fault = self._pretrain(first, send)
            else:
                cells = [cell for cell in unit.cells if isinstance(cell, EvaluateCell)]
                fault = self._evaluate(cells, send)
        send(Over(fault))

    def _pretrain(self, cell: PretrainCell, send: Send) -> Fault | None:
        # Features of another encoder would stand in the way of the training.
        self._evaluator.forget()
        send(Started(cell.key))
        try:
            result, files = attempt(
                lambda: compute_pretraining(
                    cell,
                    self._plan,
                    self._device,
                    self._root / "pretrain" / cell.key,
                    lambda epoch: send(Advanced(cell.key, epoch)),
                    self._stop,
                )
            )
        except AttemptError as failure:
            if isinstance(failure.error, PretrainingStopped):
                return Fault("stopped", "interrupted")
            return fault_of(failure)
        send(Computed(cell.key, self._with_origin(result), files))
        return None

    def _evaluate(self, cells: list[EvaluateCell], send: Send) -> Fault | None:
        send(Started(cells[0].key))
        try:
            exam = attempt(lambda: self._evaluator.prepare(cells))
        except AttemptError as failure:  # of the encoder, and so of all of its scores
            return fault_of(failure, whole=True)
        send(Prepared(cells[0].key))
        computed = self._evaluator.compute(exam)
        for number, planned in enumerate(cells):
            if self._stop():
                return Fault("stopped", "interrupted")
            if number:
                send(Started(planned.key))
            try:
                cell, result, files = attempt(lambda: next(computed))
            except AttemptError as failure:
                return fault_of(failure)
            send(Computed(cell.key, self._with_origin(result), files))
        return None

    def _with_origin(self, result: CellResult) -> CellResult:
        return result.model_copy(update={"provenance": self._origin})


@contextmanager
def _heard(key: str, send: Send) -> Iterator[None]:
    """Pass on what is logged meanwhile as said by a cell."""

    class Passing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            send(Said(key, record.levelno, self.format(record)))

    handler = Passing(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
