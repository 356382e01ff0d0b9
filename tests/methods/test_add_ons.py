"""LCD's parts beside other methods."""

from __future__ import annotations

import copy
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from typer.testing import CliRunner

from lcd_plugin import LeadCorrelationLoss, LeadDecorrelationLoss, MultiLeadViews, create_encoder
from lcd_plugin.cli.main import app
from lcd_plugin.methods.add_ons import WithLeadLosses, build_method, views_of
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.methods.simclr import SimCLR, SimCLRConfig
from lcd_plugin.plugins import METHODS
from lcd_plugin.views import draw_leads

BOTH = {"lead_correlation": 0.5, "lead_decorrelation": 0.02}


def _build(name: str, add: Any, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    made = METHODS.load(name)
    encoder = create_encoder("vgg16_1d", width=0.05)
    return build_method(made, encoder, made.config_class(add=add)).train()


def _views(method: Method, seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return MultiLeadViews(method.views)(torch.randn(12, 6, 128, generator=draw), draw)


class TestSetting:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("lead_decorrelation", (("lead_decorrelation", 0.005),)),
            (["lead_correlation"], (("lead_correlation", 1.0),)),
            (
                ["lead_decorrelation", "lead_correlation"],
                (("lead_correlation", 1.0), ("lead_decorrelation", 0.005)),
            ),
            ({"lead_decorrelation": 2}, (("lead_decorrelation", 2.0),)),
            ([], ()),
        ],
    )
    def test_a_name_a_list_or_a_table_of_weights(self, given: Any, kept: Any) -> None:
        config = SimCLRConfig(add=given)
        assert config.add == kept
        assert hash(config) == hash(SimCLRConfig(add=dict(kept)))
        assert SimCLRConfig.model_validate_json(config.model_dump_json()) == config

    def test_what_is_not_added_leaves_no_trace_in_what_is_written_down(self) -> None:
        """Results are found again by a hash of it."""
        expected = {"hidden_dim": 512, "output_dim": 128, "temperature": 0.1}
        assert SimCLRConfig().model_dump(mode="json") == expected
        assert json.loads(SimCLRConfig(add=()).model_dump_json()) == expected
        added = SimCLRConfig(add="lead_correlation").model_dump(mode="json")
        assert added == expected | {"add": {"lead_correlation": 1.0}}

    def test_an_unknown_name_is_told_which_there_are(self) -> None:
        with pytest.raises(ValidationError, match="lead_correlation and lead_decorrelation"):
            SimCLRConfig(add="lead_corelation")

    @pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
    def test_weights_must_weigh_something(self, weight: float) -> None:
        with pytest.raises(ValidationError, match="positive and finite"):
            SimCLRConfig(add={"lead_correlation": weight})

    @pytest.mark.parametrize("value", [3, {"lead_correlation": "much"}, [["lead_correlation"]]])
    def test_what_is_no_setting_is_refused(self, value: Any) -> None:
        with pytest.raises(ValidationError, match="add"):
            SimCLRConfig(add=value)


def test_nothing_added_is_the_plain_method() -> None:
    encoder = create_encoder("vgg16_1d", width=0.05)
    method = build_method(SimCLR, encoder, SimCLRConfig())
    assert type(method) is SimCLR
    assert method.encoder is encoder
    assert views_of(SimCLR, SimCLRConfig()) == SimCLR.views


@pytest.mark.parametrize("name", ["simclr", "vicreg", "lcd", "clocs", "elic"])
@pytest.mark.parametrize("add", ["lead_correlation", "lead_decorrelation", BOTH])
def test_loss_is_the_methods_own_and_what_is_added(name: str, add: Any) -> None:
    method = _build(name, add)
    views = _views(method)
    alone = copy.deepcopy(method)
    assert isinstance(alone, WithLeadLosses)
    own = len(alone.method.views)
    base = alone.method.training_step(views[:own])
    weights = dict(method.config.add)
    expected = {k: v.item() for k, v in base.terms.items()}
    with torch.no_grad():
        z_a, z_b = (alone.projector(alone.encoder(x)) for x in views[own : own + 2])
        if "lead_decorrelation" in weights:
            value = LeadDecorrelationLoss(gamma=1.0)(z_a, z_b)
            expected["lead_decorrelation"] = weights["lead_decorrelation"] * value.item()
        if "lead_correlation" in weights:
            t_a = alone.target_projector(alone.target_encoder(views[own + 2]))
            value = LeadCorrelationLoss()(alone.predictor(z_a), alone.predictor(z_b), t_a)
            expected["lead_correlation"] = weights["lead_correlation"] * value.item()

    output = method.training_step(views)

    assert {k: v.item() for k, v in output.terms.items()} == pytest.approx(expected, rel=1e-4)
    added = sum(expected[name] for name in weights)
    assert output.loss.item() == pytest.approx(base.loss.item() + added, rel=1e-4)


@pytest.mark.parametrize("name", ["simclr", "byol", "lcd", "lfbt"])
def test_every_part_is_trained_and_the_targets_are_not(name: str) -> None:
    method = _build(name, BOTH)
    method.training_step(_views(method)).loss.backward()
    for parameter_name, p in method.named_parameters():
        if "target_" in parameter_name:
            assert not p.requires_grad, parameter_name
            assert p.grad is None, parameter_name
        else:
            assert p.grad is not None, parameter_name
            assert p.dim() < 2 or p.grad.any(), parameter_name


@pytest.mark.parametrize("add", ["lead_correlation", "lead_decorrelation"])
def test_what_is_added_trains_the_encoder(add: str) -> None:
    method = _build("simclr", add)
    method.training_step(_views(method)).terms[add].backward()
    assert all(p.grad.any() for p in method.encoder.parameters() if p.dim() > 1)
    assert all(p.grad is None for p in method.method.projector.parameters())


def test_the_encoder_has_one_name() -> None:
    method = _build("simclr", BOTH)
    addresses = [v.data_ptr() for v in method.state_dict().values() if v.numel() > 1]
    assert len(set(addresses)) == len(addresses)
    assert method.encoder is method.method.encoder


class TestViews:
    @pytest.mark.parametrize(
        ("name", "add", "expected"),
        [
            ("simclr", "lead_decorrelation", "aa yz"),
            ("simclr", "lead_correlation", "aa yzy"),
            ("lcd", BOTH, "aba yzy"),
        ],
    )
    def test_two_more_leads_come_last(self, name: str, add: Any, expected: str) -> None:
        made = METHODS.load(name)
        assert views_of(made, made.config_class(add=add)) == expected
        assert _build(name, add).views == expected

    def test_letters_that_a_method_has_are_its_own(self) -> None:
        class Odd(SimCLR):
            views = "zx*z"

        views = views_of(Odd, SimCLRConfig(add="lead_correlation"))
        assert views == "zx*z wyw"

    def test_the_method_is_shown_the_leads_that_it_would_be_shown_alone(self) -> None:
        def leads(pattern: str) -> dict[str, Tensor]:
            return draw_leads(pattern, 8, 5, "sample", torch.Generator().manual_seed(0))

        for name in ("simclr", "lcd"):
            made = METHODS.load(name)
            both = leads(views_of(made, made.config_class(add=BOTH)))
            for letter, alone in leads(made.views).items():
                assert torch.equal(alone, both[letter])

    @pytest.mark.parametrize(("name", "shown"), [("simclr", {6: 2}), ("lcd", {3: 3})])
    def test_an_encoder_of_all_leads_is_shown_what_it_would_be_shown_alone(
        self, name: str, shown: dict[int, int]
    ) -> None:
        """Views by how many leads they show: those that are added are dealt for themselves."""
        made = METHODS.load(name)
        pattern = views_of(made, made.config_class(add=BOTH))
        views = MultiLeadViews(pattern, time_out=(0.0, 0.0), in_leads=6)(torch.ones(4, 6, 50))
        sizes = [int((view[0] != 0).any(dim=1).sum()) for view in views]
        own = len(made.views)
        assert Counter(sizes[:own]) == shown
        assert sizes[own:] == [3, 3, 3]
        y, z, target = views[own:]
        assert (((y != 0) ^ (z != 0)).any(dim=2)).all()
        assert torch.equal(y != 0, target != 0)

    def test_a_method_may_have_groups_of_its_own(self) -> None:
        class Grouped(SimCLR):
            views = "a b"

        encoder = create_encoder("vgg16_1d", width=0.05)
        method = build_method(Grouped, encoder, SimCLRConfig(add="lead_decorrelation"))
        assert method.views == "a b yz"
        assert set(method.training_step(_views(method)).terms) == {"lead_decorrelation"}


class TestHost:
    def test_after_a_step_both_moving_averages_move(self) -> None:
        method = _build("byol", "lead_correlation")
        targets = (method.target_encoder, method.method.target_encoder)
        for p in method.encoder.parameters():
            p.data += 1
        before = [[p.clone() for p in target.parameters()] for target in targets]
        method.after_step()
        for target, old in zip(targets, before, strict=True):
            for p, was in zip(target.parameters(), old, strict=True):
                torch.testing.assert_close(p, was + 0.004, rtol=0, atol=1e-5)

    def test_what_a_method_tells_the_host_is_passed_on(self) -> None:
        class Masked(SimCLR):
            time_out = False
            uses_patients = True
            capturable = True
            seen: Tensor | None = None

            def training_step(
                self, views: list[Tensor], patients: Tensor | None = None
            ) -> StepOutput:
                type(self).seen = patients
                return super().training_step(views)

        encoder = create_encoder("vgg16_1d", width=0.05)
        method = build_method(Masked, encoder, SimCLRConfig(add="lead_decorrelation"))
        assert (method.time_out, method.uses_patients, method.capturable) == (False, True, True)
        patients = torch.arange(12)
        method.training_step(_views(method), patients)
        assert Masked.seen is patients
        other = _build("vicreg", "lead_decorrelation")
        assert (other.time_out, other.uses_patients, other.capturable) == (True, False, False)

    def test_state_round_trip(self) -> None:
        method, other = _build("byol", BOTH), _build("byol", BOTH, seed=1)
        views = _views(method)
        other.load_state_dict(method.state_dict())
        assert other.training_step(views).loss.item() == method.training_step(views).loss.item()

    def test_the_base_settings_can_be_those_of_any_plugin(self) -> None:
        class Plain(Method):
            views = "a"

            def training_step(self, views: list[Tensor]) -> StepOutput:
                return StepOutput(loss=self.encoder(views[0]).square().mean(), terms={})

        config = MethodConfig(add="lead_decorrelation")
        method = build_method(Plain, create_encoder("vgg16_1d", width=0.05), config)
        assert set(method.training_step(_views(method)).terms) == {"lead_decorrelation"}


def test_a_comparison_adds_it_by_a_setting(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "lcd_plugin.cli", "run", "quick", "-m", "simclr", "--limit", "120",
        "--epochs", "1", "--batch-size", "32", "--label-fractions", "1",
        "--set", "simclr.add=lead_decorrelation", "--set", "data.seconds=2.5",
        "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (history,) = (tmp_path / "out").glob("pretrain/*/history.csv")
    (row,) = csv.DictReader(history.read_text().splitlines())
    assert 0 < float(row["lead_decorrelation"]) < float(row["loss"])
    result = json.loads((history.parent / "result.json").read_text())
    assert result["identity"]["config"]["add"] == {"lead_decorrelation": 0.005}


def test_too_few_leads_are_found_before_any_time_is_spent(tmp_path: Path) -> None:
    arguments = ["run", "quick", "-m", "simclr", "--limit", "120", "--batch-size", "32"]
    arguments += ["--set", "simclr.add=lead_decorrelation", "--set", 'data.leads=["II", "V1"]']
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out"), "--dry-run"])
    assert done.exit_code == 2
    assert "'simclr' needs 3 different leads" in done.output
