"""What every protocol takes and gives: labelled parts in, class scores out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TaskKind = Literal["multi-label", "single-label"]


@dataclass(frozen=True)
class Prediction:
    """Class scores of the two parts that training does not see.

    Attributes:
        validation: probabilities, shape (validation records, classes).
        test: probabilities, shape (test records, classes).
        chosen: what validation chose (penalty, epoch, neighbours).
    """

    validation: NDArray[np.float32]
    test: NDArray[np.float32]
    chosen: dict[str, Any] = field(default_factory=dict)


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
