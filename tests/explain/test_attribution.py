"""Attributions add up, and lie where in the recording the model was moved."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import TaskEntry
from lcd_plugin.errors import ConfigError
from lcd_plugin.explain.attribution import integrated_gradients, smoothed
from lcd_plugin.explain.explanation import explain_record
from lcd_plugin.explain.model_file import FineTuned, ModelHeader
from lcd_plugin.explain.subject import Subject

pytest.importorskip("captum")
LEADS = ("II", "V1", "V2")


class Interval(nn.Module):
    """Its second score is the energy of one lead between two samples, and of nothing else."""

    def __init__(self, lead: int, begin: int, end: int) -> None:
        super().__init__()
        self.place = lead, slice(begin, end)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, signals: Tensor) -> Tensor:
        lead, time = self.place
        energy = self.weight * signals[:, lead, time].square().sum(dim=1)
        return torch.stack([-energy, energy], dim=1)


def fine_tuned(model: nn.Module, **data: Any) -> FineTuned:
    header = ModelHeader(
        name="planted",
        encoder="none",
        settings={},
        data=DataSettings(leads=LEADS, **data),
        dataset="none",
        fingerprint="",
        task=TaskEntry(name="label", classes=("A", "B"), kind="single-label"),
        training={},
    )
    return FineTuned(header, model.eval(), {})


def recording(seconds: float, rate: float, spike_at: float | None = None) -> Recording:
    """Quiet noise in all leads; in V1 a spike of 40 ms."""
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 0.02, (3, round(seconds * rate)))
    if spike_at is not None:
        times = np.arange(signal.shape[1]) / rate
        signal[1] += 2 * np.exp(-(((times - spike_at) / 0.02) ** 2))
    return Recording(signal, rate, LEADS)


@pytest.mark.parametrize(
    ("seconds", "rate", "at", "data"),
    [
        (10, 100, 7.31, {}),
        (10, 500, 2.5, {}),
        (33, 360, 17.2, {}),
        (10.4, 257, 4.0, {"rate": 250.0}),
        (6.3, 500, 1.25, {"shorter": "pad"}),
    ],
)
def test_a_spike_lights_up_at_its_time_in_the_recording(
    seconds: float, rate: float, at: float, data: dict
):
    whole = Interval(lead=1, begin=0, end=100_000)
    subject = Subject("spike", recording(seconds, rate, spike_at=at))
    found = explain_record(subject, fine_tuned(whole, **data), "B")
    peak = found.times[np.abs(found.overlay[1]).argmax()]
    assert peak == pytest.approx(at, abs=1.01 / data.get("rate", 100))
    assert np.abs(found.overlay[[0, 2]]).max() == 0


def test_only_the_interval_that_the_score_depends_on_lights_up():
    subject = Subject("noise", recording(20, 100))
    found = explain_record(subject, fine_tuned(Interval(lead=2, begin=300, end=340)), "B")
    # The model is shown the middle: 5 s to 15 s.
    lit = found.times[np.abs(found.overlay[2]) > 0]
    assert lit.min() == pytest.approx(8.0, abs=0.1)
    assert lit.max() == pytest.approx(8.4, abs=0.1)
    assert np.abs(found.overlay[:2]).max() == 0
    inside = (found.times >= 8.0) & (found.times < 8.4)
    assert np.abs(found.overlay[2][inside]).sum() > 0.9 * np.abs(found.overlay[2]).sum()


def test_the_overlay_is_a_share_with_the_sign_of_what_speaks_for_the_class():
    subject = Subject("spike", recording(10, 100, spike_at=5))
    model = fine_tuned(Interval(lead=1, begin=0, end=1000))
    for_it, against = (explain_record(subject, model, name).overlay for name in ("B", "A"))
    assert for_it.min() >= 0
    np.testing.assert_allclose(against, -for_it, atol=1e-9)
    # In % of all in 0.1 s, which are ten samples.
    assert for_it.sum() / 10 == pytest.approx(100)


def test_attributions_add_up_to_the_difference_of_scores():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv1d(3, 8, 9), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(8, 8, 9), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 2),
    ).eval()  # fmt: skip
    signal = np.random.default_rng(1).normal(size=(3, 400)).astype(np.float32)
    found = integrated_gradients(network, signal, 1)
    with torch.no_grad():
        score = network(torch.from_numpy(signal)[None])[0, 1].item()
        empty = network(torch.zeros(1, 3, 400))[0, 1].item()
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.error == pytest.approx(found.values.sum() - (score - empty), abs=1e-5)
    assert found.relative_error < 0.01
    # A third of the points is not enough, and the error says so.
    coarse = integrated_gradients(network, signal, 1, steps=2)
    assert abs(coarse.error) > 3 * abs(found.error)


def test_integrated_gradients_of_a_linear_model_are_weight_times_signal():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(30, 2)).eval()
    signal = np.random.default_rng(2).normal(size=(3, 10)).astype(np.float32)
    found = integrated_gradients(linear, signal, 0)
    weight = linear[1].weight[0].detach().numpy().reshape(3, 10)
    np.testing.assert_allclose(found.values, weight * signal, rtol=1e-4, atol=1e-6)


def test_smoothing_moves_nothing_out_of_a_lead():
    values = np.zeros((2, 500), dtype=np.float32)
    values[0, [0, 250, 499]] = 1, 2, 3
    soft = smoothed(values, 100)
    np.testing.assert_allclose(soft.sum(axis=1), [6, 0], atol=1e-9)
    assert soft[0, 242:259].sum() == pytest.approx(2, abs=1e-6)


def test_without_captum_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ConfigError, match=r'pip install "lcd-plugin\[explain\]"'):
        integrated_gradients(Interval(0, 0, 10), np.zeros((3, 10)), 0)


def test_a_class_that_a_model_does_not_know_is_named_with_a_near_one():
    subject = Subject("spike", recording(10, 100))
    with pytest.raises(ConfigError, match="has no class 'C'"):
        explain_record(subject, fine_tuned(Interval(0, 0, 10)), "C")
