from __future__ import annotations

import builtins
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import TRACKERS, Aside, trackers
from lcd_plugin.errors import ConfigError


class Recorder:
    """Remembers what it is told, and in which thread; raises at the event of a number."""

    def __init__(self, raises_at: int | None = None) -> None:
        self.told: list[str] = []
        self.threads: set[str] = set()
        self.closed = 0
        self._raises_at = raises_at

    def listen(self, event: CellEvent) -> None:
        if len(self.told) == self._raises_at:
            raise ConnectionError("the server is away")
        self.told.append(event.status)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.closed += 1


def test_a_tracker_is_told_in_order_and_in_its_own_thread(cells):
    recorder, cell = Recorder(), cells.pretrain()
    aside = Aside("mine", recorder)
    for status in ("cached", "started", "progress", "logged", "done", "blocked"):
        aside.listen(CellEvent(cell, status))
    aside.close()
    assert recorder.told == ["started", "progress", "done"]
    assert recorder.threads == {"mine"}
    assert recorder.closed == 1


def test_one_that_raises_is_switched_off_with_one_warning(cells, caplog):
    recorder = Recorder(raises_at=2)
    aside = Aside("mlflow", recorder)
    for seed in range(20):
        aside.listen(CellEvent(cells.pretrain(seed), "started"))
    aside.close()
    aside.listen(CellEvent(cells.pretrain(), "started"))
    assert len(recorder.told) == 2
    assert [record.message for record in caplog.records] == [
        "MLflow is switched off, and the run goes on: ConnectionError: the server is away."
    ]


def test_one_that_hangs_holds_nothing_up(cells, caplog):
    class Hangs(Recorder):
        def listen(self, event: CellEvent) -> None:
            time.sleep(60)

    aside = Aside("mlflow", Hangs(), patience=0.1)
    start = time.monotonic()
    for seed in range(100):
        aside.listen(CellEvent(cells.pretrain(seed), "started"))
    aside.close()
    assert time.monotonic() - start < 5
    assert "it has not taken all events within 0.1 s" in caplog.text


def test_an_unknown_tracker_is_refused_with_the_near_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="no tracker 'tensorbord'; did you mean 'tensorboard'"):
        trackers(["tensorbord"], tmp_path, "s")


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed_is_named_with_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = builtins.__import__

    def without(module: str, *rest, **more):
        if module.partition(".")[0] == name:
            raise ModuleNotFoundError(f"No module named '{name}'")
        return real(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, f"lcd_plugin.bench.observe.{name}", raising=False)
    with pytest.raises(ConfigError, match=rf"pip install 'lcd-plugin\[{name}\]'"):
        trackers([name], tmp_path, "s")


def test_watching_a_run_loads_no_torch_and_no_tracker():
    code = (
        "import sys, lcd_plugin.bench.observe, lcd_plugin.bench.observe.state\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "pandas", "scipy", "tensorboard", "mlflow", "rich", "typer"}
