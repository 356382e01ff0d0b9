"""Two real processes that share batches train as one does; what happens when one of them fails."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lcd_plugin.errors import ConfigError, MemoryShortageError
from lcd_plugin.methods.base import Method
from lcd_plugin.pretrain.engine import check_batch, pretrain
from lcd_plugin.pretrain.job import EpochDone, Snapshot
from lcd_plugin.pretrain.launch import Listener
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

TIMEOUT_S = 120
EPOCHS = 3

# One script for both trials: started processes import it to find what they are to build.
SCRIPT = """
import json, multiprocessing, os, sys, time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from lcd_plugin import LCDLoss
from lcd_plugin.methods.base import Method, StepOutput, across_devices
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings


class Encoder(nn.Module):
    num_features = 8

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv1d(1, 4, 7, stride=4), nn.Linear(4 * 7, 8)

    def forward(self, signals):
        return self.linear(torch.tanh(self.conv(signals)).flatten(1))


class Pair(Method):
    # No batch norm, whose statistics would be those of a device's part of a batch.
    views = "aba"

    def __init__(self, encoder):
        super().__init__(encoder)
        self.predictor = nn.Linear(8, 8)
        self.loss = LCDLoss(gamma=0.05, lambda_param=0.1, gather_distributed=across_devices())

    def training_step(self, views):
        z_a, z_b, t_a = (self.encoder(x) for x in views)
        terms = self.loss.components(
            z_a, z_b, self.predictor(z_a), self.predictor(z_b), t_a.detach()
        )._asdict()
        return StepOutput(loss=terms.pop("total"), terms=terms)


class Failing(Pair):
    steps = 0

    def training_step(self, views):
        # One of the two fails in the second epoch; the other goes on to wait for its gradients.
        self.steps += 1
        if self.steps == 5 and int(os.environ["LOCAL_RANK"]) == 1:
            raise ArithmeticError("the second of two has given up")
        return super().training_step(views)


def build(folder, method):
    (folder / f"{method.__name__}-{os.getpid()}").touch()
    return method(Encoder())


def run(folder, method, devices, checkpoint):
    reports, kept = [], []

    def keep(snapshot):
        kept.append([snapshot.share, snapshot.epoch, snapshot.records, os.getpid()])
        name = f"{checkpoint}, epoch {snapshot.epoch}.safetensors"
        save_file(snapshot.encoder.state_dict(), folder / name)

    try:
        outcome = pretrain(
            partial(build, folder, method),
            np.load(folder / "signals.npy"),
            PretrainSettings(epochs=EPOCHS, batch_size=8, schedule="cosine", weight_decay=0.01),
            ViewSettings(per="sample"),
            seed=2,
            device=torch.device("cpu"),
            precision="fp32",
            engine=EngineSettings(devices=devices, checkpoint_s=0),
            checkpoint=folder / checkpoint,
            progress=lambda done: reports.append([done.epoch, done.epochs, done.loss]),
            snapshots=(0.3, 0.6),
            keep=keep,
        )
    except Exception as error:
        return None, {"error": [type(error).__name__, str(error)], "kept": kept}
    what = {"reports": reports, "kept": kept, "history": outcome.history}
    what |= {"updates": outcome.updates, "phases": outcome.phases}
    return outcome, what | {"how": vars(outcome.how)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    results = {}
    for name, method, devices, checkpoint in (
        ("one", Pair, 1, "of one"),
        ("two", Pair, 2, "of two"),
        ("failed", Failing, 2, "of a failed one"),
        ("resumed", Pair, 1, "of a failed one"),
    ):
        outcome, results[name] = run(folder, method, devices, checkpoint)
        results[name]["left"] = len(multiprocessing.active_children())
        if outcome is not None:
            save_file(outcome.encoder.state_dict(), folder / f"{name}.safetensors")
    (folder / "results.json").write_text(json.dumps(results | {"me": os.getpid()}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs on one device and on two, and one that fails, have left what came out."""
    folder = tmp_path_factory.mktemp("devices")
    signals = np.random.default_rng(0).standard_normal((27, 3, 32)).astype(np.float16)
    np.save(folder / "signals.npy", signals)
    script = folder / "script.py"
    script.write_text(SCRIPT.replace("EPOCHS", str(EPOCHS)))
    done = subprocess.run(
        [sys.executable, script, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


class TestTwo:
    def test_have_the_weights_of_one(self, folder: Path, results: dict[str, Any]) -> None:
        assert "error" not in results["two"], results["two"]
        one, two = (load_file(folder / f"{name}.safetensors") for name in ("one", "two"))
        assert len(one) == 4
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)

    def test_have_the_losses_of_one(self, results: dict[str, Any]) -> None:
        one, two = results["one"]["history"], results["two"]["history"]
        assert [row["epoch"] for row in two] == list(range(1, EPOCHS + 1))
        for row, expected in zip(two, one, strict=True):
            assert row.keys() == expected.keys()
            for name in row.keys() - {"seconds"}:
                assert row[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-5), name
        # Something was learned that could have differed.
        assert abs(one[-1]["loss"] - one[0]["loss"]) > 1e-3

    def test_report_once_an_epoch_in_order(self, results: dict[str, Any]) -> None:
        reports = results["two"]["reports"]
        losses = [row["loss"] for row in results["two"]["history"]]
        assert reports == [[i + 1, EPOCHS, loss] for i, loss in enumerate(losses)]

    def test_keep_the_snapshots_of_one_in_the_process_that_asked(
        self, folder: Path, results: dict[str, Any]
    ) -> None:
        expected = [[0.3, 1, 24, results["me"]], [0.6, 2, 48, results["me"]]]
        assert results["one"]["kept"] == results["two"]["kept"] == expected
        for epoch in (1, 2):
            one, two = (
                load_file(folder / f"of {number}, epoch {epoch}.safetensors")
                for number in ("one", "two")
            )
            torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)

    def test_are_two(self, folder: Path, results: dict[str, Any]) -> None:
        assert [results[name]["how"]["devices"] for name in ("one", "two")] == [1, 2]
        built = {int(path.name.partition("-")[2]) for path in folder.glob("Pair-*")}
        assert len(built) == 3
        assert results["me"] in built
        assert results["two"]["updates"] == results["one"]["updates"] == EPOCHS * 3

    def test_leave_one_checkpoint_and_no_process(
        self, folder: Path, results: dict[str, Any]
    ) -> None:
        assert results["two"]["phases"]["checkpoint"] > 0
        one, two = (load_file(folder / f"of {number}") for number in ("one", "two"))
        assert one.keys() == two.keys()
        assert results["two"]["left"] == 0


class TestOneFails:
    def test_the_run_says_why_in_a_line(self, results: dict[str, Any]) -> None:
        kind, said = results["failed"]["error"]
        assert kind == "ArithmeticError", said
        assert said == "the second of two has given up"

    def test_no_process_is_left(self, folder: Path, results: dict[str, Any]) -> None:
        built = [int(path.name.partition("-")[2]) for path in folder.glob("Failing-*")]
        assert len(built) == 2
        assert results["failed"]["left"] == 0
        for process in built:
            with pytest.raises(ProcessLookupError):
                os.kill(process, 0)

    def test_one_device_can_go_on_from_there(self, folder: Path, results: dict[str, Any]) -> None:
        assert results["resumed"]["how"]["resumed_at"] == 1
        # The first snapshot was kept by the run that failed.
        assert [kept[1] for kept in results["failed"]["kept"]] == [1]
        assert [kept[1] for kept in results["resumed"]["kept"]] == [2]
        one, resumed = (load_file(folder / f"{name}.safetensors") for name in ("one", "resumed"))
        torch.testing.assert_close(resumed, one, rtol=1e-5, atol=1e-5)


def _keep_nothing(snapshot: Snapshot) -> None:
    raise AssertionError


def _snapshot() -> Snapshot:
    return Snapshot(0.5, 3, 9, 72, 1.5, torch.nn.Linear(2, 2))


class TestListener:
    """What it hears from a process, without one."""

    def test_goes_on_listening_when_a_report_cannot_be_passed_on(self) -> None:
        reader, writer = multiprocessing.Pipe(duplex=False)
        heard: list[int] = []

        def report(done: EpochDone) -> None:
            heard.append(done.epoch)
            raise LookupError("the terminal has gone")

        listener = Listener([reader], report, _keep_nothing)
        listener.start()
        for epoch in (1, 2):
            writer.send((epoch, 2, 0.5, None))
        # More than a pipe holds: it would wait for ever if nobody listened.
        writer.send(pickle.dumps(MemoryShortageError("too little" + " " * 2**20)))
        listener.stop()
        assert heard == [1]
        assert isinstance(listener.error, LookupError)

    def test_passes_on_what_a_process_raised(self) -> None:
        reader, writer = multiprocessing.Pipe(duplex=False)
        listener = Listener([reader], lambda *_: None, _keep_nothing)
        listener.start()
        writer.send(pickle.dumps(MemoryShortageError("too little")))
        writer.send(pickle.dumps(RuntimeError("the other process has gone")))
        listener.stop()
        assert isinstance(listener.error, MemoryShortageError)
        assert str(listener.error) == "too little"

    def test_what_cannot_be_understood_is_an_error(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        listener = Listener([ours], lambda *_: None, _keep_nothing)
        listener.start()
        theirs.send(b"no pickle")
        listener.stop()
        assert isinstance(listener.error, pickle.UnpicklingError)

    def test_a_process_waits_until_its_snapshot_is_kept(self) -> None:
        """It may be about to write a checkpoint after which it would not take it again."""
        ours, theirs = multiprocessing.Pipe()
        kept, on_disk = list[int](), threading.Event()

        def keep(snapshot: Snapshot) -> None:
            assert on_disk.wait(10)
            kept.append(snapshot.epoch)

        listener = Listener([ours], lambda *_: None, keep)
        listener.start()
        theirs.send(pickle.dumps(_snapshot()))
        assert not theirs.poll(0.2)
        on_disk.set()
        assert theirs.poll(10)
        assert kept == [3]
        listener.stop()
        assert listener.error is None

    def test_a_process_whose_snapshot_cannot_be_kept_is_not_told_that_it_was(self) -> None:
        ours, theirs = multiprocessing.Pipe()

        def keep(snapshot: Snapshot) -> None:
            raise OSError("the disk is full")

        listener = Listener([ours], lambda *_: None, keep)
        listener.start()
        theirs.send(pickle.dumps(_snapshot()))
        listener.stop()
        assert not theirs.poll()
        assert str(listener.error) == "the disk is full"

    def test_ends_no_process_that_was_there_before(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        bystander = spawn.Process(target=time.sleep, args=(60,))
        bystander.start()
        try:
            listener = Listener([], lambda *_: None, _keep_nothing)
            own = spawn.Process(target=time.sleep, args=(60,))
            own.start()
            listener.end_processes()
            own.join(timeout=30)
            assert own.exitcode is not None
            assert bystander.is_alive()
        finally:
            bystander.kill()
            bystander.join()


@pytest.mark.parametrize(
    ("batch_size", "devices", "fits"),
    [(8, 2, True), (4, 2, True), (9, 2, False), (2, 2, False), (8, 3, False), (2, 1, True)],
)
def test_batches_have_to_divide(batch_size: int, devices: int, fits: bool) -> None:
    if fits:
        check_batch(batch_size, 100, devices)
        return
    with pytest.raises(ConfigError, match=f"{devices} devices .* multiple of {devices}"):
        check_batch(batch_size, 100, devices)


def test_nothing_is_built_for_batches_that_do_not_divide() -> None:
    built: list[int] = []

    def build() -> Method:
        built.append(1)
        raise AssertionError

    with pytest.raises(ConfigError, match="--batch-size"):
        pretrain(
            build,
            np.zeros((20, 2, 16), np.float16),
            PretrainSettings(epochs=1, batch_size=7),
            ViewSettings(),
            seed=0,
            device=torch.device("cpu"),
            precision="fp32",
            engine=EngineSettings(devices=2),
        )
    assert not built
