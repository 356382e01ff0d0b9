"""The deletion curve against a naive loop, and against attributions that are right and wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.explain.deletion import deletion_curve


class Energy(nn.Module):
    """Scores: the energy of all leads, and that of 20 samples."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, signals: Tensor) -> Tensor:
        square = self.weight * signals.square().sum(dim=1)
        return torch.stack([square.sum(dim=1), square[:, 40:60].sum(dim=1)], dim=1)


def record() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)


def test_the_fall_is_that_of_a_naive_deletion():
    signal, attribution = record(), record() ** 2
    for point in deletion_curve(Energy(), signal, 0, attribution, draws=5):
        left = signal.copy()
        total = attribution.sum(axis=0)
        for moment in sorted(range(200), key=lambda i: -total[i])[: round(point.share * 200)]:
            left[:, moment] = 0
        fall = (signal**2).sum() - (left**2).sum()
        assert point.fall == pytest.approx(fall, rel=1e-4)


def test_right_attributions_beat_other_moments_and_wrong_ones_do_not():
    signal = record()
    right, wrong = np.zeros((3, 200)), np.zeros((3, 200))
    right[0, 40:60] = 1
    wrong[0, 120:140] = 1
    [good] = deletion_curve(Energy(), signal, 1, right, shares=(0.1,))
    [bad] = deletion_curve(Energy(), signal, 1, wrong, shares=(0.1,))
    whole = (signal[:, 40:60] ** 2).sum()
    assert good.fall == pytest.approx(whole, rel=1e-4)
    assert good.beaten == 1
    # The interval is a tenth of the record: so is what a random tenth takes of it, on average.
    assert good.random_fall == pytest.approx(0.1 * whole, rel=0.7)
    assert bad.fall == pytest.approx(0, abs=1e-4)
    assert bad.beaten == 0


def test_random_moments_keep_the_spans_and_the_same_seed_gives_the_same_numbers():
    signal = np.ones((1, 200), dtype=np.float32)
    attribution = np.random.default_rng(3).normal(size=(1, 200))
    first, second = (deletion_curve(Energy(), signal, 0, attribution, seed=4) for _ in range(2))
    assert first == second
    # Of a record of ones every choice of as many moments takes the same.
    assert [p.random_fall for p in first] == pytest.approx([20, 40, 60])
    assert [p.random_std for p in first] == pytest.approx([0, 0, 0], abs=1e-4)
