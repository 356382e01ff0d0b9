"""Each check of a method notices a method that is broken in the one way that it looks for."""

from __future__ import annotations

import copy
import random
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ConfigDict
from torch import Tensor, nn

from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.methods.add_ons import WithLeadLosses
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.methods.moving_average import update_moving_average
from lcd_plugin.testing import (
    ConformanceError,
    ConformanceWarning,
    check_method,
    checks_for,
    learning,
)
from lcd_plugin.testing.learning import loss_falls
from lcd_plugin.testing.method_inputs import all_leads_at_once
from lcd_plugin.testing.method_trial import MethodTrial, narrow_vgg
from lcd_plugin.testing.methods import encoder_is_trained, step

RunCheck = Callable[..., str]


class GoodConfig(MethodConfig):
    output_dim: int = 16


class Good(Method):
    """Contrast with a moving average."""

    config_class = GoodConfig
    views = "ab"
    config: GoodConfig

    def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
        super().__init__(encoder, config)
        self.projector = nn.Linear(encoder.num_features, self.config.output_dim)
        self.target = copy.deepcopy(nn.Sequential(encoder, self.projector)).requires_grad_(False)

    def similarities(self, views: list[Tensor]) -> Tensor:
        z = F.normalize(self.projector(self.encoder(views[0])).float(), dim=1)
        with torch.no_grad():
            t = F.normalize(self.target(views[1]).float(), dim=1)
        return z @ t.T / 0.2

    def training_step(self, views: list[Tensor]) -> StepOutput:
        scores = self.similarities(views)
        loss = F.cross_entropy(scores, torch.arange(len(scores)))
        return StepOutput(loss, {"similarity": scores.mean()})

    def after_step(self) -> None:
        update_moving_average(self.encoder, self.target[0], 0.99)
        update_moving_average(self.projector, self.target[1], 0.99)


class WithoutTarget(Good):
    def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
        super().__init__(encoder, config)
        del self.target

    def similarities(self, views: list[Tensor]) -> Tensor:
        z, t = (F.normalize(self.projector(self.encoder(v)).float(), dim=1) for v in views)
        return z @ t.T / 0.2

    def after_step(self) -> None:
        """Nothing to move."""


def _step(change: Callable[[Any, list[Tensor], StepOutput], Any]) -> type[Method]:
    """A method that is good but for what is made of its step."""

    class Changed(Good):
        capturable = True

        def training_step(self, views: list[Tensor]) -> Any:
            return change(self, views, Good.training_step(self, views))

    return Changed


def _fails(
    run_check: RunCheck, method: Any, check: str, *words: str, config: Any = None
) -> ConformanceError:
    with pytest.raises(ConformanceError) as caught:
        run_check("method", method, check, config)
    said = str(caught.value)
    assert said.startswith(f"method '{method.__name__}', check {check}: ")
    for word in words:
        assert re.search(word, said), said
    return caught.value


def test_a_good_method_passes_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConformanceWarning)
        check_method(Good, slow=False)


def test_all_failures_are_told_at_once() -> None:
    class Both(Good):
        def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
            super().__init__(encoder, config)
            self.spare = nn.Linear(2, 2)

    with pytest.raises(ConformanceError) as caught:
        check_method(Both, slow=False)
    first, *others = str(caught.value).splitlines()
    assert re.fullmatch(r"method 'Both': 2 of \d+ checks failed\.", first)
    assert ["check gradients" in others[0], "check pickles" in others[1]] == [True, True]


class TestWhatIsBrokenFromTheStart:
    """One cause is told once, with the author's own line and with what to do."""

    @staticmethod
    def _told(method: type[Method]) -> dict[str, str]:
        """The messages of checks that fail, but for that of a class within a function."""
        told = {}
        for check in checks_for("method", method):
            try:
                check.run()
            except ConformanceError as error:
                told[check.name] = str(error)
        assert "top level" in told.pop("pickles")
        return told

    def test_the_base_class_is_not_called(self) -> None:
        class Broken(Method):
            views = "ab"

            def __init__(self, encoder: nn.Module, config: MethodConfig | None = None) -> None:
                nn.Module.__init__(self)
                self.dim = self.config.dim  # not called yet

            def training_step(self, views: list[Tensor]) -> StepOutput:
                raise NotImplementedError

        told = self._told(Broken)
        message = told.pop("step")
        assert "check step: expected no exception, got AttributeError" in message
        assert "call super().__init__(encoder, config) first" in message
        assert f"at {_line_of('# not called yet')}: " in message
        assert {*told.values()} == {"not checked: step failed"}
        assert {"gradients", "seeds", "lead_counts", "bf16", "loss_falls", "learns"} < {*told}

    def test_a_module_is_kept_before_the_base_class_is_called(self) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                self.encoder = encoder

        assert "call super().__init__(encoder, config) first" in self._told(Broken)["step"]

    def test_the_encoder_is_not_kept(self) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                nn.Module.__init__(self)
                self.network = encoder

            def training_step(self, views: list[Tensor]) -> StepOutput:
                return StepOutput(self.encoder(views[0]).mean(), {})

        assert "call super().__init__(encoder, config) first" in self._told(Broken)["step"]

    @pytest.mark.parametrize("build", [nn.Linear, lambda size, out: nn.BatchNorm1d(size)])
    def test_a_head_for_another_encoder(self, build: Any) -> None:
        class Broken(WithoutTarget):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                super().__init__(encoder, config)
                self.projector = build(512, 16)

            def similarities(self, views: list[Tensor]) -> Tensor:
                a, b = (self.projector(self.encoder(v)) for v in views)  # a head of 512
                return a @ b.T

        message = self._told(Broken)["step"]
        features = narrow_vgg(1).num_features
        assert f"the encoder has num_features = {features} here; use encoder.num_feat" in message
        assert f"at {_line_of('# a head of 512')}: " in message

    def test_a_wrong_view_pattern_is_told_once(self) -> None:
        told = self._told(type("Broken", (Good,), {"views": "aB"}))
        assert "got 'aB'" in told.pop("view_pattern")
        assert told.pop("step") == "not checked: view_pattern failed"
        assert {*told.values()} == {"not checked: step failed"}

    def test_check_method_counts_and_names_what_was_not_checked(self) -> None:
        broken = _step(lambda m, v, out: 1 // 0)
        with pytest.raises(ConformanceError) as caught:
            check_method(broken, slow=False)
        first, *others, last = str(caught.value).splitlines()
        assert re.fullmatch(r"method 'Changed': 2 of \d+ checks failed\.", first)
        assert len(others) == 2
        assert last.startswith("Not checked because of that: views_unchanged, gradients, ")


def _line_of(mark: str) -> str:
    """File and line that hold a comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    # What asks for it is a line with quotation marks.
    [number] = [n for n, line in enumerate(lines, 1) if line.partition("  # ")[2] == mark[2:]]
    return f"{__file__}:{number}"


def test_a_name_that_is_none_and_a_baseline_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'simclr'"):
        check_method("simclrr")
    with pytest.raises(ConfigError, match="'random' is a baseline"):
        check_method("random")
    with pytest.raises(PluginError, match="no class that inherits from"):
        check_method(nn.Linear)


def test_settings_of_the_caller_are_used(run_check: RunCheck) -> None:
    with pytest.raises(ConformanceError, match="output_dim"):
        run_check("method", Good, "step", {"output_dim": "many"})
    assert run_check("method", Good, "step", GoodConfig(output_dim=4)) == ""


class OpenConfig(MethodConfig):
    model_config = ConfigDict(frozen=True, extra="allow")


class ChangeableConfig(MethodConfig):
    model_config = ConfigDict(frozen=False, extra="forbid")


class NeedyConfig(MethodConfig):
    size: int


class ForgetfulConfig(MethodConfig):
    size: Any = 1 + 0j

    def model_dump_json(self, **_: Any) -> str:
        return '{"size": 1}'

    def __eq__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize(
    ("config_class", "given", "word"),
    [
        (OpenConfig, None, "expected an unknown setting to be refused"),
        (ChangeableConfig, None, "'add' could be set"),
        (NeedyConfig, {"size": 1}, "expected a default for every setting"),
        (ForgetfulConfig, None, "expected settings that come back from JSON"),
        (dict, GoodConfig(), "expected config_class to inherit from MethodConfig; got dict"),
    ],
)
def test_settings(run_check: RunCheck, config_class: Any, given: Any, word: str) -> None:
    broken = type("Broken", (Good,), {"config_class": config_class})
    _fails(run_check, broken, "settings", word, config=given)


@pytest.mark.parametrize(
    ("views", "word"), [(None, "expected a class attribute `views`"), ("aB", "got 'aB'")]
)
def test_view_pattern(run_check: RunCheck, views: Any, word: str) -> None:
    _fails(run_check, type("Broken", (Good,), {"views": views}), "view_pattern", word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda m, v, out: tuple(out), "got tuple. Return StepOutput"),
        (lambda m, v, out: StepOutput(out.loss * torch.nan, {}), "expected a finite loss; got nan"),
        (lambda m, v, out: StepOutput(out.loss.expand(3), {}), r"one number as loss; got \(3,\)"),
        (lambda m, v, out: StepOutput(out.loss, {"part": 1.0}), "as term 'part'; got float"),
        (lambda m, v, out: StepOutput(out.loss, {"loss": out.loss}), "names than 'loss'"),
        (lambda m, v, out: StepOutput(out.loss.detach(), {}), "can be differentiated"),
        (lambda m, v, out: (m.projector.bias.data.add_(1), out)[1], "'projector.bias' changed"),
        (lambda m, v, out: 1 // 0, r"got ZeroDivisionError at .*test_methods\.py:\d+: "),
    ],
)
def test_step(run_check: RunCheck, change: Any, word: str) -> None:
    _fails(run_check, _step(change), "step", word)


def test_views_unchanged(run_check: RunCheck) -> None:
    broken = _step(lambda m, v, out: (v[1].mul_(2), out)[1])
    _fails(run_check, broken, "views_unchanged", "got view 1 changed", r"x = x \* mask")


class TestGradients:
    def test_a_head_that_is_not_used(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                super().__init__(encoder, config)
                self.spare = nn.Linear(2, 2)

        _fails(run_check, Broken, "gradients", "none for 'spare.weight', 'spare.bias'", "freeze")

    def test_a_target_that_is_not_frozen(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                super().__init__(encoder, config)
                self.target.requires_grad_(True)

        _fails(run_check, Broken, "gradients", "none for 'target.*and .* more", "deactivate")

    def test_an_encoder_that_is_frozen(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                super().__init__(encoder, config)
                self.encoder.requires_grad_(False)

        _fails(run_check, Broken, "gradients", "every parameter of the encoder to be trained")

    def test_a_gradient_that_is_not_finite(self, run_check: RunCheck) -> None:
        def root_of_nothing(m: Any, views: Any, out: StepOutput) -> StepOutput:
            return StepOutput(out.loss + (0 * m.projector.weight).norm(dim=0).sqrt().sum(), {})

        _fails(run_check, _step(root_of_nothing), "gradients", "NaN or infinity in 'projector.w")


class TestEncoderIsTrained:
    def test_another_encoder(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                super().__init__(encoder, config)
                self.encoder = copy.deepcopy(encoder)

        _fails(run_check, Broken, "encoder_is_trained", "got another one")

    def test_features_that_are_detached(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def similarities(self, views: list[Tensor]) -> Tensor:
                features = self.encoder(views[0]).detach()
                return F.normalize(self.projector(features), dim=1) @ self.target(views[1]).T

        _fails(run_check, Broken, "encoder_is_trained", "expected the encoder to change")


class TestSeeds:
    def test_randomness_of_its_own(self, run_check: RunCheck) -> None:
        draw = random.SystemRandom()
        broken = _step(lambda m, v, out: StepOutput(out.loss * draw.random(), {}))
        _fails(run_check, broken, "seeds", "expected equal losses from equal seeds", "NumPy")

    def test_a_seed_of_its_own(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, encoder: nn.Module, config: GoodConfig | None = None) -> None:
                torch.manual_seed(0)
                for parameter in encoder.parameters():
                    nn.init.normal_(parameter)
                super().__init__(encoder, config)

        _fails(run_check, Broken, "seeds", "expected other losses", "Do not call torch.manual_seed")


class TestAfterStep:
    def test_that_changes_what_is_trained(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def after_step(self) -> None:
                self.projector.weight.data.mul_(0.9)

        _fails(run_check, Broken, "after_step", "'projector.weight' changed", "move averages")

    def test_that_moves_nothing(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def after_step(self) -> None:
                copy.deepcopy(self.target).load_state_dict(self.target.state_dict())

        _fails(run_check, Broken, "after_step", "expected after_step to move something")

    def test_that_was_forgotten(self, run_check: RunCheck) -> None:
        class Broken(Good):
            after_step = Method.after_step

        with pytest.warns(ConformanceWarning, match=r"'target\.0.* frozen and nothing moves them"):
            run_check("method", Broken, "after_step")


class TestStateRoundTrip:
    def test_a_counter_in_python(self, run_check: RunCheck) -> None:
        class Broken(Good):
            count = 0

            def training_step(self, views: list[Tensor]) -> StepOutput:
                self.count += 1
                return StepOutput(Good.training_step(self, views).loss * (1 + self.count), {})

        _fails(run_check, Broken, "state_round_trip", "register_buffer", "Python attributes")

    def test_a_state_that_is_no_tensor(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def get_extra_state(self) -> dict[str, int]:
                return {"count": 1}

            def set_extra_state(self, state: Any) -> None:
                pass

        _fails(run_check, Broken, "state_round_trip", "'_extra_state'")


def test_pickles(run_check: RunCheck) -> None:
    class Local(Good):
        pass

    _fails(run_check, Local, "pickles", "top level of a module")


class TestLeads:
    def test_a_method_of_few_leads(self, run_check: RunCheck) -> None:
        class Broken(Good):
            views = "a*"

            def similarities(self, views: list[Tensor]) -> Tensor:
                return super().similarities([views[0], views[1][:, 2:3]])

        _fails(run_check, Broken, "lead_counts", "expected no exception", "1, 2, 8 and 12 leads")

    def test_fewer_leads_than_views_show_are_left_out(self, run_check: RunCheck) -> None:
        assert run_check("method", type("Three", (Good,), {"views": "abc"}), "lead_counts") == (
            "records of 1 and 2 leads were left out: the views 'abc' show 3, and the host refuses "
            "fewer"
        )

    def test_one_number_of_leads_that_is_left_out(self, run_check: RunCheck) -> None:
        two = type("Two", (Good,), {"views": "ab"})
        assert run_check("method", two, "lead_counts").startswith("records of 1 lead were left out")

    def test_a_method_that_reads_one_lead_itself(self, run_check: RunCheck) -> None:
        broken = _step(lambda m, v, out: (m.encoder(v[0][:, :1]), out)[1])
        _fails(run_check, broken, "all_leads_at_once", "expected no exception")


class TestAddedLosses:
    """With the setting `add` a method is checked as it will be trained: with what is added."""

    ADDED = GoodConfig(add="lead_decorrelation")

    def test_added_views_count(self, run_check: RunCheck) -> None:
        assert run_check("method", Good, "lead_counts", self.ADDED) == (
            "records of 1 and 2 leads were left out: the views 'ab yz' show 4, and the host "
            "refuses fewer"
        )

    @pytest.mark.parametrize("add", ["lead_correlation", "lead_decorrelation"])
    def test_a_good_method_passes_without_a_warning(self, add: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConformanceWarning)
            check_method("simclr", {"add": add}, slow=False)

    @pytest.mark.parametrize("check", [step, encoder_is_trained, all_leads_at_once, loss_falls])
    def test_they_are_in_every_step(self, monkeypatch: pytest.MonkeyPatch, check: Any) -> None:
        def asked_for(self: Any, views: list[Tensor]) -> dict[str, Tensor]:
            raise NotImplementedError(f"of {len(views)} views")

        monkeypatch.setattr(WithLeadLosses, "_lead_losses", asked_for)
        with pytest.raises(NotImplementedError, match="of 2 views"):
            check(MethodTrial(Good, self.ADDED))

    def test_they_are_in_the_pretraining_too(
        self, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        built: list[Method] = []

        def watched(build: Callable[[], Method], *given: Any, train: bool, **options: Any) -> Any:
            if train:
                built.append(build())
            return pretrain(build, *given, train=False, **options)

        pretrain = learning.pretrain
        monkeypatch.setattr(learning, "pretrain", watched)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConformanceWarning)
            run_check("method", Good, "learns", self.ADDED)
        assert [method.views for method in built] == ["ab yz"]


def test_other_encoder(run_check: RunCheck) -> None:
    broken = _step(lambda m, v, out: (m.encoder.stages, out)[1])
    _fails(run_check, broken, "other_encoder", "AttributeError", "no attribute 'stages'")


def _in_bf16(method: Any, views: Any, out: StepOutput) -> StepOutput:
    return StepOutput(out.loss.to(method.encoder(views[0]).dtype), {})


def _twice_as_much(method: Any, views: Any, out: StepOutput) -> StepOutput:
    return StepOutput(out.loss * (2 if torch.is_autocast_enabled("cpu") else 1), {})


@pytest.mark.parametrize(
    ("change", "word"), [(_in_bf16, "got torch.bfloat16"), (_twice_as_much, "within 5% of")]
)
def test_bf16(run_check: RunCheck, change: Any, word: str) -> None:
    _fails(run_check, _step(change), "bf16", word, "Float32Loss")


class ByPatient(Good):
    """Records of one patient are one another's positives."""

    uses_patients = True

    def training_step(self, views: list[Tensor], patients: Tensor | None = None) -> StepOutput:
        scores = self.similarities(views)
        owners = torch.arange(len(scores)) if patients is None else patients
        same = (owners[:, None] == owners).float()
        return StepOutput(F.cross_entropy(scores, same / same.sum(dim=1, keepdim=True)), {})


class TestPatients:
    def test_a_method_that_uses_them(self, run_check: RunCheck) -> None:
        assert run_check("method", ByPatient, "patients") == ""
        assert "does not use patients" in run_check("method", Good, "patients")

    def test_no_argument(self, run_check: RunCheck) -> None:
        broken = type("Broken", (Good,), {"uses_patients": True})
        _fails(run_check, broken, "step", r"got training_step\(self, views", "patients=None")

    def test_patients_that_are_not_used(self, run_check: RunCheck) -> None:
        class Broken(ByPatient):
            def training_step(
                self, views: list[Tensor], patients: Tensor | None = None
            ) -> StepOutput:
                return ByPatient.training_step(self, views)

        _fails(run_check, Broken, "patients", "another loss where records share a patient")

    def test_numbers_that_are_more_than_names(self, run_check: RunCheck) -> None:
        class Broken(ByPatient):
            def training_step(
                self, views: list[Tensor], patients: Tensor | None = None
            ) -> StepOutput:
                numbers = None if patients is None else patients // 2
                return ByPatient.training_step(self, views, numbers)

        _fails(run_check, Broken, "patients", "compare them with ==")


class TestCapturable:
    def test_a_step_that_stays_on_the_device(self, run_check: RunCheck) -> None:
        assert run_check("method", _step(lambda m, v, out: out), "capturable") == ""
        assert "does not say" in run_check("method", Good, "capturable")

    @pytest.mark.parametrize(
        "change",
        [
            lambda m, v, out: out if out.loss.item() > -1 else None,
            lambda m, v, out: out if out.loss > -1 else None,
            lambda m, v, out: (v[0][v[0] > 0], out)[1],
            lambda m, v, out: (torch.nonzero(v[0]), out)[1],
            lambda m, v, out: (torch.unique(v[0]), out)[1],
            lambda m, v, out: (out.loss.detach().tolist(), out)[1],
            lambda m, v, out: (out.loss.detach().numpy(), out)[1],
            lambda m, v, out: (out.loss.cpu(), out)[1],
        ],
    )
    def test_a_step_that_waits_for_a_gpu(self, run_check: RunCheck, change: Any) -> None:
        _fails(run_check, _step(change), "capturable", "does not stay on the device", "torch.where")

    def test_a_mask_of_one_shape_is_no_reason(self, run_check: RunCheck) -> None:
        kept = _step(
            lambda m, v, out: (torch.where(v[0] > 0, v[0], 0).masked_fill(v[0] < 1, 0), out)[1]
        )
        assert run_check("method", kept, "capturable") == ""

    def test_a_counter_in_python(self, run_check: RunCheck) -> None:
        def count(m: Any, views: Any, out: StepOutput) -> StepOutput:
            m.count = getattr(m, "count", 0) + 1
            return out

        _fails(run_check, _step(count), "capturable", "self.count went from 2 to 3", "buffer")


class TestLearning:
    def test_a_loss_that_rises(self, run_check: RunCheck) -> None:
        class Broken(WithoutTarget):
            def training_step(self, views: list[Tensor]) -> StepOutput:
                loss = WithoutTarget.training_step(self, views).loss
                return StepOutput(2 * loss.detach() - loss, {})

        _fails(run_check, Broken, "loss_falls", r"expected a lower loss", r"got changes of \+")

    def test_collapse_is_a_warning(self, run_check: RunCheck) -> None:
        class Broken(WithoutTarget):
            def training_step(self, views: list[Tensor]) -> StepOutput:
                return StepOutput(-self.similarities(views).diagonal().mean(), {})

        with pytest.warns(
            ConformanceWarning, match=r"'Broken': features may collapse: .* is 0\.\d"
        ):
            run_check("method", Broken, "spread")

    def test_features_without_a_signal(self, run_check: RunCheck) -> None:
        class Broken(WithoutTarget):
            def after_step(self) -> None:
                for parameter in self.encoder.parameters():
                    parameter.data.zero_()

        error = _fails(run_check, Broken, "learns", "expected a linear probe", "got 0.500")
        assert "untrained encoder of the same seed has 0.7" in str(error)
