"""A pretraining that was stopped and goes on gives what it would have given undisturbed."""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain import loop
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import EpochDone, PretrainOutcome
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

RECORDS, LEADS, TIME = 18, 3, 64
PRETRAINING = [n for n in METHODS.names() if METHODS.spec(n).kind == "pretraining"]
STARTED_S = 60
Build = Callable[[], Method]


class _StopError(Exception):
    """What stops a pretraining."""


class _Features(nn.Module):
    """A small encoder with batch norm, whose statistics are part of the state."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, 6, 5, padding=2), nn.BatchNorm1d(6), nn.Tanh())

    def forward(self, signals: Tensor) -> Tensor:
        features: Tensor = self.layers(signals).mean(dim=2)
        return features


class _Noisy(Method):
    """A method with randomness of its own, and a state of its own besides parameters."""

    views = "ab"

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.register_buffer("centre", torch.zeros(6))
        self.centre: Tensor

    def training_step(self, views: list[Tensor]) -> StepOutput:
        one, other = (self.encoder(x + torch.randn_like(x)) for x in views)
        loss = (one - other).square().sum(dim=1).mean() - (one - self.centre).square().mean()
        with torch.no_grad():
            self.centre.lerp_(one.mean(dim=0), 0.3)
        return StepOutput(loss, {"spread": one.std(dim=0).mean()})


def _noisy() -> Method:
    return _Noisy(_Features())


def _registered(name: str) -> Build:
    return lambda: METHODS.load(name)(create_encoder("vgg16_1d", width=0.05))


@pytest.fixture(scope="module")
def signals() -> NDArray[np.float16]:
    return np.random.default_rng(0).standard_normal((RECORDS, LEADS, TIME)).astype(np.float16)


def _run(
    build: Build,
    records: Records | NDArray[np.float16],
    checkpoint: Path | None = None,
    *,
    stop_in: int | None = None,
    seed: int = 0,
    epochs: int = 4,
    engine: EngineSettings | None = None,
) -> PretrainOutcome:
    """A pretraining, or one that fails in an epoch, before that epoch's checkpoint."""

    def progress(done: EpochDone) -> None:
        if done.epoch == stop_in:
            raise _StopError

    return pretrain(
        build,
        records,
        PretrainSettings(
            epochs=epochs, batch_size=6, schedule="cosine", weight_decay=0.01, warmup_epochs=1.5
        ),
        ViewSettings(),
        seed=seed,
        device=torch.device("cpu"),
        precision="fp32",
        engine=engine or EngineSettings(checkpoint_s=0),
        checkpoint=checkpoint,
        progress=progress,
    )


def _stopped(
    build: Build, records: Records | NDArray[np.float16], path: Path, epoch: int, **more: Any
) -> None:
    with pytest.raises(_StopError):
        _run(build, records, path, stop_in=epoch, **more)


def _weights(outcome: PretrainOutcome) -> bytes:
    return save({k: v.contiguous() for k, v in outcome.encoder.state_dict().items()})


def _timeless(outcome: PretrainOutcome) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in outcome.history]


def _assert_same(one: PretrainOutcome, other: PretrainOutcome) -> None:
    assert _weights(one) == _weights(other)
    assert _timeless(one) == _timeless(other)
    assert one.updates == other.updates


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The parts of a safetensors file, by its specification: header, what we put there, data."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    assert sorted(metadata) == ["pretraining", "sha256"]
    return header, json.loads(metadata["pretraining"]), content[8 + length :]


def _rewrite(path: Path, **changes: Any) -> None:
    """Change what a checkpoint says about itself."""
    _, progress, _ = _read(path)
    assert changes.keys() <= progress.keys()
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() | {"pretraining": json.dumps(progress | changes)}
    path.write_bytes(save(load(path.read_bytes()), metadata=metadata))


class TestStoppedByAnError:
    @pytest.mark.parametrize("name", PRETRAINING)
    def test_every_method_goes_on_as_if_nothing_had_been(
        self, name: str, signals: NDArray[np.float16], tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoint"
        undisturbed = _run(_registered(name), signals)
        _stopped(_registered(name), signals, path, 3)
        resumed = _run(_registered(name), signals, path)
        _assert_same(resumed, undisturbed)
        assert resumed.how.resumed_at == 2
        assert undisturbed.how.resumed_at is None

    @pytest.mark.parametrize("epoch", [2, 4])
    def test_a_method_with_randomness_and_state_of_its_own(
        self, signals: NDArray[np.float16], tmp_path: Path, epoch: int
    ) -> None:
        path = tmp_path / "checkpoint"
        _stopped(_noisy, signals, path, epoch)
        torch.manual_seed(99)
        resumed = _run(_noisy, signals, path)
        _assert_same(resumed, _run(_noisy, signals))
        assert resumed.how.resumed_at == epoch - 1

    def test_stopped_several_times(self, signals: NDArray[np.float16], tmp_path: Path) -> None:
        path = tmp_path / "checkpoint"
        for epoch in (3, 3, 4, 6):
            _stopped(_noisy, signals, path, epoch, epochs=7)
        resumed = _run(_noisy, signals, path, epochs=7)
        _assert_same(resumed, _run(_noisy, signals, epochs=7))
        assert resumed.how.resumed_at == 5

    def test_stopped_before_a_checkpoint(
        self, signals: NDArray[np.float16], tmp_path: Path
    ) -> None:
        path = tmp_path / "checkpoint"
        _stopped(_noisy, signals, path, 1)
        resumed = _run(_noisy, signals, path)
        _assert_same(resumed, _run(_noisy, signals))
        assert resumed.how.resumed_at is None

    @pytest.mark.parametrize("kinds", [("stream", "stream"), ("resident", "stream")])
    def test_with_records_read_ahead(
        self, signals: NDArray[np.float16], tmp_path: Path, kinds: tuple[Any, Any]
    ) -> None:
        """Where records lived before the stop makes no difference either."""
        signals.tofile(tmp_path / "signals.bin")
        records = Records(tmp_path / "signals.bin", signals.shape, np.arange(RECORDS))
        before, after = (EngineSettings(checkpoint_s=0, records=kind) for kind in kinds)
        path = tmp_path / "checkpoint"
        _stopped(_noisy, records, path, 3, engine=before)
        resumed = _run(_noisy, records, path, engine=after)
        assert (resumed.how.records, resumed.how.resumed_at) == ("stream", 2)
        _assert_same(resumed, _run(_noisy, signals))

    def test_time_of_before_counts(self, signals: NDArray[np.float16], tmp_path: Path) -> None:
        path = tmp_path / "checkpoint"
        _stopped(_noisy, signals, path, 4)
        _, progress, _ = _read(path)
        assert progress["timed_steps"] == 9
        assert {"load", "steps", "monitor"} <= progress["phases"].keys()
        _rewrite(path, phases={"steps": 100.0, "load": 10.0, "monitor": 1.0}, waited_s=50.0)
        resumed = _run(_noisy, signals, path)
        assert 100 < resumed.phases["steps"] < 105
        assert 10 < resumed.phases["load"] < 15
        assert 1 < resumed.phases["monitor"] < 6
        assert resumed.records_per_s == pytest.approx(4 * RECORDS / resumed.phases["steps"])
        assert resumed.data_wait_share == pytest.approx(0.5, abs=0.03)
        assert resumed.history[-1]["seconds"] == pytest.approx(resumed.phases["steps"])


class TestFile:
    def test_is_safetensors_to_the_last_byte(
        self, signals: NDArray[np.float16], tmp_path: Path
    ) -> None:
        """A header and plain numbers, so that reading it can run nothing."""
        path = tmp_path / "checkpoint"
        _stopped(_noisy, signals, path, 3)
        header, progress, data = _read(path)
        assert {k.split(".")[0] for k in header} == {"method", "optimiser"}
        assert set(_noisy().state_dict()) <= {k.removeprefix("method.") for k in header}
        spans = sorted(tuple(entry["data_offsets"]) for entry in header.values())
        assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
        assert spans[-1][1] == len(data)
        assert progress["seed"] == 0
        assert [row["epoch"] for row in progress["history"]] == [1, 2]
        assert list(tmp_path.iterdir()) == [path]

    def test_is_written_after_every_epoch_but_the_last(
        self, signals: NDArray[np.float16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved: list[int] = []
        monkeypatch.setattr(
            loop, "save_checkpoint", lambda *given: saved.append(len(given[-1].history))
        )
        _run(_noisy, signals, tmp_path / "checkpoint")
        assert saved == [1, 2, 3]

    def test_is_not_written_where_there_is_to_be_none(
        self, signals: NDArray[np.float16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        _run(_noisy, signals, None)
        assert list(tmp_path.iterdir()) == []

    def test_is_not_written_before_its_time(
        self, signals: NDArray[np.float16], tmp_path: Path
    ) -> None:
        for engine in (EngineSettings(), EngineSettings(checkpoint_s=1000)):
            outcome = _run(_noisy, signals, tmp_path / "checkpoint", engine=engine)
            assert list(tmp_path.iterdir()) == []
            assert "checkpoint" not in outcome.phases

    def test_makes_no_difference(self, signals: NDArray[np.float16], tmp_path: Path) -> None:
        _assert_same(_run(_noisy, signals, tmp_path / "checkpoint"), _run(_noisy, signals))


def test_a_term_that_is_not_finite_beside_a_loss_that_is(
    signals: NDArray[np.float16], tmp_path: Path
) -> None:
    class Odd(_Noisy):
        def training_step(self, views: list[Tensor]) -> StepOutput:
            output = super().training_step(views)
            return StepOutput(output.loss, {"odd": output.loss.detach() * float("inf")})

    path = tmp_path / "checkpoint"
    _stopped(lambda: Odd(_Features()), signals, path, 3)
    outcome = _run(lambda: Odd(_Features()), signals, path)
    assert outcome.how.resumed_at == 2
    assert {abs(row["odd"]) for row in outcome.history} == {float("inf")}


def test_a_checkpoint_of_before_the_history_had_an_effective_rank(
    signals: NDArray[np.float16], tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    _stopped(_noisy, signals, path, 3)
    old = [
        {k: v for k, v in row.items() if k != "effective_rank"} for row in _read(path)[1]["history"]
    ]
    _rewrite(path, history=old)
    _stopped(_noisy, signals, path, 4)  # so that a checkpoint is written with what is not known
    resumed, undisturbed = _run(_noisy, signals, path), _run(_noisy, signals)
    assert resumed.how.resumed_at == 3
    assert _weights(resumed) == _weights(undisturbed)
    # All rows have the columns of the first, in which they are written down.
    assert {frozenset(row) for row in resumed.history} == {frozenset(undisturbed.history[0])}
    ranks = [row["effective_rank"] for row in resumed.history]
    assert [math.isnan(rank) for rank in ranks] == [True, True, False, False]
    assert ranks[2:] == [row["effective_rank"] for row in undisturbed.history[2:]]


class TestNotReliedOn:
    """Checkpoints that cannot be gone on from: a warning, and everything from the start."""

    @pytest.fixture
    def path(self, signals: NDArray[np.float16], tmp_path: Path) -> Path:
        path = tmp_path / "checkpoint"
        _stopped(_noisy, signals, path, 3)
        return path

    @staticmethod
    def _assert_anew(
        path: Path, signals: NDArray[np.float16], caplog: pytest.LogCaptureFixture, seed: int = 0
    ) -> None:
        outcome = _run(_noisy, signals, path, seed=seed)
        assert "starting anew" in caplog.text
        assert str(path) in caplog.text
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert outcome.how.resumed_at is None
        _assert_same(outcome, _run(_noisy, signals, seed=seed))

    @pytest.mark.parametrize(
        "damage", ["empty", "short", "half", "header", "bit", "text", "other file"]
    )
    def test_damaged(
        self,
        path: Path,
        signals: NDArray[np.float16],
        caplog: pytest.LogCaptureFixture,
        damage: str,
    ) -> None:
        content = path.read_bytes()
        damaged = {
            "empty": b"",
            "short": content[:5],
            "half": content[: len(content) // 2],
            "header": content[:8] + b"\xff" * 20 + content[28:],
            "bit": content[:-1] + bytes([content[-1] ^ 1]),
            "text": b"Not a checkpoint at all, but a line of text.",
            "other file": save({"a": torch.zeros(2)}),
        }
        path.write_bytes(damaged[damage])
        self._assert_anew(path, signals, caplog)

    def test_of_another_seed(
        self, path: Path, signals: NDArray[np.float16], caplog: pytest.LogCaptureFixture
    ) -> None:
        self._assert_anew(path, signals, caplog, seed=1)

    def test_of_another_version(
        self, path: Path, signals: NDArray[np.float16], caplog: pytest.LogCaptureFixture
    ) -> None:
        _rewrite(path, version=999)
        self._assert_anew(path, signals, caplog)

    def test_rewriting_alone_does_no_harm(self, path: Path, signals: NDArray[np.float16]) -> None:
        """So it is the version that the test above sees."""
        _rewrite(path)
        assert _run(_noisy, signals, path).how.resumed_at == 2


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
import torch
from lcd_plugin import create_encoder
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

signals, checkpoint, shape, settings = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
shape = tuple(int(n) for n in shape.split())
pretrain(
    lambda: METHODS.load("lcd")(create_encoder("vgg16_1d", width=0.05)),
    Records(signals, shape, np.arange(shape[0])),
    PretrainSettings.model_validate_json(settings),
    ViewSettings(),
    seed=0,
    device=torch.device("cpu"),
    precision="fp32",
    engine=EngineSettings(checkpoint_s=0, records="stream"),
    checkpoint=checkpoint,
)
print("not killed")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing to kill it with")
def test_killed_while_it_trains(signals: NDArray[np.float16], tmp_path: Path) -> None:
    """Killed for real, and gone on with in another process."""
    signals.tofile(tmp_path / "signals.bin")
    path = tmp_path / "checkpoint"
    # So many epochs that it cannot be through by the time that it is killed.
    settings = PretrainSettings(epochs=2000, batch_size=6)
    shape = " ".join(str(n) for n in signals.shape)
    given = [tmp_path / "signals.bin", path, shape, settings.model_dump_json()]
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        end = time.monotonic() + STARTED_S
        while not path.exists() and child.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        # Somewhere in the epochs after the first.
        time.sleep(0.05)
        child.kill()
        said, _ = child.communicate(timeout=20)
    finally:
        child.kill()
    assert child.returncode == -signal.SIGKILL, said
    assert path.exists()
    done = len(_read(path)[1]["history"])
    assert 1 <= done < 2000

    def run(checkpoint: Path | None) -> PretrainOutcome:
        return pretrain(
            _registered("lcd"),
            signals,
            settings.model_copy(update={"epochs": done + 2}),
            ViewSettings(),
            seed=0,
            device=torch.device("cpu"),
            precision="fp32",
            engine=EngineSettings(checkpoint_s=1000),
            checkpoint=checkpoint,
        )

    resumed = run(path)
    assert resumed.how.resumed_at == done
    _assert_same(resumed, run(None))
