"""Writing what became of a cell: its result with where it comes from, or why it has none."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lcd_plugin.bench.datasets import summary
from lcd_plugin.bench.events import Cell
from lcd_plugin.bench.executors.messages import Computed
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.own_files import OF_CELL, OF_FIGURES, OF_REPORT, OF_TOP, REPORT, SUITE
from lcd_plugin.bench.plan import Plan
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.pretraining import CHECKPOINT
from lcd_plugin.bench.provenance import plugin_origin
from lcd_plugin.bench.results import (
    CellResult,
    EvaluateResult,
    PretrainResult,
    write_result,
)
from lcd_plugin.bench.saved_plan import PLAN, SavedPlan, save_plan
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.errors import ConfigError
from lcd_plugin.files import remove_temporary, write_whole
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
from lcd_plugin.timing import now

log = logging.getLogger(__name__)

# Errors of a file system that nobody needs to name to know what to do.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Recorder:
    """Writes below an output folder.

    Args:
        out: the folder.
        provenance: of all results of the run.
    """

    def __init__(self, out: Path, provenance: dict[str, Any]) -> None:
        self._out = out
        self._provenance = provenance

    def plan(self, plan: Plan) -> None:
        """Write down what the run sets out to do.

        Raises:
            ConfigError: the folder cannot be written.
        """
        suite = plan.suite
        stores = [s for setup in plan.setups.values() for s in setup.stores.values()]
        data = [summary(s) for s in {s.manifest.fingerprint: s for s in stores}.values()]
        with self.writable():
            self._out.mkdir(parents=True, exist_ok=True)
            report = self._out / REPORT
            for folder, known in (
                (self._out, OF_TOP),
                (report, OF_REPORT),
                (report / "figures", OF_FIGURES),
            ):
                remove_temporary(folder, known)
            write_whole(self._out / SUITE, dump_toml(suite.model_dump(mode="json")).encode())
            save_plan(self._out, SavedPlan.of(plan, data))

    def done(self, cell: Cell, computed: Computed, started: str) -> CellResult:
        """Write a result; the state of a pretraining under way is of no use after it.

        Raises:
            ConfigError: the folder cannot be written.
        """
        own = self._origin(cell, started) | computed.result.provenance
        result = computed.result.model_copy(update={"provenance": own})
        result = self._write(cell, result, computed.files)
        remove_checkpoint(self._out, cell)
        return result

    def failed(self, cell: Cell, fault: Fault, started: str) -> CellResult:
        """Write down why a cell has no result.

        Raises:
            ConfigError: the folder cannot be written.
        """
        log.debug("%s failed: %s", cell.title, fault.last_lines)
        kind = PretrainResult if isinstance(cell, PretrainCell) else EvaluateResult
        result = kind(
            status="failed",
            key=cell.key,
            identity=cell.identity,
            error=fault.reason,
            traceback=fault.last_lines,
            transient=fault.passing,
            provenance=self._origin(cell, started),
        )
        return self._write(cell, result, {})

    def require_folder(self) -> None:
        """Notice that somebody has removed the folder while the run was under way.

        Raises:
            ConfigError: so it is.
        """
        if not (self._out / PLAN).exists():
            raise ConfigError(
                f"{self._out} was removed or emptied while the run was under way, and what it had "
                f"with it; the same command begins anew."
            )

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Say in one sentence that the folder cannot be written, or that there is no room.

        Raises:
            ConfigError: so it is; what is there is kept.
        """
        try:
            yield
        except OSError as error:
            if self._is_ours(error.filename):
                raise ConfigError(
                    f"Results cannot be written to {self._out} ({error.strerror}); what is there "
                    f"is kept. Make room, or give another folder with -o."
                ) from error
            if error.filename is None and error.errno in NO_ROOM:
                raise ConfigError(
                    f"Something cannot be written ({error.strerror}); what is finished is kept. "
                    f"Make room, and the same command goes on from there."
                ) from error
            raise

    def _is_ours(self, filename: object) -> bool:
        return isinstance(filename, str) and Path(filename).is_relative_to(self._out)

    def _write(self, cell: Cell, result: CellResult, files: dict[str, bytes]) -> CellResult:
        with self.writable():
            return write_result(cell_folder(self._out, cell), result, files)

    def _origin(self, cell: Cell, started: str) -> dict[str, Any]:
        plugins = {
            "method": plugin_origin(METHODS, cell.method),
            "dataset": plugin_origin(DATASETS, cell.dataset),
            "encoder": plugin_origin(ENCODERS, cell.identity["encoder"]),
        }
        if isinstance(cell, EvaluateCell) and cell.pretrain_dataset not in (None, cell.dataset):
            plugins["pretrain_dataset"] = plugin_origin(DATASETS, cell.pretrain_dataset)
        return self._provenance | {"plugins": plugins, "started": started, "finished": now()}


def cell_folder(out: Path, cell: Cell) -> Path:
    """Where the files of a cell are."""
    return out / ("pretrain" if isinstance(cell, PretrainCell) else "evaluate") / cell.key


def remove_checkpoint(out: Path, cell: Cell) -> None:
    """Remove the state of a pretraining that has its result."""
    (cell_folder(out, cell) / CHECKPOINT).unlink(missing_ok=True)


def remove_half_written(folder: Path) -> None:
    """Remove what a process that was killed left of the files of a cell."""
    remove_temporary(folder, OF_CELL)
