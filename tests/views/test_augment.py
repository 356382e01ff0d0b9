"""Augmentations of a batch against the same done record by record with numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from lcd_plugin.views import random_gain, random_resized_crop, time_out

RECORDS = 2000
# With fixed seeds the outcome is fixed; this is how unlikely a draw would have to be to fail.
UNLIKELY = 1e-3


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _ramps(batch: int, leads: int, time: int) -> torch.Tensor:
    """Signals whose value is the time: a crop of them is the positions it was read at."""
    return torch.arange(time, dtype=torch.float32).expand(batch, leads, time).clone()


def _crops(keep: tuple[float, float], time: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Share kept and relative place of many crops, both between 0 and 1."""
    positions = random_resized_crop(_ramps(RECORDS, 1, time), keep, _generator()).numpy()[:, 0]
    span = positions[:, -1] - positions[:, 0]
    room = time - 1 - span
    return span / (time - 1), positions[:, 0] / np.where(room > 1e-3, room, np.nan)


class TestRandomResizedCrop:
    @pytest.mark.parametrize("keep", [(0.5, 1.0), (0.1, 0.3), (0.7, 0.7)])
    @pytest.mark.parametrize("time", [2, 7, 200])
    def test_equals_interpolation_record_by_record(
        self, keep: tuple[float, float], time: int
    ) -> None:
        batch = 20
        noise = torch.randn(batch, 2, time, generator=_generator(1))
        signals = torch.cat([_ramps(batch, 1, time), noise], dim=1)
        cropped = random_resized_crop(signals, keep, _generator()).numpy()
        for record in range(batch):
            start, end = cropped[record, 0, 0], cropped[record, 0, -1]
            positions = np.linspace(start, end, time)
            for lead in (1, 2):
                expected = np.interp(positions, np.arange(time), signals[record, lead].numpy())
                np.testing.assert_allclose(cropped[record, lead], expected, atol=2e-3)

    def test_positions_stay_within_the_record_and_rise_evenly(self) -> None:
        time = 300
        positions = random_resized_crop(_ramps(500, 1, time), (0.05, 1.0), _generator()).numpy()
        assert positions.min() >= 0
        assert positions.max() <= time - 1
        steps = np.diff(positions[:, 0], axis=1)
        assert (steps > 0).all()
        np.testing.assert_allclose(steps, steps.mean(axis=1, keepdims=True) + 0 * steps, atol=1e-3)

    @pytest.mark.parametrize("keep", [(0.5, 1.0), (0.2, 0.4)])
    def test_share_and_place_are_uniform_and_independent(self, keep: tuple[float, float]) -> None:
        share, place = _crops(keep)
        assert share.min() >= keep[0] - 1e-5
        assert share.max() <= keep[1] + 1e-5
        uniform = stats.uniform(loc=keep[0], scale=keep[1] - keep[0])
        assert stats.kstest(share, uniform.cdf).pvalue > UNLIKELY
        known = np.isfinite(place)
        assert stats.kstest(place[known], stats.uniform.cdf).pvalue > UNLIKELY
        assert stats.spearmanr(share[known], place[known]).pvalue > UNLIKELY

    def test_keeping_everything_changes_nothing(self) -> None:
        signals = torch.randn(4, 2, 100, generator=_generator())
        torch.testing.assert_close(
            random_resized_crop(signals, (1.0, 1.0)), signals, atol=1e-4, rtol=0
        )

    def test_constant_signals_stay_constant(self) -> None:
        levels = torch.randn(6, 3, 1, generator=_generator())
        signals = levels.expand(6, 3, 64).clone()
        assert torch.equal(random_resized_crop(signals, (0.3, 0.9), _generator()), signals)

    def test_ramps_stay_ramps(self) -> None:
        slopes = torch.tensor([[[1.0]], [[-2.0]], [[0.25]]])
        cropped = random_resized_crop(slopes * _ramps(3, 1, 128), (0.4, 0.8), _generator())
        steps = cropped.double().diff(dim=2)
        expected = (cropped[:, :, -1:] - cropped[:, :, :1]).double() / 127
        torch.testing.assert_close(steps, expected.expand_as(steps), atol=1e-4, rtol=0)

    def test_all_leads_of_a_record_are_cropped_alike_and_records_are_not(self) -> None:
        cropped = random_resized_crop(_ramps(8, 5, 90), (0.5, 0.9), _generator())
        assert torch.equal(cropped, cropped[:, :1].expand_as(cropped))
        assert len(torch.unique(cropped[:, 0, 0])) == 8


def _silences(
    span: tuple[float, float], time: int = 1024, batch: int = RECORDS
) -> tuple[np.ndarray, np.ndarray]:
    """Length and start of the silence of many records, in samples; checks that it is one run."""
    silent = time_out(torch.ones(batch, 1, time), span, _generator()).numpy()[:, 0] == 0
    edges = np.diff(np.pad(silent.astype(int), ((0, 0), (1, 1))), axis=1)
    starts = (edges == 1).sum(axis=1)
    length = silent.sum(axis=1)
    assert np.array_equal(starts, length > 0), "a silence is one run of samples"
    return length, (edges == 1).argmax(axis=1)


class TestTimeOut:
    @pytest.mark.parametrize("span", [(0.0, 0.5), (0.2, 0.9)])
    def test_length_and_place_are_uniform(self, span: tuple[float, float]) -> None:
        time = 1024
        length, start = _silences(span, time)
        assert length.min() >= round(span[0] * time)
        assert length.max() <= round(span[1] * time)
        uniform = stats.uniform(loc=span[0] * time, scale=(span[1] - span[0]) * time)
        assert stats.kstest(length, uniform.cdf).pvalue > UNLIKELY
        some = length > 0
        place = start[some] / (time - length[some])
        assert stats.kstest(place, stats.uniform.cdf).pvalue > UNLIKELY
        assert stats.spearmanr(length[some], place).pvalue > UNLIKELY

    def test_a_fixed_share_silences_exactly_that_many_samples(self) -> None:
        length, _ = _silences((0.25, 0.25), time=200, batch=50)
        assert (length == 50).all()

    def test_nothing_and_everything(self) -> None:
        signals = torch.randn(5, 2, 40, generator=_generator())
        assert torch.equal(time_out(signals, (0.0, 0.0), _generator()), signals)
        assert not time_out(signals, (1.0, 1.0), _generator()).any()

    def test_what_is_not_silenced_is_untouched(self) -> None:
        signals = torch.randn(50, 3, 100, generator=_generator(1)) + 10
        after = time_out(signals, (0.1, 0.6), _generator())
        kept = after != 0
        assert torch.equal(after[kept], signals[kept])
        assert 0 < (~kept).sum() < kept.numel()

    def test_all_leads_of_a_record_are_silenced_alike_and_records_are_not(self) -> None:
        silent = time_out(torch.ones(30, 4, 100), (0.3, 0.3), _generator()) == 0
        assert torch.equal(silent, silent[:, :1].expand_as(silent))
        assert len(torch.unique(silent[:, 0], dim=0)) > 10


class TestRandomGain:
    @pytest.mark.parametrize("factors", [(0.5, 2.0), (0.9, 1.1), (3.0, 50.0)])
    def test_the_logarithm_is_uniform(self, factors: tuple[float, float]) -> None:
        gained = random_gain(torch.ones(RECORDS, 1, 2), factors, _generator()).numpy()[:, 0]
        assert np.array_equal(gained[:, 0], gained[:, 1])
        assert gained.min() >= factors[0] * (1 - 1e-6)
        assert gained.max() <= factors[1] * (1 + 1e-6)
        low, high = np.log(factors)
        uniform = stats.uniform(loc=low, scale=high - low)
        assert stats.kstest(np.log(gained[:, 0]), uniform.cdf).pvalue > UNLIKELY
        if factors[1] > 2 * factors[0]:  # so far apart, the test would see a uniform factor
            plain = stats.uniform(loc=factors[0], scale=factors[1] - factors[0])
            assert stats.kstest(gained[:, 0], plain.cdf).pvalue < UNLIKELY

    def test_a_record_is_multiplied_and_nothing_else(self) -> None:
        signals = torch.randn(20, 3, 50, generator=_generator(1))
        gained = random_gain(signals, (0.2, 5.0), _generator()).double().numpy()
        for before, after in zip(signals.double().numpy(), gained, strict=True):
            factor = (before * after).sum() / (before * before).sum()
            np.testing.assert_allclose(after, factor * before, rtol=1e-5, atol=1e-7)

    def test_all_leads_of_a_record_are_amplified_alike_and_records_are_not(self) -> None:
        gained = random_gain(torch.ones(30, 4, 10), (0.5, 2.0), _generator())
        assert torch.equal(gained, gained[:, :1, :1].expand_as(gained))
        factors = gained[:, 0, 0].numpy()
        assert len(np.unique(factors)) == 30
        assert stats.spearmanr(factors[:-1], factors[1:]).pvalue > UNLIKELY

    def test_a_fixed_factor(self) -> None:
        signals = torch.randn(5, 2, 40, generator=_generator())
        assert torch.equal(random_gain(signals, (1.0, 1.0)), signals)
        assert torch.equal(random_gain(signals, (4.0, 4.0)), 4 * signals)

    @pytest.mark.parametrize("bad", [(0.0, 1.0), (1.0, float("inf")), (float("nan"), 1.0)])
    def test_factors_are_positive_and_finite(self, bad: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="factors must be a range of positive, finite"):
            random_gain(torch.zeros(2, 1, 10), bad)


ALL: list[Callable[..., torch.Tensor]] = [random_resized_crop, time_out, random_gain]


@pytest.mark.parametrize("augment", ALL)
class TestAll:
    def test_input_is_left_as_it_was(self, augment: Callable[..., torch.Tensor]) -> None:
        signals = torch.randn(4, 2, 50, generator=_generator())
        before = signals.clone()
        after = augment(signals, (0.4, 0.5), _generator())
        assert torch.equal(signals, before)
        assert not torch.equal(after, before)
        assert after.shape == before.shape

    def test_output_shares_no_memory_with_the_input(
        self, augment: Callable[..., torch.Tensor]
    ) -> None:
        signals = torch.ones(2, 1, 20)
        augment(signals, (1.0, 1.0), _generator()).fill_(7.0)
        assert torch.equal(signals, torch.ones(2, 1, 20))

    def test_generator_decides(self, augment: Callable[..., torch.Tensor]) -> None:
        signals = torch.randn(6, 1, 80, generator=_generator())
        torch.manual_seed(0)
        first = augment(signals, (0.3, 0.5), _generator(5))
        torch.manual_seed(1)
        assert torch.equal(augment(signals, (0.3, 0.5), _generator(5)), first)
        assert not torch.equal(augment(signals, (0.3, 0.5), _generator(6)), first)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_precision_is_kept(
        self, augment: Callable[..., torch.Tensor], dtype: torch.dtype
    ) -> None:
        assert augment(torch.ones(2, 1, 20, dtype=dtype), (0.5, 0.5)).dtype == dtype

    @pytest.mark.parametrize("shape", [(10,), (2, 10), (1, 2, 3, 10), (2, 3, 1)])
    def test_other_shapes_are_refused(
        self, augment: Callable[..., torch.Tensor], shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(ValueError, match=r"\(batch, leads, time\)") as error:
            augment(torch.zeros(shape))
        assert str(shape) in str(error.value)

    @pytest.mark.parametrize("bad", [(0.6, 0.5), (-0.1, 0.5), (0.5, float("nan"))])
    def test_what_is_no_range_is_refused(
        self, augment: Callable[..., torch.Tensor], bad: tuple[float, float]
    ) -> None:
        with pytest.raises(ValueError, match="must be a range"):
            augment(torch.zeros(2, 1, 10), bad)


@pytest.mark.parametrize("augment", [random_resized_crop, time_out])
def test_a_share_is_at_most_one(augment: Callable[..., torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="must be a range"):
        augment(torch.zeros(2, 1, 10), (0.5, 1.1))


def test_a_crop_cannot_keep_nothing_but_a_silence_can_be_empty() -> None:
    with pytest.raises(ValueError, match="keep must be a range"):
        random_resized_crop(torch.zeros(2, 1, 10), (0.0, 0.5))
    time_out(torch.zeros(2, 1, 10), (0.0, 0.5))
