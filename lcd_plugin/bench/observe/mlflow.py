"""MLflow: a run for every cell, in an experiment that is called as the suite."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.observe.lines import kind_of
from lcd_plugin.bench.observe.numbers import history_of, numbers_of, settings_of

if TYPE_CHECKING:
    from mlflow.entities import Metric

    from lcd_plugin.bench.events import Cell, CellEvent

FOLDER, ADDRESS = "mlflow", "MLFLOW_TRACKING_URI"
BATCH = 1000  # metrics that a server takes at a time
LONGEST = 500  # characters of a tag
ENDS = {"done": "FINISHED", "failed": "FAILED", "retry": "FAILED", "stopped": "KILLED"}


class MLflow:
    """Writes to the server in `MLFLOW_TRACKING_URI`, or to files in `OUT/mlflow` if it is not set.

    Files, since `mlflow-skinny` has no database, and several runners can write them side by side.

    Args:
        out: folder of the run.
        suite: its name.

    Raises:
        ImportError: MLflow is not installed.
    """

    def __init__(self, out: Path, suite: str) -> None:
        # It would tell its makers of each use; whoever wants that can say so.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        self._out, self._suite = out, suite
        self._make_client = MlflowClient
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._runs: dict[str, str] = {}

    def listen(self, event: CellEvent) -> None:
        """Pass on what happened to a cell."""
        key = event.cell.key
        if event.status == "started":
            self._start(event.cell)
        elif key in self._runs:
            if event.epoch is not None:
                rate = event.epoch.records_per_s
                speed = {} if rate is None else {"records_per_s": rate}
                self._log(key, _metrics({"loss": event.epoch.loss} | speed, event.epoch.epoch))
            elif event.status in ENDS:
                self._end(event)

    def close(self) -> None:
        """End the runs of what is still under way."""
        for run in self._runs.values():
            self._server().set_terminated(run, status="KILLED")
        self._runs.clear()

    def _start(self, cell: Cell) -> None:
        from mlflow.entities import Param

        client = self._server()
        tags = {"key": cell.key, "kind": kind_of(cell)}
        if behind := getattr(cell, "pretrain_key", None):
            tags["pretrain_key"] = behind
        run = client.create_run(self._experiment, tags=tags, run_name=cell.title).info.run_id
        self._runs[cell.key] = run
        client.log_batch(run, params=[Param(n, str(v)) for n, v in settings_of(cell).items()])

    def _end(self, event: CellEvent) -> None:
        key, client, result = event.cell.key, self._server(), event.result
        if event.status == "done" and result is not None:
            if kind_of(event.cell) == "pretrain":
                history = history_of(self._out, event.cell).items()
                self._log(key, (m for epoch, row in history for m in _metrics(row, epoch)))
            self._log(key, _metrics(numbers_of(result), 0))
            for name, version in result.provenance.get("packages", {}).items():
                client.set_tag(self._runs[key], f"version.{name}", version)
        elif event.message:
            client.set_tag(self._runs[key], "message", event.message[:LONGEST])
        client.set_terminated(self._runs.pop(key), status=ENDS[event.status])

    def _log(self, key: str, metrics: Iterable[Metric]) -> None:
        every = list(metrics)
        for first in range(0, len(every), BATCH):
            self._server().log_batch(self._runs[key], metrics=every[first : first + BATCH])

    def _server(self) -> Any:
        """The client; made when it is first needed, since it may ask a server."""
        if self._client is None:
            address = os.environ.get(ADDRESS)
            if not address:
                # Newer versions ask for this word before they write files.
                os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
                address = (self._out.absolute() / FOLDER).as_uri()
            self._client = self._make_client(tracking_uri=address)
            self._experiment = self._experiment_of(self._client)
        return self._client

    def _experiment_of(self, client: Any) -> str:
        from mlflow.exceptions import MlflowException

        known = client.get_experiment_by_name(self._suite)
        if known is None:
            try:
                return str(client.create_experiment(self._suite))
            except MlflowException:  # another runner has just made it
                known = client.get_experiment_by_name(self._suite)
                if known is None:
                    raise
        return str(known.experiment_id)


def _metrics(numbers: Mapping[str, float], step: int) -> list[Metric]:
    from mlflow.entities import Metric

    at = int(1000 * time.time())
    # Terms of a loss may be called as a plugin likes.
    named = {re.sub(r"[^\w./ -]", "_", name): value for name, value in numbers.items()}
    return [Metric(name, value, at, step) for name, value in named.items()]
