"""What a method can ask of the host beside its views: patients, and views without silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

PATIENTS = np.array([7, 3, 3, 9, 1, 7, 7, 2, 5, 4, 3, 8], dtype=np.int64)
# The level of a record says whose it is: a crop of a constant is that constant.
SIGNALS = np.tile(PATIENTS[:, None, None], (1, 2, 64)).astype(np.float16)


class Mean(nn.Module):
    num_features = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, signals: Tensor) -> Tensor:
        return signals.mean(dim=(1, 2), keepdim=True)[:, :, 0] * self.scale


class AsksForPatients(Method):
    views = "a"
    uses_patients = True

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, views: list[Tensor], patients: Tensor | None = None) -> StepOutput:
        assert patients is not None
        self.seen.append((views[0].mean(dim=(1, 2)), patients))
        return StepOutput(loss=self.encoder(views[0]).square().mean(), terms={})


class Silenced(Method):
    views = "a"

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.zeros: list[float] = []

    def training_step(self, views: list[Tensor]) -> StepOutput:
        self.zeros.append((views[0] == 0).float().mean().item())
        return StepOutput(loss=self.encoder(views[0]).square().mean(), terms={})


class NotSilenced(Silenced):
    time_out = False


def _train(build: Callable[[], Method], records: Records, engine: EngineSettings) -> None:
    pretrain(
        build,
        records,
        PretrainSettings(epochs=2, batch_size=4),
        ViewSettings(time_out=(0.5, 0.5)),
        seed=0,
        device=torch.device("cpu"),
        precision="fp32",
        engine=engine,
    )


@pytest.mark.parametrize("where", ["resident", "stream"])
def test_each_record_comes_with_its_patient(where: str) -> None:
    # Rows in another order than the array, as the training part of a store may have them.
    rows = np.array([4, 0, 1, 2, 11, 3, 5, 6])
    records = replace(Records.of(SIGNALS), rows=rows, patients=PATIENTS[rows])
    method = AsksForPatients(Mean())
    _train(lambda: method, records, EngineSettings(records=where))
    levels, patients = (torch.cat(parts) for parts in zip(*method.seen, strict=True))
    # Half of every view is silent, so that its mean is half of the record's level.
    torch.testing.assert_close(2 * levels, patients.float())
    assert sorted(patients.tolist()) == sorted(2 * PATIENTS[rows].tolist())


def test_without_patients_every_record_is_one() -> None:
    method = AsksForPatients(Mean())
    _train(lambda: method, Records.of(SIGNALS), EngineSettings())
    patients = torch.cat([p for _, p in method.seen])
    assert sorted(patients.tolist()) == sorted(2 * list(range(len(SIGNALS))))


def test_a_method_that_masks_by_itself_gets_views_without_silence() -> None:
    silenced, whole = Silenced(Mean()), NotSilenced(Mean())
    for method in (silenced, whole):
        _train(lambda method=method: method, Records.of(SIGNALS), EngineSettings())
    assert silenced.zeros == pytest.approx([0.5] * 6, abs=0.02)
    assert whole.zeros == [0.0] * 6


class ChangesAView(Silenced):
    def training_step(self, views: list[Tensor]) -> StepOutput:
        views[0] *= 2
        return super().training_step(views)


class GivesATensor(Silenced):
    def training_step(self, views: list[Tensor]) -> StepOutput:
        return self.encoder(views[0]).mean()


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (ChangesAView, "ChangesAView changes a view in place; make a new tensor"),
        (GivesATensor, r"GivesATensor gives Tensor; make that StepOutput\(loss, terms\)"),
    ],
)
def test_what_a_step_must_not_do_is_said(method: type[Silenced], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        _train(lambda: method(Mean()), Records.of(SIGNALS), EngineSettings())
