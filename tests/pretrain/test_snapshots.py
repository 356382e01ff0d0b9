"""Encoders kept during a pretraining: which, at what cost, and that they leave it as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain import loop
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import EpochDone, Keep, PretrainOutcome, Snapshot
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings
from lcd_plugin.pretrain.snapshots import check_shares, snapshot_epochs

RECORDS, LEADS, TIME, BATCH = 18, 3, 64, 6
UPDATES = RECORDS // BATCH
EPOCHS = 4
EARLY_AND_LATE = (0.25, 0.75)  # the first of four epochs and the last but one
MOMENTUM = 0.3
Build = Callable[[], Method]


class _StopError(Exception):
    """What stops a pretraining."""


class _Features(nn.Module):
    """A small encoder with all that a snapshot could disturb: batch norm, and dropout, which draws
    random numbers whenever it is in train mode."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 5, padding=2)
        self.norm = nn.BatchNorm1d(6, momentum=MOMENTUM)
        self.dropout = nn.Dropout(0.2)
        self.last = nn.BatchNorm1d(6, momentum=MOMENTUM)

    def forward(self, signals: Tensor) -> Tensor:
        hidden = self.dropout(torch.tanh(self.norm(self.conv(signals))))
        features: Tensor = self.last(hidden).mean(dim=2)
        return features


class _Noisy(Method):
    """A method with randomness of its own that looks at the state of its encoder at every step."""

    views = "ab"

    def training_step(self, views: list[Tensor]) -> StepOutput:
        assert all(m.training for m in self.modules())
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm1d)]
        assert [norm.momentum for norm in norms] == [MOMENTUM, MOMENTUM]
        one, other = (self.encoder(x + torch.randn_like(x)) for x in views)
        loss = (one - other).square().sum(dim=1).mean() - one.std(dim=0).sum()
        return StepOutput(loss, {})


def _noisy() -> Method:
    return _Noisy(_Features())


def _registered(name: str) -> Build:
    return lambda: METHODS.load(name)(create_encoder("vgg16_1d", width=0.05))


BUILDS = {"lcd": _registered("lcd"), "byol": _registered("byol"), "noisy": _noisy}
each_build = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())


@pytest.fixture(scope="module")
def signals() -> NDArray[np.float16]:
    return np.random.default_rng(0).standard_normal((RECORDS, LEADS, TIME)).astype(np.float16)


def _run(
    build: Build,
    signals: NDArray[np.float16],
    shares: tuple[float, ...] = (),
    keep: Keep = lambda snapshot: None,
    *,
    stop_in: int | None = None,
    checkpoint: Path | None = None,
    engine: EngineSettings | None = None,
    train: bool = True,
    **settings: Any,
) -> PretrainOutcome:
    """A pretraining, or one that fails at the end of an epoch."""

    def progress(done: EpochDone) -> None:
        if done.epoch == stop_in:
            raise _StopError

    return pretrain(
        build,
        signals,
        PretrainSettings(**({"epochs": EPOCHS, "batch_size": BATCH} | settings)),
        ViewSettings(),
        seed=3,
        device=torch.device("cpu"),
        precision="fp32",
        train=train,
        engine=engine or EngineSettings(checkpoint_s=0),
        checkpoint=checkpoint,
        progress=progress,
        snapshots=shares,
        keep=keep,
    )


def _kept(
    build: Build, signals: NDArray[np.float16], shares: tuple[float, ...], **more: Any
) -> tuple[PretrainOutcome, list[Snapshot]]:
    kept: list[Snapshot] = []
    outcome = _run(build, signals, shares, kept.append, **more)
    return outcome, kept


def _weights(encoder: nn.Module) -> bytes:
    return save({k: v.contiguous() for k, v in encoder.state_dict().items()})


def _timeless(outcome: PretrainOutcome) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in outcome.history]


class TestEpochs:
    @pytest.mark.parametrize(
        ("shares", "epochs", "taken"),
        [
            ((0.25, 0.5, 0.75), 4, {1: 0.25, 2: 0.5, 3: 0.75}),
            ((0.01, 0.99), 10, {1: 0.01, 9: 0.99}),
            ((0.5,), 3, {2: 0.5}),
            ((), 10, {}),
            # Several shares of one epoch.
            ((0.1, 0.12, 0.9), 5, {1: 0.1, 4: 0.9}),
            ((0.2, 0.5, 0.8), 2, {1: 0.2}),
            # One epoch is the last one.
            ((0.2, 0.5), 1, {}),
        ],
    )
    def test_by_hand(self, shares: tuple[float, ...], epochs: int, taken: dict[int, float]) -> None:
        assert snapshot_epochs(shares, epochs) == taken

    def test_no_other_epoch_but_the_last_is_nearer(self) -> None:
        rng = np.random.default_rng(0)
        for epochs in range(2, 40):
            for share in rng.uniform(0, 1, 20).tolist():
                ((epoch, named),) = snapshot_epochs((share,), epochs).items()
                distance = np.abs(np.arange(1, epochs) - share * epochs)
                assert distance[epoch - 1] == distance.min()
                assert named == share

    @pytest.mark.parametrize(
        "shares",
        [(0.0,), (1.0,), (-0.1, 0.5), (0.5, 1.5), (0.5, 0.2), (0.5, 0.5), (float("nan"),)],
    )
    def test_what_are_no_rising_shares_is_refused(
        self, shares: tuple[float, ...], signals: NDArray[np.float16]
    ) -> None:
        with pytest.raises(ConfigError, match="rising shares") as error:
            check_shares(shares)
        assert f"{shares[0]:g}" in str(error.value)

        def build() -> Method:
            raise AssertionError("it should not have come so far")

        with pytest.raises(ConfigError, match="rising shares"):
            _run(build, signals, shares)


@each_build
class TestTraining:
    def test_is_the_same_with_snapshots(self, build: Build, signals: NDArray[np.float16]) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        outcome, kept = _kept(build, signals, EARLY_AND_LATE)
        assert len(kept) == 2
        assert torch.equal(torch.get_rng_state(), before)
        plain = _run(build, signals)
        assert _weights(outcome.encoder) == _weights(plain.encoder)
        assert _timeless(outcome) == _timeless(plain)
        assert outcome.phases.keys() == plain.phases.keys()

    @pytest.mark.parametrize("calibrated", [True, False])
    def test_cut_there_gives_the_snapshot(
        self, build: Build, signals: NDArray[np.float16], calibrated: bool
    ) -> None:
        outcome, kept = _kept(build, signals, EARLY_AND_LATE, calibrate_batch_norm=calibrated)
        for snapshot, epochs in zip(kept, (1, EPOCHS - 1), strict=True):
            cut = _run(build, signals, epochs=epochs, calibrate_batch_norm=calibrated)
            assert _weights(snapshot.encoder) == _weights(cut.encoder)
            assert snapshot.updates == cut.updates == epochs * UPDATES
        assert len({_weights(x.encoder) for x in (*kept, outcome)}) == 3


class TestSnapshot:
    def test_says_what_it_is(self, signals: NDArray[np.float16]) -> None:
        _, kept = _kept(_noisy, signals, (0.3, 0.6), epochs=5)
        said = [(s.share, s.epoch, s.updates, s.records) for s in kept]
        # 0.3 x 5 is halfway between two epochs.
        assert said == [(0.3, 2, 6, 36), (0.6, 3, 9, 54)]

    def test_is_ready_to_use(self, signals: NDArray[np.float16]) -> None:
        _, kept = _kept(_noisy, signals, (0.5,))
        encoder = kept[0].encoder
        assert isinstance(encoder, _Features)
        assert not any(m.training for m in encoder.modules())
        assert encoder.norm.momentum == encoder.last.momentum == MOMENTUM
        assert all(p.grad is None and p.device.type == "cpu" for p in encoder.parameters())

    def test_shares_no_memory_with_another(self, signals: NDArray[np.float16]) -> None:
        """What is done with one while it is kept is not felt by the training."""

        def keep(snapshot: Snapshot) -> None:
            with torch.no_grad():
                for value in snapshot.encoder.state_dict().values():
                    value.zero_()

        spoilt = _run(_noisy, signals, EARLY_AND_LATE, keep)
        assert _weights(spoilt.encoder) == _weights(_run(_noisy, signals).encoder)

    def test_draws_nothing(
        self, signals: NDArray[np.float16], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Calibrating this encoder does, for its dropout; the stream goes on as if it had not."""
        before, after, drawn = list[Tensor](), list[Tensor](), list[Tensor]()
        calibrate, spread = loop.calibrate_batch_norm, loop.watch_spread

        def watched(*given: Any) -> dict[str, float]:
            before.append(torch.get_rng_state())
            return spread(*given)

        def calibrating(*given: Any) -> None:
            calibrate(*given)
            drawn.append(torch.get_rng_state())

        monkeypatch.setattr(loop, "watch_spread", watched)
        monkeypatch.setattr(loop, "calibrate_batch_norm", calibrating)
        _run(_noisy, signals, EARLY_AND_LATE, lambda _: after.append(torch.get_rng_state()))
        assert len(after) == 2
        for epoch, state, inside in zip((0, 2), after, drawn, strict=False):
            assert torch.equal(state, before[epoch])
            assert not torch.equal(state, inside)

    def test_shares_of_one_epoch_are_one(self, signals: NDArray[np.float16]) -> None:
        _, kept = _kept(_noisy, signals, (0.01, 0.2, 0.3, 0.9, 0.99))
        assert [(s.share, s.epoch) for s in kept] == [(0.01, 1), (0.9, 3)]

    def test_a_baseline_that_is_not_trained_has_none(self, signals: NDArray[np.float16]) -> None:
        _, kept = _kept(_registered("random"), signals, EARLY_AND_LATE, train=False)
        assert not kept

    def test_what_keeping_raises_is_passed_on(self, signals: NDArray[np.float16]) -> None:
        def keep(snapshot: Snapshot) -> None:
            raise OSError("the disk is full")

        with pytest.raises(OSError, match="the disk is full"):
            _run(_noisy, signals, (0.5,), keep)

    def test_of_records_read_ahead_is_the_same(self, signals: NDArray[np.float16]) -> None:
        one, other = (
            _kept(_noisy, signals, EARLY_AND_LATE, engine=EngineSettings(records=kind))[1]
            for kind in ("resident", "stream")
        )
        assert [_weights(s.encoder) for s in one] == [_weights(s.encoder) for s in other]


class TestClock:
    def test_seconds_rise_and_stay_below_the_whole(self, signals: NDArray[np.float16]) -> None:
        start = time.perf_counter()
        outcome, kept = _kept(_noisy, signals, (0.2, 0.4, 0.6, 0.8), epochs=5)
        elapsed = time.perf_counter() - start
        seconds = [snapshot.seconds for snapshot in kept]
        assert len(seconds) == 4
        training = sum(v for k, v in outcome.phases.items() if k != "calibrate")
        assert 0 < seconds[0] < training < elapsed
        assert seconds[-1] < elapsed

    def test_are_the_phases_so_far(
        self, signals: NDArray[np.float16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a checkpoint that follows at once says them, whose own time is not in either yet."""
        monkeypatch.setattr(loop, "calibrate_batch_norm", lambda *given: None)
        phases: list[float] = []
        monkeypatch.setattr(
            loop,
            "save_checkpoint",
            lambda *given: phases.append(sum(given[-1].phases.values())),
        )
        _, kept = _kept(_noisy, signals, (0.25, 0.5, 0.75), checkpoint=tmp_path / "checkpoint")
        assert [snapshot.seconds for snapshot in kept] == pytest.approx(phases, abs=1e-3)

    def test_each_has_its_own_calibration_and_nothing_of_the_others(
        self, signals: NDArray[np.float16], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Copying, calibrating and keeping each take an hour.

        A pretraining that ended there would have calibrated, and neither copied nor kept.
        """
        hours, now = [0], time.perf_counter
        monkeypatch.setattr(time, "perf_counter", lambda: now() + 3600 * hours[0])
        calibrate, kept = loop.calibrate_batch_norm, list[Snapshot]()

        class SlowToCopy(_Features):
            def __getstate__(self) -> Any:
                hours[0] += 1
                return super().__getstate__()

        def slow(*given: Any) -> None:
            hours[0] += 1
            calibrate(*given)

        monkeypatch.setattr(loop, "calibrate_batch_norm", slow)

        def keep(snapshot: Snapshot) -> None:
            kept.append(snapshot)
            hours[0] += 1

        outcome = _run(lambda: _Noisy(SlowToCopy()), signals, EARLY_AND_LATE, keep)
        assert hours[0] == 2 * 3 + 2
        assert [snapshot.seconds for snapshot in kept] == pytest.approx([3600] * 2, abs=60)
        assert outcome.phases.pop("calibrate") == pytest.approx(3600, abs=60)
        assert sum(outcome.phases.values()) < 60
        assert outcome.history[-1]["seconds"] < 60


class TestInterrupted:
    SHARES = (0.2, 0.4, 0.6, 0.8)

    @pytest.mark.parametrize("stops", [(1,), (3,), (5,), (2, 4), (3, 3)])
    def test_gives_the_same_snapshots_each_once(
        self, signals: NDArray[np.float16], tmp_path: Path, stops: tuple[int, ...]
    ) -> None:
        """Stopped before an epoch's snapshot, with a checkpoint of the epoch before."""
        undisturbed, expected = _kept(_noisy, signals, self.SHARES, epochs=5)
        path, kept = tmp_path / "checkpoint", list[Snapshot]()
        more: dict[str, Any] = {"epochs": 5, "checkpoint": path}
        for epoch in stops:
            with pytest.raises(_StopError):
                _run(_noisy, signals, self.SHARES, kept.append, stop_in=epoch, **more)
            assert [s.epoch for s in kept] == list(range(1, epoch))
        outcome = _run(_noisy, signals, self.SHARES, kept.append, **more)
        assert _weights(outcome.encoder) == _weights(undisturbed.encoder)
        for one, other in zip(kept, expected, strict=True):
            assert (one.share, one.epoch, one.updates) == (other.share, other.epoch, other.updates)
            assert _weights(one.encoder) == _weights(other.encoder)
        # The seconds of before count.
        assert [s.seconds for s in kept] == sorted(s.seconds for s in kept)

    def test_without_a_checkpoint_they_come_again(
        self, signals: NDArray[np.float16], tmp_path: Path
    ) -> None:
        rare = EngineSettings(checkpoint_s=1000)
        more: dict[str, Any] = {"checkpoint": tmp_path / "checkpoint", "engine": rare}
        kept: list[Snapshot] = []
        with pytest.raises(_StopError):
            _run(_noisy, signals, EARLY_AND_LATE, kept.append, stop_in=3, **more)
        _run(_noisy, signals, EARLY_AND_LATE, kept.append, **more)
        assert [s.epoch for s in kept] == [1, 1, 3]
        assert _weights(kept[0].encoder) == _weights(kept[1].encoder)

    def test_is_kept_before_the_checkpoint_of_its_epoch(
        self, signals: NDArray[np.float16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that nothing that ends the process between the two can lose it."""
        events: list[tuple[str, int]] = []
        monkeypatch.setattr(
            loop,
            "save_checkpoint",
            lambda *given: events.append(("checkpoint", len(given[-1].history))),
        )
        _run(
            _noisy,
            signals,
            EARLY_AND_LATE,
            lambda snapshot: events.append(("snapshot", snapshot.epoch)),
            checkpoint=tmp_path / "checkpoint",
        )
        assert events == [
            *(("snapshot", 1), ("checkpoint", 1)),
            ("checkpoint", 2),
            *(("snapshot", 3), ("checkpoint", 3)),
        ]

    def test_while_it_is_kept(self, signals: NDArray[np.float16], tmp_path: Path) -> None:
        """Then the epoch is gone through again, and the snapshot comes again."""
        path, kept = tmp_path / "checkpoint", list[Snapshot]()

        def interrupted(snapshot: Snapshot) -> None:
            kept.append(snapshot)
            if snapshot.epoch == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _run(_noisy, signals, EARLY_AND_LATE, interrupted, checkpoint=path)
        outcome = _run(_noisy, signals, EARLY_AND_LATE, kept.append, checkpoint=path)
        assert outcome.how.resumed_at == 2
        assert [s.epoch for s in kept] == [1, 3, 3]
        assert _weights(kept[1].encoder) == _weights(kept[2].encoder)
