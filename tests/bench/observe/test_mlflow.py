"""What MLflow's own client reads of what is written for it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import trackers

pytest.importorskip("mlflow", reason="needs the extra mlflow")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow reads of the environment is left as it is on a new machine."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def runs(folder: Path, suite: str = "s") -> dict[str, Any]:
    """Runs of an experiment by the key of their cell."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name(suite)
    found = client.search_runs([experiment.experiment_id])
    return {run.data.tags["key"]: (client, run) for run in found}


def test_every_cell_is_a_run_with_settings_curves_and_scores(tmp_path: Path, cells):
    trained, scored = cells.pretrain(), cells.evaluate(0.1)
    [tracker] = trackers(["mlflow"], tmp_path, "s")
    tracker.listen(CellEvent(trained, "started"))
    tracker.listen(cells.epoch(trained, 1, 0.9))
    tracker.listen(cells.epoch(trained, 2, 0.5))
    tracker.listen(cells.trained(trained, tmp_path))
    tracker.listen(CellEvent(scored, "started"))
    tracker.listen(cells.scored(scored, 0.75))
    tracker.close()

    found = runs(tmp_path / "mlflow")
    assert set(found) == {trained.key, scored.key}
    client, run = found[trained.key]
    assert run.info.status == "FINISHED"
    assert run.info.run_name == trained.title
    assert run.data.params == {
        "kind": "pretrain", "method": "lcd", "encoder": "vgg16_1d", "dataset": "ptbxl", "seed": "0",
    }  # fmt: skip
    assert run.data.tags["version.torch"] == "2.14.1"
    curve = client.get_metric_history(run.info.run_id, "loss")
    assert {point.step: point.value for point in curve} == {1: 0.9, 2: 0.5}
    spread = client.get_metric_history(run.info.run_id, "embedding_std")
    assert {point.step: point.value for point in spread} == {1: 0.11, 2: 0.12, 3: 0.13}
    _, run = found[scored.key]
    assert run.data.metrics == {"test/auroc": 0.75, "seconds": 1.5}
    assert run.data.params["label_fraction"] == "0.1"
    assert run.data.tags["pretrain_key"] == trained.key


@pytest.mark.parametrize(
    ("status", "expected"), [("failed", "FAILED"), ("retry", "FAILED"), ("stopped", "KILLED")]
)
def test_a_cell_that_ends_otherwise_says_so(status: str, expected: str, tmp_path: Path, cells):
    cell = cells.pretrain()
    [tracker] = trackers(["mlflow"], tmp_path, "s")
    tracker.listen(CellEvent(cell, "started"))
    tracker.listen(CellEvent(cell, status, "out of memory"))
    tracker.close()
    [(_, run)] = runs(tmp_path / "mlflow").values()
    assert (run.info.status, run.data.tags["message"]) == (expected, "out of memory")


def test_what_is_under_way_at_the_end_is_not_left_running(tmp_path: Path, cells):
    [tracker] = trackers(["mlflow"], tmp_path, "s")
    tracker.listen(CellEvent(cells.pretrain(), "started"))
    tracker.close()
    [(_, run)] = runs(tmp_path / "mlflow").values()
    assert run.info.status == "KILLED"


def test_the_environment_says_where_to(tmp_path: Path, cells, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "elsewhere").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    [tracker] = trackers(["mlflow"], tmp_path / "out", "s")
    tracker.listen(CellEvent(cells.pretrain(), "started"))
    tracker.close()
    assert len(runs(tmp_path / "elsewhere")) == 1
    assert not (tmp_path / "out").exists()


def test_nothing_goes_over_the_network_by_itself(
    tmp_path: Path, cells, monkeypatch: pytest.MonkeyPatch, caplog
):
    asked: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    cell = cells.pretrain()
    [tracker] = trackers(["mlflow"], tmp_path, "s")
    tracker.listen(CellEvent(cell, "started"))
    tracker.listen(cells.trained(cell, tmp_path))
    tracker.close()
    assert asked == []
    assert not caplog.records


def test_a_server_that_is_away_costs_a_warning(
    tmp_path: Path, cells, monkeypatch: pytest.MonkeyPatch, caplog
):
    with socket.socket() as taken:  # a port where nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        [tracker] = trackers(["mlflow"], tmp_path, "s")
        tracker.listen(CellEvent(cells.pretrain(), "started"))
        tracker.close()
    switched_off = [r.message for r in caplog.records if r.name.startswith("lcd_plugin")]
    assert len(switched_off) == 1
    assert switched_off[0].startswith("MLflow is switched off, and the run goes on")
