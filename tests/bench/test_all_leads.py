"""The encoder setting `leads`, from the suite to the scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn

from lcd_plugin.bench import evaluation
from lcd_plugin.bench.evaluation import Evaluator
from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.planned import EvaluateCell
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.encoders import JointEncoder, create_encoder, load_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.job import PretrainOutcome
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

LEADS = ["I", "II", "V1", "V5"]
SMALL: dict[str, Any] = {
    "methods": ["lcd", "simclr", "random", "supervised"],
    "protocols": ["linear", "knn", "attentive", "finetune"],
    "label_fractions": [1.0],
    "lead_subsets": ["all", "2"],
    "limit": 80,
    "data": {"seconds": 1, "leads": LEADS},
    "pretrain": {"epochs": 1, "batch_size": 16},
    "finetune": {"epochs": 1, "layer_decay": 0.5},
    "attentive": {"epochs": 1},
    "settings": {"vgg16_1d": {"leads": "all"}},
}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def plan_of(**changes: Any) -> Plan:
    return make_plan(load_suite("quick", [], SMALL | changes), "fp32", "cpu", lambda *_: None)


def run(plan: Plan, out: Path) -> list[CellEvent]:
    events: list[CellEvent] = []
    Runner(plan, out, CPU, listen=events.append).run()
    return [e for e in events if e.status not in ("started", "progress")]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of()


@pytest.fixture(scope="module")
def finished(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[CellEvent]]:
    out = tmp_path_factory.mktemp("all-leads")
    return out, run(plan, out)


class TestPlan:
    def test_each_said_or_not_is_one_result(self) -> None:
        said, unsaid = (
            plan_of(settings={"vgg16_1d": settings}) for settings in ({"leads": "each"}, {})
        )
        for one, other in ((said.pretrain, unsaid.pretrain), (said.evaluate, unsaid.evaluate)):
            assert [c.key for c in one] == [c.key for c in other]

    def test_all_is_another_result(self, plan: Plan) -> None:
        each = plan_of(settings={})
        for one, other in ((plan.pretrain, each.pretrain), (plan.evaluate, each.evaluate)):
            assert len(one) == len(other)
            assert not {c.key for c in one} & {c.key for c in other}

    @pytest.mark.parametrize("leads", ["both", 8])
    def test_another_value_is_refused(self, leads: Any) -> None:
        with pytest.raises(ConfigError, match=r"vgg16_1d\.leads must be 'each' .* or 'all'"):
            plan_of(settings={"vgg16_1d": {"leads": leads}})

    def test_every_letter_needs_a_lead(self) -> None:
        changes = {"data": SMALL["data"] | {"leads": ["II"]}, "lead_subsets": ["all"]}
        with pytest.raises(ConfigError, match=r"'lcd' needs 2 different leads, .* has 1\."):
            plan_of(**changes)
        assert plan_of(**changes, methods=["simclr"]).pretrain


class TestRun:
    def test_is_complete_and_computes_nothing_twice(
        self, plan: Plan, finished: tuple[Path, list[CellEvent]]
    ) -> None:
        out, ended = finished
        assert [e.message for e in ended if e.status != "done"] == []
        assert len(ended) == 3 + 3 * 4 * 2 + 2
        again = run(plan, out)
        assert [e.status for e in again] == ["cached"] * len(ended)

    def test_encoder_files_read_the_leads_of_the_data(
        self, plan: Plan, finished: tuple[Path, list[CellEvent]]
    ) -> None:
        for cell in plan.pretrain:
            encoder = load_encoder(finished[0] / "pretrain" / cell.key / "encoder.safetensors")
            assert isinstance(encoder, JointEncoder)
            assert encoder.in_leads == 4
            assert encoder.notes["leads"] == LEADS

    @pytest.mark.parametrize("subset", ["all", "2"])
    def test_features_are_of_records_with_the_other_leads_zero(
        self, plan: Plan, finished: tuple[Path, list[CellEvent]], subset: str
    ) -> None:
        (cell,) = _cells(plan, method="lcd", protocol="linear", leads=subset)
        train = Evaluator(plan, finished[0] / "pretrain", CPU).prepare([cell]).work.train
        signals, labels = _training_part(plan)
        if subset == "2":
            signals[:, 2:] = 0
        file = finished[0] / "pretrain" / str(cell.pretrain_key) / "encoder.safetensors"
        with torch.no_grad():
            expected = load_encoder(file).encoder(signals)
        assert train.inputs.shape == (len(labels), 64)
        np.testing.assert_allclose(train.inputs, expected.numpy(), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("protocol", ["finetune", "scratch"])
    def test_training_on_signals_sees_no_other_leads_either(
        self, plan: Plan, finished: tuple[Path, list[CellEvent]], protocol: str
    ) -> None:
        method = "supervised" if protocol == "scratch" else "simclr"
        (cell,) = _cells(plan, method=method, protocol=protocol, leads="2")
        work = Evaluator(plan, finished[0] / "pretrain", CPU).prepare([cell]).work
        signals = torch.from_numpy(np.array(work.train.inputs)).float()
        assert signals.shape[1] == 4
        changed = signals.clone()
        changed[:, 2:] += 1
        with torch.no_grad():
            assert torch.equal(work.encoder(signals), work.encoder(changed))
            changed[:, 1] += 1
            assert not torch.equal(work.encoder(signals), work.encoder(changed))

    def test_an_encoder_is_read_once_for_each_set_of_leads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Tensor] = []

        def counted(encoder: nn.Module, *given: Any) -> np.ndarray:
            features = extract_features(encoder, *given)
            seen.append(torch.from_numpy(features))
            return features

        monkeypatch.setattr(evaluation, "extract_features", counted)
        run(plan_of(methods=["random"], protocols=["linear", "knn"]), tmp_path)
        one, other = seen
        assert not torch.equal(one, other)


def _cells(plan: Plan, **wanted: str) -> list[EvaluateCell]:
    return [c for c in plan.evaluate if all(getattr(c, k) == v for k, v in wanted.items())]


def _training_part(plan: Plan) -> tuple[Tensor, np.ndarray]:
    (setup,) = plan.setups.values()
    (store,), ((task,),) = setup.stores.values(), setup.tasks.values()
    labels = store.labels(task, "train")
    return torch.from_numpy(store.signals[labels.rows]).float(), labels.targets


class _Recorder(Method):
    """A method that notes its views."""

    views = "ab*"
    made: ClassVar[list[list[Tensor]]] = []

    def training_step(self, views: list[Tensor]) -> StepOutput:
        self.made.append(views)
        loss = torch.stack([self.encoder(view).square().mean() for view in views]).sum()
        return StepOutput(loss, {})


class TestPretraining:
    # Never zero, so that what is was silenced.
    SIGNALS = (np.random.default_rng(0).uniform(1, 3, (24, 4, 64))).astype(np.float16)

    def _run(self, records: Any = "resident", **settings: Any) -> PretrainOutcome:
        return pretrain(
            lambda: _Recorder(create_encoder("vgg16_1d", in_leads=4, width=0.05)),
            self.SIGNALS,
            PretrainSettings(epochs=2, batch_size=8, **settings),
            ViewSettings(time_out=(0.0, 0.0)),
            seed=0,
            device=CPU,
            precision="fp32",
            engine=EngineSettings(records=records),
        )

    def test_views_have_all_leads_and_show_those_of_their_letter(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_Recorder, "made", [])
        self._run()
        assert len(_Recorder.made) == 6
        pairs = set()
        for views in _Recorder.made:
            assert all(view.shape == (8, 4, 64) for view in views)
            one, other, everything = ((view != 0).any(dim=2) for view in views)
            assert torch.equal(one, ~other)
            assert everything.all()
            assert (one.sum(dim=1) == 2).all()
            assert torch.equal(one, one[:1].expand_as(one))
            pairs.add(tuple(one[0].tolist()))
        assert len(pairs) > 1

    def test_equal_seeds_give_the_same_bits_wherever_records_live(self) -> None:
        one, other = self._run("resident").encoder, self._run("stream").encoder
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(a, b)

    def test_collapse_is_watched_on_whole_records(self) -> None:
        outcome = self._run(calibrate_batch_norm=False)
        with torch.no_grad():
            features = outcome.encoder(torch.from_numpy(self.SIGNALS).float())
        spread = float(std_of_l2_normalized(features))
        assert outcome.history[-1]["embedding_std"] == pytest.approx(spread, rel=1e-4)

    def test_batch_norm_is_calibrated_on_whole_records(self) -> None:
        encoder = self._run(calibrate_batch_norm=True).encoder
        weight, bias = list(encoder.parameters())[:2]
        records = torch.from_numpy(self.SIGNALS).float()
        values = F.conv1d(records, weight, bias, padding=1).mean(dim=(0, 2))
        torch.testing.assert_close(next(encoder.buffers()), values, rtol=1e-4, atol=1e-5)
