"""Running a plan: what is complete stays, what fails is recorded, nothing else is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from lcd_plugin.bench.datasets import summary
from lcd_plugin.bench.evaluation import Evaluator
from lcd_plugin.bench.own_state import AttemptError, attempt
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.pretraining import CHECKPOINT, compute_pretraining
from lcd_plugin.bench.provenance import plugin_origin, provenance
from lcd_plugin.bench.results import (
    CellResult,
    EvaluateResult,
    PretrainResult,
    read_result,
    write_result,
)
from lcd_plugin.bench.saved_plan import SavedPlan, save_plan
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.errors import ConfigError
from lcd_plugin.files import write_whole
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
from lcd_plugin.pretrain.job import EpochDone
from lcd_plugin.pretrain.memory import keep_freed_memory
from lcd_plugin.timing import now

log = logging.getLogger(__name__)

Status = Literal["cached", "done", "failed", "blocked"]
Cell = PretrainCell | EvaluateCell


@dataclass(frozen=True)
class CellEvent:
    """Something happened to a cell.

    Attributes:
        cell: the cell.
        status: `started`, `progress`, or how it ended.
        message: score and cost, or reason of the failure.
        epoch: how far its pretraining is; None but for `progress`.
    """

    cell: Cell
    status: Status | Literal["started", "progress"]
    message: str = ""
    epoch: EpochDone | None = None


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
        self._out = out.absolute()
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
        for unit in self._in_order():
            if self._enough(outcome):
                break
            todo = [cell for cell in unit if not self._known(cell, outcome)]
            pretraining = [cell for cell in todo if isinstance(cell, PretrainCell)]
            for cell in pretraining:
                evaluator.forget()
                self._pretrain(cell, outcome)
            evaluations = [cell for cell in todo if isinstance(cell, EvaluateCell)]
            if evaluations:
                self._evaluate(evaluations, evaluator, outcome)
        return outcome

    def _in_order(self) -> list[list[Cell]]:
        """Each pretraining with its evaluations behind it: early scores, features used at once.

        Evaluations that differ in their labels only are one unit.
        """
        order: list[list[Cell]] = []
        scratch = [c for c in self._plan.evaluate if c.pretrain_key is None]
        for pretraining in self._plan.pretrain:
            own = [c for c in self._plan.evaluate if c.pretrain_key == pretraining.key]
            order += [[pretraining], *_groups(own)]
        return order + _groups(scratch)

    def _pretrain(self, cell: PretrainCell, outcome: RunSummary) -> None:
        self._listen(CellEvent(cell, "started"))
        started, folder = now(), cell_folder(self._out, cell)
        try:
            result, files = attempt(
                lambda: compute_pretraining(
                    cell,
                    self._plan,
                    self._device,
                    folder,
                    lambda epoch: self._listen(CellEvent(cell, "progress", epoch=epoch)),
                )
            )
        except AttemptError as error:  # a cell's failure is a result too
            self._failed(cell, error, started, outcome)
            return
        self._done(cell, result, files, started, outcome)
        (folder / CHECKPOINT).unlink(missing_ok=True)

    def _evaluate(
        self, cells: Sequence[EvaluateCell], evaluator: Evaluator, outcome: RunSummary
    ) -> None:
        """Compute a group; if that fails, each cell that is left by itself."""
        if not self._encoder_is_there(cells[0]):
            for cell in cells:
                self._ended(cell, "blocked", "its pretraining failed", outcome)
            return
        started = now()
        try:
            exam = attempt(lambda: evaluator.prepare(cells))
        except AttemptError as error:  # of the encoder, and so of all of its scores
            for cell in cells:
                self._failed(cell, error, started, outcome)
            return
        left, computed = list(cells), evaluator.compute(exam)
        while left and not self._enough(outcome):
            self._listen(CellEvent(left[0], "started"))
            started = now()
            try:
                cell, result, files = attempt(lambda: next(computed))
            except AttemptError as error:
                if len(left) == 1:
                    self._failed(left[0], error, started, outcome)
                    return
                # Computing cells together failed: find out which of them it was.
                for one in left:
                    if not self._enough(outcome):
                        self._evaluate([one], evaluator, outcome)
                return
            self._done(cell, result, files, started, outcome)
            left.remove(cell)

    def _enough(self, outcome: RunSummary) -> bool:
        return self._fail_fast and outcome.counts["failed"] > 0

    def _done(
        self,
        cell: Cell,
        result: CellResult,
        files: dict[str, bytes],
        started: str,
        outcome: RunSummary,
    ) -> None:
        result = result.model_copy(update={"provenance": self._origin(cell, started)})
        self._write(cell, result, files)
        self._ended(cell, "done", _headline(result), outcome)

    def _ended(self, cell: Cell, status: Status, message: str, outcome: RunSummary) -> None:
        outcome.counts[status] += 1
        self._listen(CellEvent(cell, status, message))

    def _known(self, cell: Cell, outcome: RunSummary) -> bool:
        """Whether a cell needs no computing, since it has a result."""
        result = stored_result(self._out, cell)
        if result is None or (result.status == "failed" and self._retry_failed):
            return False
        if result.status == "complete":
            # Left by a run that was killed between the two.
            (cell_folder(self._out, cell) / CHECKPOINT).unlink(missing_ok=True)
            self._ended(cell, "cached", _headline(result), outcome)
        else:
            reason = f"{result.error} (failed before; --retry-failed tries again)"
            outcome.failures.append((cell.title, reason))
            self._ended(cell, "failed", reason, outcome)
        return True

    def _failed(self, cell: Cell, error: AttemptError, started: str, outcome: RunSummary) -> None:
        log.debug("%s failed", cell.title, exc_info=error.error)
        kind = PretrainResult if isinstance(cell, PretrainCell) else EvaluateResult
        result = kind(
            status="failed",
            key=cell.key,
            identity=cell.identity,
            error=error.reason,
            traceback=error.traceback,
            provenance=self._origin(cell, started),
        )
        self._write(cell, result, {})
        outcome.failures.append((cell.title, error.reason))
        self._ended(cell, "failed", error.reason, outcome)

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
            "method": plugin_origin(METHODS, cell.method),
            "dataset": plugin_origin(DATASETS, cell.dataset),
            "encoder": plugin_origin(ENCODERS, cell.identity["encoder"]),
        }
        if isinstance(cell, EvaluateCell) and cell.pretrain_dataset not in (None, cell.dataset):
            plugins["pretrain_dataset"] = plugin_origin(DATASETS, cell.pretrain_dataset)
        return self._provenance | {
            "plugins": plugins,
            "started": started,
            "finished": now(),
        }

    def _save_plan(self) -> None:
        suite = self._plan.suite
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            write_whole(self._out / "suite.toml", dump_toml(suite.model_dump(mode="json")).encode())
            stores = [s for setup in self._plan.setups.values() for s in setup.stores.values()]
            data = [summary(s) for s in {s.manifest.fingerprint: s for s in stores}.values()]
            save_plan(self._out, SavedPlan.of(self._plan, data))
        except OSError as error:
            raise self._not_writable(error) from error


def _groups(cells: Iterable[EvaluateCell]) -> list[list[Cell]]:
    """Cells that are computed together, in the order of their first."""
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return list(groups.values())


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
