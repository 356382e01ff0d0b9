"""The paper's fine-tuning against a plain loop on a copy of the same network."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import nn

from lcd_plugin.encoders import LeadwiseEncoder, create_encoder
from lcd_plugin.evaluate.protocols.base import Part, Prediction, Subset, TaskKind, Work
from lcd_plugin.evaluate.protocols.finetune_paper import PROTOCOL
from lcd_plugin.evaluate.settings import FinetunePaperSettings

LEADS, TIME = 2, 64
KINDS: tuple[TaskKind, TaskKind] = ("multi-label", "single-label")


def _part(rows: int, seed: int, kind: TaskKind = "single-label") -> Part:
    """The first class is a slow wave, the second a fast one."""
    rng = np.random.default_rng(seed)
    targets = np.eye(2, dtype=np.int8)[np.arange(rows) % 2]
    if kind == "multi-label":
        targets[::3, 0] = targets[1::3, 1] = 1
    time = np.linspace(0, 6.28, TIME)
    phases = rng.uniform(0, 6.28, (2, rows, LEADS, 1))
    slow, fast = (np.sin(r * time + p) for r, p in zip((3, 14), phases, strict=True))
    waves = targets[:, 0, None, None] * slow + targets[:, 1, None, None] * fast
    signals = waves + 0.1 * rng.standard_normal(waves.shape)
    return Part(signals.astype(np.float16), targets)


@pytest.fixture
def encoder() -> LeadwiseEncoder:
    torch.manual_seed(0)
    return LeadwiseEncoder(create_encoder("vgg16_1d", width=0.05)).eval()


def _run(
    encoder: LeadwiseEncoder,
    train: Part,
    *subsets: Subset,
    kind: TaskKind = "single-label",
    test: Part | None = None,
    precision: Any = "fp32",
    **settings: Any,
) -> list[Prediction]:
    work = Work(
        encoder,
        train,
        _part(24, 1, kind),
        (test or _part(40, 2, kind)).inputs,
        kind,
        subsets or (Subset(np.arange(len(train.targets)), 0),),
        torch.device("cpu"),
        precision,
    )
    return list(PROTOCOL.predict(work, FinetunePaperSettings(**settings)))


def test_equals_a_plain_loop_at_the_best_epoch(encoder: LeadwiseEncoder) -> None:
    train, validation, test = _part(24, 0), _part(24, 1), _part(40, 2)
    train.targets[::3] = 1 - train.targets[::3]  # so that there is something to overfit to
    rows, settings = np.arange(3, 20), {"epochs": 8, "batch_size": 8, "learning_rate": 0.05}
    (prediction,) = _run(encoder, train, Subset(rows, 4), test=test, **settings)

    torch.manual_seed(4)
    network = copy.deepcopy(encoder)
    classifier = nn.Linear(LEADS * encoder.num_features, 2)
    parameters = [*network.parameters(), *classifier.parameters()]
    adam = torch.optim.Adam(parameters, lr=0.05, fused=True)
    order = torch.Generator().manual_seed(4)
    x, y = torch.tensor(train.inputs[rows]).float(), torch.tensor(train.targets[rows]).argmax(1)
    losses, scores = [], []
    for _ in range(8):
        network.train()
        for batch in torch.randperm(17, generator=order).tensor_split(3):
            adam.zero_grad()
            F.cross_entropy(classifier(network(x[batch])), y[batch]).backward()
            adam.step()
        network.eval()
        with torch.no_grad():
            found, wanted = (
                classifier(network(torch.tensor(p.inputs).float())) for p in (validation, test)
            )
        losses.append(float(F.cross_entropy(found, torch.tensor(validation.targets).argmax(1))))
        scores.append(wanted.softmax(1).numpy())
    best = int(np.argmin(losses))
    assert best < 7, "the example should go past its best"
    assert prediction.chosen["epoch"] == best + 1
    assert prediction.chosen["validation_log_loss"] == pytest.approx(losses[best], rel=1e-3)
    np.testing.assert_allclose(prediction.test, scores[best], atol=2e-3)


def test_settings_of_the_paper() -> None:
    assert FinetunePaperSettings().model_dump() == {
        "epochs": 100,
        "batch_size": 128,
        "learning_rate": 1e-4,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_learns_what_can_be_learned(encoder: LeadwiseEncoder, kind: TaskKind) -> None:
    settings = {"epochs": 12, "batch_size": 8, "learning_rate": 3e-3}
    (prediction,) = _run(encoder, _part(48, 0, kind), kind=kind, **settings)
    assert roc_auc_score(_part(40, 2, kind).targets, prediction.test) > 0.99


def test_training_does_not_stop_early(encoder: LeadwiseEncoder) -> None:
    """However long the wait for a better epoch; with the labels swapped there is none."""
    batches = []
    encoder.register_forward_pre_hook(lambda m, x: batches.append(m.training))
    part = _part(8, 0)
    swapped = Part(part.inputs, 1 - part.targets)
    (prediction,) = _run(encoder, swapped, epochs=20, learning_rate=0.01)
    assert sum(batches) == 20
    assert prediction.chosen["epoch"] < 10


def test_updates_are_those_of_the_subset(encoder: LeadwiseEncoder) -> None:
    sizes: list[int] = []
    encoder.register_forward_pre_hook(lambda m, x: sizes.append(len(x[0])) if m.training else None)
    part = _part(64, 0)
    _run(encoder, part, Subset(np.arange(33), 0), epochs=2, batch_size=16)
    assert sizes == [11, 11, 11] * 2


def test_the_given_encoder_is_left_as_it_was(encoder: LeadwiseEncoder) -> None:
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    _run(encoder, _part(16, 0), epochs=1)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert all(p.grad is None for p in encoder.parameters())
    assert not encoder.training


def test_subset_and_seed_decide_and_nothing_else_does(encoder: LeadwiseEncoder) -> None:
    train, settings = _part(24, 0), {"epochs": 2, "learning_rate": 1e-2}
    few, many = Subset(np.arange(8), 1), Subset(np.arange(16), 2)
    both = _run(encoder, train, few, many, **settings)
    again = _run(encoder, train, many, few, **settings)[::-1]
    for one, two in zip(both, again, strict=True):
        assert np.array_equal(one.test, two.test)
    (reseeded,) = _run(encoder, train, Subset(few.rows, 3), **settings)
    assert not np.array_equal(reseeded.test, both[0].test)


def test_test_inputs_play_no_role_in_training(encoder: LeadwiseEncoder) -> None:
    train, test = _part(16, 0), _part(40, 2)
    changed = Part(test.inputs.copy(), test.targets)
    changed.inputs[::2] *= -3
    one, two = (_run(encoder, train, test=t, epochs=2)[0] for t in (test, changed))
    assert one.chosen == two.chosen
    assert np.array_equal(one.validation, two.validation)
    np.testing.assert_allclose(one.test[1::2], two.test[1::2], atol=1e-6)
    assert not np.allclose(one.test[::2], two.test[::2], atol=1e-6)


def test_bf16_is_near_fp32(encoder: LeadwiseEncoder) -> None:
    exact, rounded = (
        _run(encoder, _part(32, 0), precision=p, epochs=1)[0] for p in ("fp32", "bf16")
    )
    np.testing.assert_allclose(rounded.test, exact.test, atol=0.1)
    assert not np.array_equal(rounded.test, exact.test)
