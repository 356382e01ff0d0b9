"""What every protocol takes and gives: labelled parts and label subsets in, class scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from lcd_plugin.encoders import RecordEncoder

TaskKind = Literal["multi-label", "single-label"]
# What of a record a protocol reads: pooled features of a frozen encoder, shape (records, features),
# its features before they are pooled, (records, leads, positions, features), with one lead in place
# of all for an encoder that reads them at once, or the signals themselves, (records, leads, time).
Inputs = Literal["features", "tokens", "signals"]


@dataclass(frozen=True)
class Part:
    """Labelled rows of one part.

    Attributes:
        inputs: what the protocol reads, first axis rows.
        targets: 0 or 1, shape (rows, classes).
    """

    inputs: NDArray[Any]
    targets: NDArray[np.int8]


@dataclass(frozen=True)
class Subset:
    """Training rows whose labels one prediction may use.

    Attributes:
        rows: places in the training part.
        seed: of whatever the protocol draws for this subset.
    """

    rows: NDArray[np.int64]
    seed: int


@dataclass(frozen=True)
class Work:
    """An encoder and a task; what a protocol makes predictions from.

    Attributes:
        encoder: in eval mode; a protocol that trains it trains a copy.
        train: all labelled training rows.
        validation: makes every choice.
        test_inputs: inputs of the test rows; their labels are not seen here.
        kind: kind of the task.
        subsets: one prediction each.
        device: where to compute.
        precision: of forward and backward passes of an encoder that is trained.
    """

    encoder: RecordEncoder
    train: Part
    validation: Part
    test_inputs: NDArray[Any]
    kind: TaskKind
    subsets: tuple[Subset, ...]
    device: torch.device
    precision: Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Prediction:
    """Class scores of the two parts that training does not see.

    Attributes:
        validation: probabilities, shape (validation rows, classes).
        test: probabilities, shape (test rows, classes).
        chosen: what validation chose (penalty, epoch, neighbours).
    """

    validation: NDArray[np.float32]
    test: NDArray[np.float32]
    chosen: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """A way of scoring an encoder, the same for every method.

    Attributes:
        name: what users write.
        reads: what it needs of every record.
        predict: called with the work and the protocol's settings; yields one prediction a subset,
            in their order, each as soon as it is there.
        version: raise it when its numbers change for equal settings.
        trains_encoder: whether the precision of training can change its numbers.
    """

    name: str
    reads: Inputs
    predict: Callable[[Work, Any], Iterator[Prediction]]
    version: int = 1
    trains_encoder: bool = False


def log_loss(
    targets: NDArray[np.int8], probabilities: NDArray[np.floating], kind: TaskKind
) -> float:
    """Mean negative log-likelihood: over records and classes, or over records.

    Args:
        targets: 0 or 1, shape (records, classes).
        probabilities: the same shape; rows add up to 1 for `single-label`.
        kind: kind of the task.
    """
    tiny = 1e-7
    p = np.clip(probabilities.astype(np.float64), tiny, 1 - tiny)
    if kind == "single-label":
        return float(-np.log(p[targets == 1]).mean())
    return float(-np.where(targets == 1, np.log(p), np.log(1 - p)).mean())
