"""Each check of an encoder notices an encoder that is broken in the one way that it looks for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.testing import ConformanceError, check_encoder

RunCheck = Callable[..., str]


class Good(nn.Module):
    def __init__(self, in_leads: int = 1, width: int = 8) -> None:
        super().__init__()
        self.in_leads, self.num_features = in_leads, width
        self.stem = nn.Sequential(nn.Conv1d(in_leads, width, 8, 8), nn.BatchNorm1d(width))
        self.blocks = nn.ModuleList([nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)])

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x).mean(dim=2)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x).tanh()
        return x

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


def _fails(run_check: RunCheck, encoder: Any, check: str, *words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        run_check("encoder", encoder, check)
    said = str(caught.value)
    assert said.startswith(f"encoder '{encoder.__name__}', check {check}: ")
    for word in words:
        assert re.search(word, said), said


def _with(**attributes: Any) -> type[Good]:
    return type("Broken", (Good,), attributes)


def test_a_good_encoder_passes_with_its_settings() -> None:
    check_encoder(Good)
    check_encoder(Good, {"width": 4})
    check_encoder("vgg16_1d", {"width": 0.05})


def test_names_and_things_that_are_no_encoders() -> None:
    with pytest.raises(ConfigError, match="did you mean 'vgg16_1d'"):
        check_encoder("vgg16_2d")
    with pytest.raises(PluginError, match="class or a function that is called"):
        check_encoder(3)  # type: ignore[arg-type]


def test_all_failures_are_told_at_once() -> None:
    def matcher(self: Good, coarse: bool) -> dict[str, str]:
        return {"all": r"^"}

    broken = _with(forward=lambda self, x: self.forward_features(x)[..., 0], group_matcher=matcher)
    with pytest.raises(ConformanceError, match=r"'Broken': 2 of 10 checks failed\.\n") as caught:
        check_encoder(broken)
    assert re.findall(r"check (\w+):", str(caught.value)) == ["features_over_time", "layers"]


class TestAttributes:
    def test_another_number_of_leads(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, in_leads: int = 1) -> None:
                super().__init__(in_leads)
                self.in_leads = 1

        _fails(run_check, Broken, "attributes", "expected in_leads 2, .* got 1")

    @pytest.mark.parametrize(("said", "word"), [(None, "got None"), (8.0, r"got 8\.0")])
    def test_no_number_of_features(self, run_check: RunCheck, said: Any, word: str) -> None:
        class Broken(Good):
            def __init__(self, in_leads: int = 1) -> None:
                super().__init__(in_leads)
                self.num_features = said

        _fails(run_check, Broken, "attributes", "an attribute num_features", word)

    def test_no_network(self, run_check: RunCheck) -> None:
        def broken(in_leads: int) -> int:
            return in_leads

        _fails(run_check, broken, "attributes", r"expected a torch\.nn\.Module; got int")

    def test_a_setting_without_a_default(self, run_check: RunCheck) -> None:
        def broken(in_leads: int, width: int) -> Good:
            return Good(in_leads, width)

        _fails(run_check, broken, "attributes", "TypeError .*'width'")


@pytest.mark.parametrize(
    ("forward", "word"),
    [
        (lambda self, x: self.forward_features(x), r"shape \(4, 8\) from .*\(4, 1, 64\)"),
        (lambda self, x: [x], "got list"),
        (lambda self, x: self.forward_features(x).mean(dim=2) / 0, "NaN or infinity"),
        (lambda self, x: x.reshape(len(x), 64, -1)[:, :8, 0], r"expected no exception"),
    ],
)
def test_output_shape(run_check: RunCheck, forward: Any, word: str) -> None:
    _fails(run_check, _with(forward=forward), "output_shape", word)


def test_unknown_setting(run_check: RunCheck) -> None:
    def broken(in_leads: int = 1, **_: Any) -> Good:
        return Good(in_leads)

    _fails(run_check, broken, "unknown_setting", "'no_such_setting' to be refused", "by name")


def test_gradients(run_check: RunCheck) -> None:
    class Broken(Good):
        def __init__(self, in_leads: int = 1) -> None:
            super().__init__(in_leads)
            self.classifier = nn.Linear(2, 2)

    _fails(run_check, Broken, "gradients", "none for 'classifier.weight', 'classifier.bias'")


class TestSeeds:
    def test_randomness_of_its_own(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, in_leads: int = 1) -> None:
                super().__init__(in_leads)
                nn.init.constant_(self.blocks[0].weight, random.SystemRandom().random())

        _fails(run_check, Broken, "seeds", r"others in 'blocks\.0\.weight'")

    def test_a_seed_of_its_own(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def __init__(self, in_leads: int = 1) -> None:
                torch.manual_seed(0)
                super().__init__(in_leads)

        _fails(run_check, Broken, "seeds", "expected other weights from another seed")


class TestEvaluation:
    def test_statistics_of_the_batch(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x) - super().forward(x).mean(dim=0)

        _fails(run_check, Broken, "evaluation", "do not depend on other records", "a difference of")

    def test_dropout_that_never_ends(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def forward(self, x: Tensor) -> Tensor:
                return nn.functional.dropout(super().forward(x))

        _fails(run_check, Broken, "evaluation", "equal features from equal input in eval mode")

    def test_statistics_that_go_on(self, run_check: RunCheck) -> None:
        class Broken(Good):
            def forward(self, x: Tensor) -> Tensor:
                self.stem[1].num_batches_tracked += 1
                return super().forward(x)

        _fails(run_check, Broken, "evaluation", r"'stem\.1\.num_batches_tracked' changed")


def test_bf16(run_check: RunCheck) -> None:
    class Broken(Good):
        def forward(self, x: Tensor) -> Tensor:
            features = super().forward(x)
            return features * 2 if torch.is_autocast_enabled("cpu") else features

    _fails(run_check, Broken, "bf16", "within 10%", r"got (99|100|101)% of their norm away")


class TestFeaturesOverTime:
    def test_they_may_be_missing(self, run_check: RunCheck) -> None:
        def plain(in_leads: int = 1) -> nn.Module:
            network = nn.Sequential(
                nn.Conv1d(in_leads, 4, 8), nn.AdaptiveAvgPool1d(1), nn.Flatten()
            )
            network.num_features = 4  # type: ignore[assignment]
            return network

        assert "no forward_features" in run_check("encoder", plain, "features_over_time")
        assert "no group_matcher" in run_check("encoder", plain, "layers")
        check_encoder(plain)

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda tokens: tokens.mT, r"of shape \(4, 8, 'positions'\); got \(4, 25, 8\)"),
            (lambda tokens: 2 * tokens, "features that are the mean of forward_features"),
        ],
    )
    def test_other_ones(self, run_check: RunCheck, change: Any, word: str) -> None:
        class Broken(Good):
            def forward(self, x: Tensor) -> Tensor:
                return Good.forward_features(self, x).mean(dim=2)

            def forward_features(self, x: Tensor) -> Tensor:
                return change(Good.forward_features(self, x))

        _fails(run_check, Broken, "features_over_time", word, r"mean\(dim=2\)")


@pytest.mark.parametrize(
    ("patterns", "word"),
    [
        ({"blocks": r"^blocks\.(\d+)"}, r"no match for 'stem\.0\.weight', 'stem\.0\.bias'"),
        ({"all": r"^"}, "got one layer"),
    ],
)
def test_layers(run_check: RunCheck, patterns: dict[str, str], word: str) -> None:
    broken = _with(group_matcher=lambda self, coarse: patterns)
    _fails(run_check, broken, "layers", r"group_matcher\(coarse=False\)", word)


def test_file_round_trip(run_check: RunCheck) -> None:
    class Broken(Good):
        def __init__(self, in_leads: int = 1) -> None:
            super().__init__(in_leads)
            self.scale = torch.rand(1)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * self.scale

    _fails(run_check, Broken, "file_round_trip", "a fresh encoder with its state_dict", "buffers")
