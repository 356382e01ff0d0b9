"""Training an encoder with a linear classifier on labels: fine-tuning, or from scratch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import nn

from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Subset, Work
from lcd_plugin.evaluate.training import Budget, EncoderClassifier, train_and_score

if TYPE_CHECKING:
    from lcd_plugin.evaluate.settings import FinetuneSettings


def predict(work: Work, settings: FinetuneSettings) -> Iterator[Prediction]:
    """Train everything with AdamW, stop by validation loss.

    Every subset gets as many updates as all labelled rows would: few labels must not also mean
    little training.

    Raises:
        ConfigError: `layer_decay` is below 1 and the encoder does not say what its layers are.
        FloatingPointError: the validation loss is no longer finite.
    """
    for subset in work.subsets:
        yield train_on(work, subset, settings)[0]


def train_on(
    work: Work, subset: Subset, settings: FinetuneSettings
) -> tuple[Prediction, EncoderClassifier]:
    """The prediction of one subset, and the model that made it."""
    made: list[EncoderClassifier] = []

    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = EncoderClassifier(work).to(work.device)
        made.append(model)
        optimiser = torch.optim.AdamW(
            _parameters(model, settings),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        return model, optimiser

    budget = Budget(
        settings.epochs, len(work.train.targets), settings.batch_size, settings.patience
    )
    prediction = train_and_score(work, subset, start, budget, work.precision)
    return prediction, made[0]


def _parameters(model: EncoderClassifier, settings: FinetuneSettings) -> list[dict[str, Any]]:
    """Groups of parameters; with a decay, one for each layer of the encoder, at its own rate.

    The rate of the n-th layer from the end is `learning_rate * layer_decay ** n`, as in Bao et al.,
    BEiT, https://arxiv.org/abs/2106.08254; the classifier's is `learning_rate`.
    """
    if settings.layer_decay == 1:
        return [{"params": list(model.parameters())}]
    network = model.encoder.encoder
    if not hasattr(network, "group_matcher"):
        raise ConfigError(
            f"finetune.layer_decay below 1 needs an encoder with timm's method group_matcher, "
            f"which {type(network).__name__} lacks; set it to 1."
        )
    groups = param_groups_layer_decay(
        network,
        weight_decay=settings.weight_decay,
        weight_decay_exclude_1d=False,
        layer_decay=settings.layer_decay,
    )
    # timm's scale of the last layer is 1, which here is that of the classifier behind it.
    last = settings.learning_rate * settings.layer_decay
    layers = [{"params": group["params"], "lr": last * group["lr_scale"]} for group in groups]
    return [{"params": list(model.classifier.parameters())}, *layers]


PROTOCOL = Protocol("finetune", "signals", predict, version=2, trains_encoder=True)
