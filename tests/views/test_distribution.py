"""Batched views against one record at a time: what is drawn, and what is computed from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal, stats

from lcd_plugin import MultiLeadViews
from lcd_plugin.views.augment import resized_crop

RECORDS = 1500
# With fixed seeds the outcome is fixed; this is how unlikely a draw would have to be to fail.
UNLIKELY = 1e-3


class TestDistributionOfViews:
    """Crops and silences of `MultiLeadViews` have the distribution of one record at a time."""

    TIME = 256
    CROP, TIME_OUT = (0.5, 0.9), (0.1, 0.5)

    def _plain(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Two views of one record, whose signal is the time: crop it, stretch it, silence it."""
        views = []
        for _ in range(2):
            width = rng.uniform(*self.CROP) * (self.TIME - 1)
            start = rng.uniform(0, self.TIME - 1 - width)
            ramp = np.arange(1.0, self.TIME + 1)
            view = np.interp(
                np.linspace(start, start + width, self.TIME), np.arange(self.TIME), ramp
            )
            silent = round(rng.uniform(*self.TIME_OUT) * self.TIME)
            first = rng.integers(0, self.TIME - silent, endpoint=True)
            view[first : first + silent] = 0
            views.append(view)
        return np.array(views)

    def _measured(self, view: NDArray[np.float64]) -> dict[str, float]:
        """What was done to a signal that is the time from 1 on, read off the result."""
        kept = np.flatnonzero(view)
        slope = (view[kept[-1]] - view[kept[0]]) / (kept[-1] - kept[0])
        start = view[kept[0]] - 1 - slope * kept[0]
        silent = np.flatnonzero(view == 0)
        assert len(silent) == silent[-1] - silent[0] + 1
        width = slope * (self.TIME - 1)
        return {
            "share": width / (self.TIME - 1),
            "place": start / (self.TIME - 1 - width),
            "silent": len(silent),
            "silent_place": silent[0] / (self.TIME - len(silent)),
        }

    def test_is_that_of_a_plain_loop(self) -> None:
        rng = np.random.default_rng(5)
        plain = np.array([self._plain(rng) for _ in range(RECORDS)])
        ramps = torch.arange(1.0, self.TIME + 1).expand(RECORDS, 1, self.TIME)
        draw = torch.Generator().manual_seed(5)
        made = MultiLeadViews("aa", self.CROP, self.TIME_OUT)(ramps, draw)
        ours = torch.cat(made, dim=1).double().numpy()
        measured = [
            [[self._measured(view) for view in views] for views in each] for each in (ours, plain)
        ]
        for name in ("share", "place", "silent", "silent_place"):
            one, other = (np.array([[v[name] for v in views] for views in m]) for m in measured)
            for view in (0, 1):
                assert stats.ks_2samp(one[:, view], other[:, view]).pvalue > UNLIKELY, name
            # The views of a record know nothing of each other.
            assert stats.spearmanr(one[:, 0], one[:, 1]).pvalue > UNLIKELY, name
            # That the test would see another distribution.
            assert stats.ks_2samp(one[:, 0] * 1.1, other[:, 0]).pvalue < UNLIKELY, name
        assert (
            stats.spearmanr(
                [v[0]["share"] for v in measured[0]], [v[0]["silent"] for v in measured[0]]
            ).pvalue
            > UNLIKELY
        )


class TestValues:
    """Linear interpolation is wrong by at most a share of (pi f / rate)^2 / 2 of a wave of f Hz."""

    RATE, TIME = 100, 1000

    @pytest.mark.parametrize("frequency", [1, 5, 10, 20])
    def test_error_is_what_theory_allows(self, frequency: float) -> None:
        share, place = torch.rand(2, 50, 1, generator=torch.Generator().manual_seed(0))
        t = torch.arange(self.TIME) / self.RATE
        waves = torch.sin(2 * torch.pi * frequency * t).expand(50, 1, -1)
        cropped = resized_crop(waves, (0.5, 1.0), share, place).numpy()[:, 0]
        span = (0.5 + 0.5 * share.double().numpy()) * (self.TIME - 1)
        start = place.double().numpy() * (self.TIME - 1 - span)
        read = start + span * np.linspace(0, 1, self.TIME)
        error = np.abs(cropped - np.sin(2 * np.pi * frequency * read / self.RATE))
        bound = (np.pi * frequency / self.RATE) ** 2 / 2
        assert 0.5 * bound < error.max() < bound + 1e-3

    def test_is_near_scipys_fourier_resampling_of_the_same_samples(self) -> None:
        """Smooth waves that repeat within the span, which is what a Fourier series assumes."""
        time, kept, first = 1000, 600, 150
        cycle = np.arange(kept) / kept
        wave = np.sin(2 * np.pi * 20 * cycle) + 0.5 * np.cos(2 * np.pi * 45 * cycle)
        record = np.zeros(time)
        record[first : first + kept] = wave
        expected = signal.resample(wave, time)
        # A crop goes from its first sample to its last; scipy's grid ends before the next period.
        last = kept - 1
        share = torch.tensor([[(last / (time - 1) - 0.5) / 0.5]])
        place = torch.tensor([[first / (time - 1 - last)]])
        cropped = resized_crop(torch.tensor(record)[None, None], (0.5, 1.0), share, place)[0, 0]
        grid = np.arange(time) * kept / time
        ours = np.interp(grid, np.linspace(0, last, time), cropped.numpy())[grid <= last]
        assert np.abs(ours - expected[grid <= last]).max() < 0.05 * np.abs(wave).max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_inside_autocast_too(dtype: torch.dtype) -> None:
    signals = torch.randn(6, 4, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    views = MultiLeadViews("ab*")
    leads = views.leads(4, 6, torch.Generator().manual_seed(1))
    draws = views.draw(6, torch.Generator().manual_seed(2))
    rows = torch.arange(6)[:, None]
    expected = views.augment(signals.float()[rows, leads], draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = views.augment(signals[rows, leads], draws)
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))
