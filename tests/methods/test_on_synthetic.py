"""Every registered method on the embedded records, through the host that benchmarks use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lcd_plugin.data.cohorts.synthetic import Synthetic, SyntheticSettings
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import Store
from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.evaluate.metrics import macro, per_class
from lcd_plugin.evaluate.protocols import PROTOCOLS
from lcd_plugin.evaluate.protocols.base import Part, Subset, Work
from lcd_plugin.evaluate.settings import LinearSettings
from lcd_plugin.plugins import METHODS
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings

PRETRAINING = [n for n in METHODS.names() if METHODS.spec(n).kind == "pretraining"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store() -> Store:
    cohort = Synthetic(None, SyntheticSettings(records=300), 100)
    return prepare(cohort, "synthetic", 1, DataSettings(seconds=5))


@pytest.mark.parametrize("name", PRETRAINING)
def test_it_trains_does_not_collapse_and_its_features_tell_diagnoses_apart(
    name: str, store: Store
) -> None:
    method = METHODS.load(name)
    outcome = pretrain(
        lambda: method(create_encoder("vgg16_1d", width=0.0625)),
        np.ascontiguousarray(store.signals[store.rows("train")]),
        PretrainSettings(epochs=3, batch_size=32),
        ViewSettings(),
        seed=0,
        device=CPU,
        precision="fp32",
    )
    assert outcome.updates == 3 * (len(store.rows("train")) // 32)
    assert all(np.isfinite(row["loss"]) for row in outcome.history)
    leadwise = LeadwiseEncoder(outcome.encoder)
    features = extract_features(leadwise, store.signals, CPU)
    task = store.tasks[0]
    train, validation, test = (store.labels(task, s) for s in ("train", "validation", "test"))
    work = Work(
        encoder=leadwise,
        train=Part(features[train.rows], train.targets),
        validation=Part(features[validation.rows], validation.targets),
        test_inputs=features[test.rows],
        kind=task.kind,
        subsets=(Subset(np.arange(len(train.rows)), seed=0),),
        device=CPU,
        precision="fp32",
    )
    settings = LinearSettings(inverse_penalties=(1e-2,))
    prediction = next(PROTOCOLS["linear"].predict(work, settings))
    # Chance is 0.5; with 45 test records a macro mean of 0.6 is beyond it.
    assert macro(per_class("auroc", test.targets, prediction.test))[0] > 0.6
