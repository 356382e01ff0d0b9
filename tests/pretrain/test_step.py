"""One update: a plain loop with torch's own optimiser gives the same, and so does a GPU's graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lcd_plugin import MultiLeadViews, create_encoder
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain.draws import draw_epoch
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import PretrainOutcome
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings
from lcd_plugin.pretrain.step import COMPILE_FROM_SAMPLES, pays_to_compile

CPU, GPU = torch.device("cpu"), torch.device("cuda")
RECORDS, LEADS, TIME, BATCH = 40, 3, 32, 8
STEPS = RECORDS // BATCH
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def signals() -> NDArray[np.float16]:
    return np.random.default_rng(0).standard_normal((RECORDS, LEADS, TIME)).astype(np.float16)


def _run(
    build: Any,
    signals: NDArray[np.float16],
    device: torch.device = CPU,
    engine: EngineSettings | None = None,
    **settings: Any,
) -> PretrainOutcome:
    return pretrain(
        build,
        signals,
        PretrainSettings(**({"batch_size": BATCH, "calibrate_batch_norm": False} | settings)),
        ViewSettings(),
        seed=4,
        device=device,
        precision="fp32",
        engine=engine,
    )


class TestPaysToCompile:
    ENOUGH = COMPILE_FROM_SAMPLES

    @pytest.mark.parametrize("device", [CPU, GPU])
    @pytest.mark.parametrize("samples", [0, ENOUGH])
    def test_what_was_asked_for(self, device: torch.device, samples: int) -> None:
        assert pays_to_compile("always", device, samples)
        assert not pays_to_compile("never", device, samples)

    def test_auto_never_on_a_cpu(self) -> None:
        assert not pays_to_compile("auto", CPU, 1000 * self.ENOUGH)

    def test_auto_on_a_gpu_from_enough_samples_on(self) -> None:
        assert pays_to_compile("auto", GPU, self.ENOUGH)
        assert not pays_to_compile("auto", GPU, self.ENOUGH - 1)

    def test_a_cpu_compiles_nothing_unless_asked(self, signals: NDArray[np.float16]) -> None:
        how = _run(lambda: _Falling(_Features()), signals, epochs=1).how
        assert (how.compiled, how.cuda_graph, how.devices) == (False, False, 1)


class _Features(nn.Module):
    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(TIME, 4)

    def forward(self, signals: Tensor) -> Tensor:
        features: Tensor = torch.tanh(self.layer(signals[:, 0]))
        return features


class _Falling(Method):
    """All gradients are one, so that Adam moves every parameter by the learning rate."""

    views = "a"

    def training_step(self, views: list[Tensor]) -> StepOutput:
        weights = sum(p.sum() for p in self.encoder.parameters())
        assert isinstance(weights, Tensor)
        return StepOutput(weights, {})


class TestLearningRate:
    def _moved(self, signals: NDArray[np.float16], **settings: Any) -> Tensor:
        start = _start(_Falling)
        end = dict(
            _run(lambda: _Falling(_Features()), signals, **settings).encoder.named_parameters()
        )
        return torch.cat([(start[k] - end[k]).flatten() for k in start])

    def test_is_the_size_of_a_step(self, signals: NDArray[np.float16]) -> None:
        moved = self._moved(signals, epochs=2, learning_rate=3e-3)
        torch.testing.assert_close(
            moved, torch.full_like(moved, 2 * STEPS * 3e-3), rtol=1e-4, atol=0
        )

    def test_of_a_schedule_reaches_the_optimiser(self, signals: NDArray[np.float16]) -> None:
        moved = self._moved(
            signals, epochs=3, learning_rate=2e-3, schedule="cosine", warmup_epochs=1
        )
        rising = [(k + 1) / STEPS for k in range(STEPS)]
        falling = [(1 + math.cos(math.pi * k / (2 * STEPS))) / 2 for k in range(2 * STEPS)]
        expected = torch.full_like(moved, 2e-3 * sum(rising + falling))
        torch.testing.assert_close(moved, expected, rtol=1e-4, atol=0)

    def test_scales_the_decoupled_weight_decay(self, signals: NDArray[np.float16]) -> None:
        rate, decay = 1e-3, 0.5
        outcome = _run(
            lambda: _Falling(_Features()), signals, epochs=1, learning_rate=rate, weight_decay=decay
        )
        end = dict(outcome.encoder.named_parameters())
        for name, value in _start(_Falling).items():
            for _ in range(STEPS):
                value = value * (1 - rate * decay) - rate
            torch.testing.assert_close(end[name].detach(), value, rtol=1e-4, atol=1e-7)


def _start(method: type[Method]) -> dict[str, Tensor]:
    """Parameters of the encoder as the seed of these tests makes them."""
    torch.manual_seed(4)
    made = method(_Features())
    return {k: p.detach().clone() for k, p in made.encoder.named_parameters()}


class _Pair(Method):
    """Views agree and features have a spread; keeps its losses where it is given a list."""

    views = "aba"
    kept: list[dict[str, float]]

    def training_step(self, views: list[Tensor]) -> StepOutput:
        one, other, again = (self.encoder(x) for x in views)
        agree = (one - again).square().mean() + 0.1 * (one - other).square().mean()
        spread = (one.std(dim=0) - 0.5).square().sum()
        loss = agree + spread
        if hasattr(self, "kept"):
            named = {"loss": loss, "agree": agree, "spread": spread}
            self.kept.append({name: value.item() for name, value in named.items()})
        return StepOutput(loss, {"agree": agree, "spread": spread})


SCHEDULED: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
    "schedule": "cosine",
}


def _plain_loop(signals: NDArray[np.float16]) -> tuple[Method, list[float]]:
    """What the engine does, as one would write it down; the losses of all updates."""
    torch.manual_seed(4)
    method = _Pair(_Features())
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-2, weight_decay=0.1, foreach=False)
    views = MultiLeadViews(method.views)
    losses: list[float] = []
    for epoch in (1, 2, 3):
        draws = draw_epoch(views, (RECORDS, LEADS), BATCH, seed=4, epoch=epoch, device=CPU)
        for rows, leads, drawn in zip(draws.rows, draws.leads, draws.views, strict=True):
            batch = signals[rows.numpy()[:, None], leads.numpy()]
            for group in optimiser.param_groups:
                group["lr"] = 1e-2 * (1 + math.cos(math.pi * len(losses) / (3 * STEPS))) / 2
            optimiser.zero_grad()
            loss = method.training_step(views.augment(torch.from_numpy(batch), drawn)).loss
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return method, losses


@pytest.mark.parametrize("records", ["resident", "stream"])
def test_updates_are_those_of_a_plain_loop(signals: NDArray[np.float16], records: Any) -> None:
    outcome = _run(
        lambda: _Pair(_Features()), signals, engine=EngineSettings(records=records), **SCHEDULED
    )
    method, losses = _plain_loop(signals)
    for name, value in outcome.encoder.state_dict().items():
        torch.testing.assert_close(value, method.encoder.state_dict()[name], rtol=1e-4, atol=1e-6)
    expected = np.array(losses).reshape(3, STEPS).mean(axis=1)
    np.testing.assert_allclose([row["loss"] for row in outcome.history], expected, rtol=1e-5)


def test_history_has_the_means_of_an_epochs_updates(signals: NDArray[np.float16]) -> None:
    kept: list[dict[str, float]] = []

    def build() -> Method:
        method = _Pair(_Features())
        method.kept = kept
        return method

    history = _run(build, signals, **SCHEDULED).history
    assert len(kept) == 3 * STEPS
    for epoch, row in enumerate(history):
        for name in ("loss", "agree", "spread"):
            values = [step[name] for step in kept[epoch * STEPS : (epoch + 1) * STEPS]]
            assert row[name] == pytest.approx(sum(values) / STEPS, rel=1e-5)


def test_what_needs_no_gradient_is_left_alone(signals: NDArray[np.float16]) -> None:
    """Not even weight decay touches it."""

    def build() -> Method:
        method = _Pair(_Features())
        method.encoder.layer.bias.requires_grad_(False)
        return method

    encoder = _run(build, signals, **SCHEDULED).encoder
    start = _start(_Pair)
    assert torch.equal(encoder.layer.bias, start["layer.bias"])
    assert not torch.equal(encoder.layer.weight, start["layer.weight"])


class TestOnAGpu:
    """Ten updates of real methods; kernels only, since biases before a batch norm have no gradient
    but rounding, which Adam makes large."""

    pytestmark = needs_gpu

    def _trained(
        self, name: str, signals: NDArray[np.float16], **engine: Any
    ) -> tuple[PretrainOutcome, dict[str, Tensor]]:
        outcome = _run(
            lambda: METHODS.load(name)(create_encoder("vgg16_1d", width=0.05)),
            signals,
            torch.device("cuda", 0),
            EngineSettings(**engine),
            epochs=2,
            schedule="cosine",
        )
        assert outcome.updates == 10
        kernels = {k: v for k, v in outcome.encoder.named_parameters() if v.dim() > 1}
        return outcome, kernels

    @pytest.mark.parametrize("name", ["lcd", "byol"])
    def test_a_replayed_step_is_the_eager_one(
        self, name: str, signals: NDArray[np.float16]
    ) -> None:
        replayed, ours = self._trained(name, signals, cuda_graphs=True)
        eager, theirs = self._trained(name, signals, cuda_graphs=False)
        assert replayed.how.cuda_graph
        assert not eager.how.cuda_graph
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
        for one, other in zip(replayed.history, eager.history, strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
            assert one["learning_rate"] == other["learning_rate"]

    @pytest.mark.parametrize("name", ["simclr", "vicreg"])
    def test_a_method_that_does_not_allow_it_is_not_captured(
        self, name: str, signals: NDArray[np.float16]
    ) -> None:
        outcome, _ = self._trained(name, signals, cuda_graphs=True)
        assert not outcome.how.cuda_graph

    @pytest.mark.parametrize("cuda_graphs", [True, False])
    def test_streamed_records_are_the_resident_ones(
        self, signals: NDArray[np.float16], cuda_graphs: bool
    ) -> None:
        runs = [
            self._trained("lcd", signals, records=records, cuda_graphs=cuda_graphs)
            for records in ("resident", "stream")
        ]
        assert [outcome.how.records for outcome, _ in runs] == ["resident", "stream"]
        torch.testing.assert_close(runs[0][1], runs[1][1], rtol=0, atol=1e-4)
