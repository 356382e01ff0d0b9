"""The host loop: what equal seeds promise, what every method gets alike, what it refuses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin import create_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import EpochDone, PretrainOutcome, Report
from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings
from lcd_plugin.pretrain.step import lr_factor

RECORDS, LEADS, TIME = 40, 3, 64
PRETRAINING = [n for n in METHODS.names() if METHODS.spec(n).kind == "pretraining"]
SHORT = {"epochs": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, TIME)
    rate = np.linspace(2, 20, RECORDS)[:, None, None]
    phase = rng.uniform(0, 6.28, (RECORDS, LEADS, 1))
    waves = np.sin(6.28 * rate * time + phase) + 0.05 * rng.standard_normal((RECORDS, LEADS, TIME))
    return waves.astype(np.float16)


def _build(name: str) -> Callable[[], Method]:
    return lambda: METHODS.load(name)(create_encoder("vgg16_1d", width=0.05))


def _run(
    build: Callable[[], Method],
    signals: np.ndarray,
    *,
    seed: int = 0,
    train: bool = True,
    precision: Any = "fp32",
    views: ViewSettings | None = None,
    progress: Report = lambda done: None,
    **settings: Any,
) -> PretrainOutcome:
    return pretrain(
        build,
        signals,
        PretrainSettings(**(SHORT | settings)),
        views or ViewSettings(),
        seed=seed,
        device=torch.device("cpu"),
        precision=precision,
        train=train,
        progress=progress,
    )


def _same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) for k in a)


def _timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


class TestSeed:
    @pytest.mark.parametrize("name", PRETRAINING)
    def test_equal_seeds_give_the_same_bits(self, name: str, signals: np.ndarray) -> None:
        torch.manual_seed(1)
        one = _run(_build(name), signals, seed=3)
        torch.manual_seed(2)
        other = _run(_build(name), signals, seed=3)
        assert _same(one.encoder, other.encoder)
        assert _timeless(one.history) == _timeless(other.history)

    def test_another_seed_gives_another_encoder(self, signals: np.ndarray) -> None:
        one, other = (_run(_build("lcd"), signals, seed=seed) for seed in (0, 1))
        assert not _same(one.encoder, other.encoder)
        assert one.history[0]["loss"] != other.history[0]["loss"]

    def test_all_methods_start_from_one_encoder(self, signals: np.ndarray) -> None:
        starts = [
            _run(_build(name), signals, seed=5, train=False).encoder for name in METHODS.names()
        ]
        assert len(starts) > 4
        assert all(_same(starts[0], other) for other in starts[1:])
        assert not _same(starts[0], _run(_build("lcd"), signals, seed=6, train=False).encoder)

    @pytest.mark.parametrize("train", [True, False])
    def test_the_callers_random_state_is_left_alone(self, signals: np.ndarray, train: bool) -> None:
        torch.manual_seed(7)
        before = torch.get_rng_state()
        _run(_build("lcd"), signals, train=train)
        assert torch.equal(torch.get_rng_state(), before)

    def test_randomness_of_a_methods_own_is_seeded_too(self, signals: np.ndarray) -> None:
        """Masking or dropout in a method draws from torch's own generator."""
        losses = []
        for callers_seed in (1, 2):
            torch.manual_seed(callers_seed)
            before = torch.get_rng_state()
            losses.append(_timeless(_run(_noisy, signals, seed=3).history))
            assert torch.equal(torch.get_rng_state(), before)
        assert losses[0] == losses[1]


class TestTraining:
    @pytest.mark.parametrize("name", PRETRAINING)
    def test_history_has_a_row_an_epoch(self, name: str, signals: np.ndarray) -> None:
        seen: list[EpochDone] = []
        outcome = _run(_build(name), signals, epochs=3, progress=seen.append)
        rows = outcome.history
        assert [row["epoch"] for row in rows] == [1, 2, 3]
        assert [row["updates"] for row in rows] == [5, 10, 15]
        assert outcome.updates == 15
        assert all(math.isfinite(v) for row in rows for v in row.values())
        assert all(0 < row["embedding_std"] <= 1 for row in rows)
        assert all(1 <= row["effective_rank"] < len(signals) for row in rows)
        assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
        assert [done[:3] for done in seen] == [(row["epoch"], 3, row["loss"]) for row in rows]
        assert seen[-1].records_per_s == outcome.records_per_s
        assert all(row["learning_rate"] == pytest.approx(1e-3) for row in rows)

    def test_terms_of_the_method_are_in_the_history(self, signals: np.ndarray) -> None:
        (row,) = _run(_build("lcd"), signals, epochs=1).history
        terms = ["intra_correlation", "inter_correlation"]
        terms += ["intra_decorrelation", "inter_decorrelation"]
        assert sum(row[term] for term in terms) == pytest.approx(row["loss"], rel=1e-5)

    def test_loss_falls(self, signals: np.ndarray) -> None:
        history = _run(_build("simclr"), signals, epochs=8, batch_size=20).history
        assert history[-1]["loss"] < history[0]["loss"]

    def test_encoder_is_trained_and_ready_to_use(self, signals: np.ndarray) -> None:
        outcome = _run(_build("lcd"), signals, seed=1)
        start = _run(_build("lcd"), signals, seed=1, train=False).encoder
        trained = dict(outcome.encoder.named_parameters())
        # Biases before batch norm need not move, kernels do.
        assert not any(
            torch.equal(trained[k], v) for k, v in start.named_parameters() if v.dim() > 1
        )
        assert not any(m.training for m in outcome.encoder.modules())

    @pytest.mark.parametrize(("precision", "dtype"), [("bf16", "bfloat16"), ("fp32", "float32")])
    def test_precision_is_that_of_the_convolutions(
        self, precision: str, dtype: str, signals: np.ndarray
    ) -> None:
        seen: list[torch.dtype] = []

        class Watched(_Recorder):
            def training_step(self, views: list[Tensor]) -> StepOutput:
                assert views[0].dtype == torch.float32, "views are not rounded"
                features = self.encoder(views[0])
                seen.append(features.dtype)
                return StepOutput(features.float().square().mean(), {})

        _run(lambda: Watched(create_encoder("vgg16_1d"), []), signals, precision=precision)
        assert set(seen) == {getattr(torch, dtype)}

    def test_bf16_is_near_fp32_but_not_equal(self, signals: np.ndarray) -> None:
        exact, rounded = (
            _run(_build("lcd"), signals, epochs=1, precision=p) for p in ("fp32", "bf16")
        )
        assert all(p.dtype == torch.float32 for p in rounded.encoder.parameters())
        assert rounded.history[0]["loss"] == pytest.approx(exact.history[0]["loss"], rel=0.05)
        assert rounded.history[0]["loss"] != exact.history[0]["loss"]

    def test_speed_and_phases(self, signals: np.ndarray) -> None:
        outcome = _run(_build("lcd"), signals)
        assert set(outcome.phases) == {"load", "steps", "monitor", "calibrate"}
        assert all(seconds > 0 for seconds in outcome.phases.values())
        assert outcome.records_per_s == pytest.approx(2 * 40 / outcome.phases["steps"])
        assert outcome.peak_memory_mb > 10

    def test_signals_are_left_as_they_were(self, signals: np.ndarray) -> None:
        before = signals.copy()
        _run(_build("lcd"), signals, epochs=1)
        assert np.array_equal(signals, before)

    def test_views_are_as_the_settings_say(self, signals: np.ndarray) -> None:
        seen: list[Tensor] = []

        class Watched(_Recorder):
            def training_step(self, views: list[Tensor]) -> StepOutput:
                seen.append(views[0])
                return StepOutput(self.encoder(views[0]).square().mean(), {})

        _run(
            lambda: Watched(create_encoder("vgg16_1d", width=0.05), []),
            np.ones_like(signals),
            views=ViewSettings(crop=(0.5, 0.5), time_out=(0.25, 0.25), gain=(2.0, 8.0)),
            epochs=1,
        )
        levels = torch.cat(seen)[:, 0]
        assert ((levels == 0).sum(dim=1) == TIME // 4).all()
        loudest = levels.amax(dim=1)
        assert ((levels == 0) | (levels == loudest[:, None])).all()
        assert 2 <= loudest.min() < 4 < loudest.max() <= 8.001
        assert len(torch.unique(loudest)) == RECORDS


class TestRandomBaseline:
    def test_is_not_updated(self, signals: np.ndarray) -> None:
        outcome = _run(_build("random"), signals, train=False, seed=4)
        assert outcome.updates == 0
        assert outcome.history == []
        assert outcome.records_per_s is None
        torch.manual_seed(4)
        fresh = dict(create_encoder("vgg16_1d", width=0.05).named_parameters())
        assert all(torch.equal(p, fresh[k]) for k, p in outcome.encoder.named_parameters())

    @pytest.mark.parametrize("wanted", [True, False])
    def test_is_calibrated_in_any_case(self, signals: np.ndarray, wanted: bool) -> None:
        encoder = _run(_build("random"), signals, train=False, calibrate_batch_norm=wanted).encoder
        weight, bias = list(encoder.parameters())[:2]
        records = torch.from_numpy(signals).float().reshape(-1, 1, TIME)
        values = F.conv1d(records, weight, bias, padding=1).permute(1, 0, 2).flatten(1)
        mean, variance = list(encoder.buffers())[:2]
        torch.testing.assert_close(mean, values.mean(dim=1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(variance, values.var(dim=1), rtol=1e-4, atol=1e-5)


def test_calibration_changes_statistics_and_no_weights(signals: np.ndarray) -> None:
    with_it, without = (
        _run(_build("lcd"), signals, calibrate_batch_norm=wanted).encoder
        for wanted in (True, False)
    )
    a, b = dict(with_it.named_parameters()), dict(without.named_parameters())
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(next(with_it.buffers()), next(without.buffers()))


class _Recorder(Method):
    """A method that notes which records it is shown; a signal is its record's number."""

    views = "a"

    def __init__(self, encoder: nn.Module, seen: list[list[int]]) -> None:
        super().__init__(encoder)
        self.seen = seen
        self.after = 0

    def training_step(self, views: list[Tensor]) -> StepOutput:
        self.seen.append([round(float(x)) for x in views[0][:, 0, 0]])
        return StepOutput(self.encoder(views[0]).square().mean(), {})

    def after_step(self) -> None:
        self.after += 1


def _noisy() -> Method:
    class Noisy(_Recorder):
        def training_step(self, views: list[Tensor]) -> StepOutput:
            noise = torch.randn_like(views[0])
            return StepOutput(self.encoder(views[0] + noise).square().mean(), {})

    return Noisy(create_encoder("vgg16_1d", width=0.05), [])


class TestOrder:
    UNTOUCHED = ViewSettings(crop=(1.0, 1.0), time_out=(0.0, 0.0))

    def _seen(self, records: int, seed: int = 0, **settings: Any) -> list[list[int]]:
        numbers = np.arange(records, dtype=np.float16)[:, None, None]
        seen: list[list[int]] = []
        _run(
            lambda: _Recorder(create_encoder("vgg16_1d", width=0.05), seen),
            np.broadcast_to(numbers, (records, 2, 32)).copy(),
            seed=seed,
            views=self.UNTOUCHED,
            **settings,
        )
        return seen

    def test_an_epoch_shows_every_record_at_most_once_in_whole_batches(self) -> None:
        seen = self._seen(22, epochs=3, batch_size=5)
        assert [len(batch) for batch in seen] == [5] * 12
        epochs = [list(itertools.chain(*seen[i : i + 4])) for i in (0, 4, 8)]
        assert all(len(set(epoch)) == 20 for epoch in epochs)
        assert epochs[0] != epochs[1] != epochs[2]
        # The records that do not fit are others every time.
        assert set(epochs[0]) != set(epochs[1]) or set(epochs[1]) != set(epochs[2])

    def test_the_seed_decides_the_order(self) -> None:
        assert self._seen(12, seed=1) == self._seen(12, seed=1)
        assert self._seen(12, seed=1) != self._seen(12, seed=2)

    def test_after_step_follows_every_update(self) -> None:
        made: list[_Recorder] = []

        def build() -> Method:
            made.append(_Recorder(create_encoder("vgg16_1d", width=0.05), []))
            return made[0]

        outcome = _run(build, np.zeros((12, 2, 32), np.float16), epochs=2, batch_size=4)
        assert made[0].after == outcome.updates == 6


class TestRefused:
    def test_batch_larger_than_the_data(self, signals: np.ndarray) -> None:
        with pytest.raises(ConfigError, match="batch size 41 is larger than the 40") as error:
            _run(_build("lcd"), signals, batch_size=41)
        assert "--batch-size 40" in str(error.value)

    def test_an_untrained_baseline_has_no_batches(self, signals: np.ndarray) -> None:
        assert _run(_build("lcd"), signals, batch_size=41, train=False).updates == 0

    def test_batch_as_large_as_the_data(self, signals: np.ndarray) -> None:
        assert _run(_build("lcd"), signals, epochs=1, batch_size=40).updates == 1

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_loss_that_is_not_finite(self, signals: np.ndarray, value: float) -> None:
        class Broken(_Recorder):
            def training_step(self, views: list[Tensor]) -> StepOutput:
                return StepOutput(self.encoder(views[0]).mean() * value, {})

        with pytest.raises(FloatingPointError, match="epoch 1"):
            _run(lambda: Broken(create_encoder("vgg16_1d", width=0.05), []), signals)


class TestLearningRate:
    @staticmethod
    def _factors(epochs: int, steps: int, **settings: Any) -> list[float]:
        factor = lr_factor(PretrainSettings(epochs=epochs, **settings), steps)
        return [factor(update) for update in range(epochs * steps + 1)]

    def test_constant(self) -> None:
        assert self._factors(3, 4) == [1.0] * 13

    def test_cosine_falls_from_one_to_zero(self) -> None:
        factors = self._factors(5, 4, schedule="cosine")
        expected = [0.5 * (1 + np.cos(np.pi * k / 20)) for k in range(21)]
        np.testing.assert_allclose(factors, expected, atol=1e-12)

    def test_warmup_rises_linearly_and_never_starts_at_zero(self) -> None:
        factors = self._factors(4, 5, warmup_epochs=2)
        np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
        assert factors[10:] == [1.0] * 11

    def test_warmup_then_cosine(self) -> None:
        factors = self._factors(4, 5, warmup_epochs=1, schedule="cosine")
        np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
        assert factors[5] == 1.0
        assert all(x > y for x, y in itertools.pairwise(factors[5:]))
        assert factors[-1] == pytest.approx(0, abs=1e-12)

    def test_warmup_of_part_of_an_epoch(self) -> None:
        np.testing.assert_allclose(
            self._factors(1, 8, warmup_epochs=0.5)[:5], [0.25, 0.5, 0.75, 1, 1]
        )

    @pytest.mark.parametrize("schedule", ["constant", "cosine"])
    def test_warmup_longer_than_the_budget(self, schedule: str) -> None:
        factors = self._factors(1, 4, warmup_epochs=2, schedule=schedule)
        np.testing.assert_allclose(factors[:4], [1 / 8, 2 / 8, 3 / 8, 4 / 8])

    def test_schedule_advances_with_the_updates(self, signals: np.ndarray) -> None:
        schedule: dict[str, Any] = {"schedule": "cosine", "warmup_epochs": 3}
        history = _run(_build("simclr"), signals, epochs=7, batch_size=20, **schedule).history
        rates = [row["learning_rate"] for row in history]
        assert rates[0] < rates[1] < rates[2] == max(rates) <= 1e-3
        assert all(x > y for x, y in itertools.pairwise(rates[2:]))
        assert rates[-1] < 1e-4

    def test_schedule_reaches_the_optimiser(self, signals: np.ndarray) -> None:
        """With a warmup that has hardly begun, almost nothing is learned."""
        kernels = []
        for warmup in (0.0, 1e6):
            outcome = _run(_build("lcd"), signals, epochs=1, seed=2, warmup_epochs=warmup)
            kernels.append(next(outcome.encoder.parameters()))
        start = next(_run(_build("lcd"), signals, seed=2, train=False).encoder.parameters())
        moved = [(k - start).abs().max().item() for k in kernels]
        assert moved[1] < 1e-3 * moved[0]
