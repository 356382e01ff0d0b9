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
from lcd_plugin.evaluate.linear import linear_probe
from lcd_plugin.evaluate.metrics import auroc
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
    features = extract_features(LeadwiseEncoder(outcome.encoder), store.signals, CPU)
    task = store.tasks[0]
    parts = [store.labels(task, split) for split in ("train", "validation", "test")]
    train, validation, test = parts
    prediction = linear_probe(
        (features[train.rows], train.targets),
        (features[validation.rows], validation.targets),
        features[test.rows],
        task.kind,
        LinearSettings(inverse_penalties=(1e-2,)),
    )
    once = np.ones((1, len(test.rows)))
    scores = [
        auroc(test.targets[:, k], prediction.test[:, k], once)[0] for k in range(len(task.classes))
    ]
    # Chance is 0.5; with 45 test records a macro mean of 0.6 is beyond it.
    assert np.nanmean(scores) > 0.6
