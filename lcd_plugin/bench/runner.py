"""Running a plan: what is complete stays, what fails is recorded, nothing else is lost."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from lcd_plugin.bench.cells import Evaluator, compute_pretraining
from lcd_plugin.bench.datasets import summary
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.provenance import now, provenance
from lcd_plugin.bench.results import (
    CellResult,
    EvaluateResult,
    PretrainResult,
    read_result,
    write_result,
)
from lcd_plugin.bench.saved_plan import SavedPlan, save_plan
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.errors import ConfigError, LcdBenchError
from lcd_plugin.files import write_whole
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
from lcd_plugin.pretrain.memory import keep_freed_memory

log = logging.getLogger(__name__)

# State of a pretraining that is under way, in the folder of its cell.
CHECKPOINT = "checkpoint.safetensors"

Status = Literal["cached", "done", "failed", "blocked"]
Cell = PretrainCell | EvaluateCell


@dataclass(frozen=True)
class CellEvent:
    """Something happened to a cell.

    Attributes:
        cell: the cell.
        status: `started`, `progress`, or how it ended.
        message: loss and epoch, score, or reason of the failure.
    """

    cell: Cell
    status: Status | Literal["started", "progress"]
    message: str = ""


@dataclass
class RunSummary:
    """How many cells ended how, and why some failed."""

    counts: dict[Status, int] = field(
        default_factory=lambda: {"cached": 0, "done": 0, "failed": 0, "blocked": 0}
    )
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every cell has its result."""
        return not self.failures and not self.counts["blocked"]


class Runner:
    """Computes the cells of a plan one by one.

    Args:
        plan: what to compute.
        out: folder of the results.
        device: where to compute.
        retry_failed: whether cells that failed before are tried again.
        fail_fast: whether the first failure ends the run.
        listen: called with every `CellEvent`.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        device: torch.device,
        *,
        retry_failed: bool = False,
        fail_fast: bool = False,
        listen: Callable[[CellEvent], None] = lambda event: None,
    ) -> None:
        self._plan = plan
        self._out = out
        self._device = device
        self._retry_failed = retry_failed
        self._fail_fast = fail_fast
        self._listen = listen
        self._provenance = provenance(device, torch.get_num_threads())

    def run(self) -> RunSummary:
        """Compute what is not complete.

        Raises:
            ConfigError: the folder of the results cannot be written.
        """
        self._save_plan()
        keep_freed_memory()
        outcome = RunSummary()
        outcome.failures += list(self._plan.unavailable.items())
        evaluator = Evaluator(self._plan, self._out / "pretrain", self._device)
        for cell in self._in_order():
            status = self._compute(cell, evaluator, outcome)
            outcome.counts[status] += 1
            if status == "failed" and self._fail_fast:
                break
        return outcome

    def _in_order(self) -> list[Cell]:
        """Each pretraining with its evaluations behind it: early scores, features used at once."""
        order: list[Cell] = []
        for pretraining in self._plan.pretrain:
            order.append(pretraining)
            order += [c for c in self._plan.evaluate if c.pretrain_key == pretraining.key]
        return order + [c for c in self._plan.evaluate if c.pretrain_key is None]

    def _compute(self, cell: Cell, evaluator: Evaluator, outcome: RunSummary) -> Status:
        before = stored_result(self._out, cell)
        if before is not None and (before.status == "complete" or not self._retry_failed):
            return self._known(cell, before, outcome)
        if isinstance(cell, EvaluateCell) and not self._encoder_is_there(cell):
            self._listen(CellEvent(cell, "blocked", "its pretraining failed"))
            return "blocked"
        self._listen(CellEvent(cell, "started"))
        started = now()
        try:
            result, files = self._work(cell, evaluator)
        except Exception as error:  # a cell's failure is a result too, and no other cell's affair
            return self._failed(cell, error, started, outcome)
        result = result.model_copy(update={"provenance": self._origin(cell, started)})
        self._write(cell, result, files)
        (cell_folder(self._out, cell) / CHECKPOINT).unlink(missing_ok=True)
        self._listen(CellEvent(cell, "done", _headline(result)))
        return "done"

    def _work(self, cell: Cell, evaluator: Evaluator) -> tuple[CellResult, dict[str, bytes]]:
        if isinstance(cell, EvaluateCell):
            return evaluator.compute(cell)
        return compute_pretraining(
            cell,
            self._plan,
            self._device,
            cell_folder(self._out, cell) / CHECKPOINT,
            lambda message: self._listen(CellEvent(cell, "progress", message)),
        )

    def _known(self, cell: Cell, result: CellResult, outcome: RunSummary) -> Status:
        if result.status == "complete":
            # Left by a run that was killed between the two.
            (cell_folder(self._out, cell) / CHECKPOINT).unlink(missing_ok=True)
            self._listen(CellEvent(cell, "cached", _headline(result)))
            return "cached"
        reason = f"{result.error} (failed before; --retry-failed tries again)"
        outcome.failures.append((cell.title, reason))
        self._listen(CellEvent(cell, "failed", reason))
        return "failed"

    def _failed(self, cell: Cell, error: Exception, started: str, outcome: RunSummary) -> Status:
        known = isinstance(error, LcdBenchError)  # these are sentences already
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        log.debug("%s failed", cell.title, exc_info=error)
        kind = PretrainResult if isinstance(cell, PretrainCell) else EvaluateResult
        result = kind(
            status="failed",
            key=cell.key,
            identity=cell.identity,
            error=reason,
            traceback="".join(traceback.format_exception(error))[-4000:],
            provenance=self._origin(cell, started),
        )
        self._write(cell, result, {})
        outcome.failures.append((cell.title, reason))
        self._listen(CellEvent(cell, "failed", reason))
        return "failed"

    def _write(self, cell: Cell, result: CellResult, files: dict[str, bytes]) -> None:
        try:
            write_result(cell_folder(self._out, cell), result, files)
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"Results cannot be written to {self._out} ({error.strerror}); what is there is kept. "
            f"Make room, or give another folder with -o."
        )

    def _encoder_is_there(self, cell: EvaluateCell) -> bool:
        if cell.pretrain_key is None:
            return True
        result = read_result(self._out / "pretrain" / cell.pretrain_key, PretrainResult)
        return result is not None and result.status == "complete"

    def _origin(self, cell: Cell, started: str) -> dict[str, Any]:
        plugins = {
            "method": METHODS.origin(cell.method),
            "dataset": DATASETS.origin(cell.dataset),
            "encoder": ENCODERS.origin(cell.encoder),
        }
        if isinstance(cell, EvaluateCell) and cell.pretrain_dataset not in (None, cell.dataset):
            plugins["pretrain_dataset"] = DATASETS.origin(cell.pretrain_dataset)
        return self._provenance | {
            "plugins": {k: f"{o.distribution} {o.version}" for k, o in plugins.items()},
            "started": started,
            "finished": now(),
        }

    def _save_plan(self) -> None:
        suite = self._plan.suite
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            write_whole(self._out / "suite.toml", dump_toml(suite.model_dump(mode="json")).encode())
            data = [summary(store) for store in self._plan.stores.values()]
            save_plan(self._out, SavedPlan.of(self._plan, data))
        except OSError as error:
            raise self._not_writable(error) from error


def cell_folder(out: Path, cell: Cell) -> Path:
    """Where the files of a cell are."""
    return out / ("pretrain" if isinstance(cell, PretrainCell) else "evaluate") / cell.key


def stored_result(out: Path, cell: Cell) -> CellResult | None:
    """What is known of a cell already."""
    kind = PretrainResult if isinstance(cell, PretrainCell) else EvaluateResult
    return read_result(cell_folder(out, cell), kind)


def _headline(result: CellResult) -> str:
    if isinstance(result, EvaluateResult):
        return f"macro AUROC {result.macro['auroc']:.3f}"
    assert isinstance(result, PretrainResult)
    spent = sorted(result.phases.items(), key=lambda phase: -phase[1])
    parts = [f"{result.wall_s:.1f} s (" + ", ".join(f"{n} {s:.1f}" for n, s in spent) + ")"]
    if result.records_per_s is not None:
        parts.append(f"{result.records_per_s:,.0f} records/s")
    if result.data_wait_share is not None:
        where = result.engine.get("records")
        parts.append(f"{100 * result.data_wait_share:.1f} % waiting for data ({where})")
    if result.peak_memory_mb is not None:
        parts.append(f"{result.peak_memory_mb:,.0f} MB")
    resumed = result.engine.get("resumed_at")
    return ", ".join(parts) + (f", resumed after epoch {resumed}" if resumed else "")
