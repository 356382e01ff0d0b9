"""Whether a pretraining method learns: its loss, the spread of its features, what they tell."""

from __future__ import annotations

import copy
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor, nn

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
from lcd_plugin.methods.add_ons import build_method
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.methods.baselines import Untrained
from lcd_plugin.plugins import DATASETS
from lcd_plugin.pretrain.engine import pretrain
from lcd_plugin.pretrain.records import Records
from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings
from lcd_plugin.testing.check import caution, fail
from lcd_plugin.testing.method_trial import (
    MethodTrial,
    TinyEncoder,
    records,
    trained_parameters,
)
from lcd_plugin.testing.tensors import copied

STEPS = 20
DRAWS = 4
# Of an untrained encoder's spread: methods that do not collapse keep nine tenths of it or more.
COLLAPSED = 0.5
NO_SPREAD = 0.02

CPU = torch.device("cpu")
SYNTHETIC_RECORDS, RATE, SECONDS = 800, 50, 5.0
PRETRAINED_ON, EPOCHS, BATCH_SIZE = 200, 16, 32
# Macro AUROC of the probe; an untrained encoder has about 0.73, and scores of one method under
# several seeds differ by 0.02.
CHANCE = 0.6
WORSE_THAN_UNTRAINED = 0.05


def loss_falls(trial: MethodTrial) -> None:
    """Training lowers the loss of the views that it is trained on.

    What gradients do not train (moving averages, queues, running covariances) is held as it is at
    the start: a queue that fills makes a task harder, not a method worse.
    """
    method = trial.make()
    trained = trained_parameters(method)
    held = {k: v for k, v in copied(method.state_dict()).items() if k not in trained}
    before = [_loss(trial, method, draw) for draw in range(DRAWS)]
    trial.train(method, STEPS, draws=DRAWS, held=held)
    changes = [_loss(trial, method, draw) - loss for draw, loss in enumerate(before)]
    if not all(change < 0 for change in changes):
        fail(
            f"a lower loss on {DRAWS} draws of views after {STEPS} steps of training on them",
            f"changes of {', '.join(f'{change:+.3g}' for change in changes)}",
            "Look at what is detached, and whether what is returned is what shall become small.",
        )


def spread(trial: MethodTrial) -> None:
    """Features of different records stay apart in training; if not, that is a warning."""
    # Batch norm in an encoder would keep up the spread for long.
    method = trial.make(encoder=TinyEncoder)
    before = _spread(method.encoder)
    trial.train(method, STEPS, learning_rate=4e-3)
    after = _spread(method.encoder)
    if not after > max(NO_SPREAD, COLLAPSED * before):
        caution(
            trial,
            f"features may collapse: after {STEPS} steps of training their spread is {after:.3f} "
            f"(1 is as wide as can be, 0 is one point), before it {before:.3f}. Look for a missing "
            f"stop-gradient, predictor, negative or term of variance.",
        )


def learns(trial: MethodTrial) -> None:
    """Pretrained on synthetic records, the encoder's features tell diagnoses apart."""
    score, untrained = _score(trial.method_class, trial.config), _untrained_score()
    came = f"{score:.3f} (an untrained encoder of the same seed has {untrained:.3f})"
    if score < max(CHANCE, untrained - WORSE_THAN_UNTRAINED):
        fail(
            f"a linear probe with a macro AUROC of {CHANCE} or more and not far below that of an "
            f"untrained encoder, after {EPOCHS} epochs on synthetic records",
            came,
            "Training spoils what the encoder knew: look for collapse, and for a loss that asks "
            "views to be alike in nothing but their augmentation.",
        )
    if score <= untrained:
        caution(trial, f"a linear probe of its features is not above random: macro AUROC {came}.")


def _loss(trial: MethodTrial, method: Method, draw: int) -> float:
    torch.manual_seed(draw)
    with torch.no_grad():
        # Of a copy, since a step may change queues and centres.
        return trial.step(copy.deepcopy(method), trial.views(draw)).loss.item()


@torch.no_grad()
def _spread(encoder: nn.Module) -> float:
    """Standard deviation of normalised features over records, times the root of their number."""
    features: Tensor = copy.deepcopy(encoder).eval()(records()[:, :1])
    normed = torch.nn.functional.normalize(features, dim=1)
    return float(normed.std(dim=0).mean()) * float(features.shape[1] ** 0.5)


@lru_cache(maxsize=1)
def _synthetic() -> Store:
    cohort = Synthetic(None, SyntheticSettings(records=SYNTHETIC_RECORDS), RATE)
    version = DATASETS.spec("synthetic").version
    return prepare(cohort, "synthetic", version, DataSettings(seconds=SECONDS, rate=RATE), jobs=1)


def _build(method_class: type[Method], config: MethodConfig) -> Method:
    return build_method(method_class, create_encoder("vgg16_1d", width=0.0625), config)


@lru_cache(maxsize=1)
def _untrained_score() -> float:
    """What the encoder is worth without a pretraining, as in every leaderboard."""
    return _score(Untrained, MethodConfig(), train=False)


def _score(method_class: type[Method], config: MethodConfig, train: bool = True) -> float:
    """Macro AUROC of a linear probe after a pretraining."""
    store = _synthetic()
    rows = store.rows("train")[:PRETRAINED_ON]
    signals = np.ascontiguousarray(store.signals[rows])
    patients = np.unique(store.table["patient"].iloc[rows], return_inverse=True)[1]
    outcome = pretrain(
        partial(_build, method_class, config),
        Records(signals, signals.shape, np.arange(len(rows)), patients),
        PretrainSettings(epochs=EPOCHS, batch_size=BATCH_SIZE),
        ViewSettings(),
        seed=0,
        device=CPU,
        precision="fp32",
        train=train,
    )
    return _probe(LeadwiseEncoder(outcome.encoder), store)


def _probe(encoder: LeadwiseEncoder, store: Store) -> float:
    """Fitted on training records, scored on all others: nothing is chosen on either."""
    features = extract_features(encoder, store.signals, CPU)
    task = store.tasks[0]
    train, validation, test = (store.labels(task, s) for s in ("train", "validation", "test"))
    others = np.concatenate([validation.rows, test.rows])
    work = Work(
        encoder=encoder,
        train=Part(features[train.rows], train.targets),
        validation=Part(features[validation.rows], validation.targets),
        test_inputs=features[others],
        kind=task.kind,
        subsets=(Subset(np.arange(len(train.rows)), seed=0),),
        device=CPU,
        precision="fp32",
    )
    prediction = next(PROTOCOLS["linear"].predict(work, LinearSettings(inverse_penalties=(1e-2,))))
    targets = np.concatenate([validation.targets, test.targets])
    return float(macro(per_class("auroc", targets, prediction.test))[0])


CHECKS = (loss_falls, spread, learns)
SLOW = frozenset({learns})
