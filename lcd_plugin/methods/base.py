"""The contract of a pretraining method.

A method owns its heads, its loss and, where it has one, its moving average. The host owns
everything that must be alike for a fair comparison: records, views' parameters, optimiser,
budget, precision, timing, logging and checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lcd_plugin.methods.config import MethodConfig

__all__ = ["Float32Loss", "Method", "MethodConfig", "StepOutput", "across_devices"]


class StepOutput(NamedTuple):
    """What one training step gives the host.

    Attributes:
        loss: scalar to minimise.
        terms: named parts of the loss for the history, detached by the host.
    """

    loss: Tensor
    terms: dict[str, Tensor]


class Method(nn.Module, ABC):
    """A self-supervised method around an encoder.

    Args:
        encoder: maps (batch, in_leads, time) to (batch, features), with the attributes
            `num_features` and `in_leads`: 1 for an encoder that is shared over leads.
        config: an instance of `config_class`, or None for its defaults.

    Attributes:
        config_class: the method's settings.
        views: which views it needs, see `MultiLeadViews`.
        capturable: whether a step is the same work on the device every time: no shape that depends
            on values, no value read on the host, no Python state that steps change. Then a GPU can
            replay it as one graph.
        time_out: whether the host silences spans of its views; not for a method that masks them.
        uses_patients: whether `training_step` is also given `patients`, shape (batch,), int64:
            equal numbers are records of one patient.
    """

    config_class: ClassVar[type[MethodConfig]] = MethodConfig
    views: ClassVar[str]
    capturable: ClassVar[bool] = False
    time_out: ClassVar[bool] = True
    uses_patients: ClassVar[bool] = False

    def __init__(self, encoder: nn.Module, config: MethodConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config if config is not None else self.config_class()

    @abstractmethod
    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Loss of one batch of views: (batch, in_leads, time), or (batch, leads, time) for `*`.

        Every view goes through the encoder in a forward pass of its own, so that batch-norm
        statistics are those of one view.
        """

    def after_step(self) -> None:
        """Called after each optimiser update; the place of a moving average."""


def across_devices() -> bool:
    """Whether several devices share a batch, so that losses over a batch have to gather it."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class Float32Loss(nn.Module):
    """A loss computed in float32 whatever the precision of the step.

    Covariances and similarities over a small temperature do not survive half precision.

    Args:
        loss: any module that maps tensors, or lists of them, to a scalar.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, *inputs: Tensor | Sequence[Tensor]) -> Tensor:
        """The wrapped loss of `inputs`."""
        first = inputs[0] if isinstance(inputs[0], Tensor) else inputs[0][0]
        with torch.autocast(device_type=first.device.type, enabled=False):
            value: Any = self.loss(*map(_in_float32, inputs))
        result: Tensor = value
        return result


def _in_float32(x: Tensor | Sequence[Tensor]) -> Any:
    if not isinstance(x, Tensor):
        return [_in_float32(one) for one in x]
    return x if x.dtype == torch.float64 else x.float()
