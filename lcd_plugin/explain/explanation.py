"""What a fine-tuned model makes of a record, for one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from lcd_plugin.explain.attribution import (
    Attribution,
    integrated_gradients,
    model_times,
    smoothed,
)
from lcd_plugin.explain.deletion import Deletion, deletion_curve
from lcd_plugin.explain.model_file import check_class

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.explain.model_file import FineTuned
    from lcd_plugin.explain.subject import Subject

HARDLY = 0.25  # in units of the score: a probability of 0.50 would come to 0.56 at most
SHARE_S = 0.1  # an overlay says how much of the attribution lies in so many seconds of a lead


@dataclass(frozen=True)
class Explanation:
    """One model on one record.

    Attributes:
        model: the model.
        class_name: the class whose score is explained.
        probability: that the model gives it.
        attribution: sample by sample.
        overlay: smoothed attribution in % of all of it that lies in 0.1 s of a lead, with its
            sign, shape (leads, samples).
        times: of the samples in the recording, in s, shape (samples,).
        deletions: fall of the score without the moments that speak for the class.
    """

    model: FineTuned
    class_name: str
    probability: float
    attribution: Attribution
    overlay: NDArray[np.float64]
    times: NDArray[np.float64]
    deletions: tuple[Deletion, ...]

    @property
    def speaks(self) -> bool:
        """Whether the record moves the score at all.

        Shares look alike whether it does or not, so those of next to nothing are not shown.
        """
        return float(np.abs(self.attribution.values).sum(dtype=np.float64)) >= HARDLY

    @property
    def leads(self) -> tuple[str, ...]:
        """The leads that the model is shown."""
        return self.model.header.data.leads


def explain_record(
    subject: Subject, model: FineTuned, class_name: str, seed: int = 0
) -> Explanation:
    """Attribution of a class's score, and the deletion curve that checks it.

    Args:
        subject: the record.
        model: fine-tuned.
        class_name: one of its classes.
        seed: of the random moments that the deletion curve is compared with.

    Raises:
        ConfigError: the model does not know the class, or Captum is not installed.
        DataError: the record cannot be brought to what the model reads.
    """
    check_class(class_name, model.header.task)
    data, signal = model.header.data, subject.shown(model.header.data)
    column = model.header.task.classes.index(class_name)
    attribution = integrated_gradients(model.model, signal, column)
    soft = smoothed(attribution.values, data.rate)
    total = np.abs(soft).sum() or 1.0
    return Explanation(
        model=model,
        class_name=class_name,
        probability=probabilities(model, signal)[class_name],
        attribution=attribution,
        overlay=100 * soft * SHARE_S * data.rate / total,
        times=model_times(subject.recording, data),
        deletions=tuple(deletion_curve(model.model, signal, column, soft, seed=seed)),
    )


@torch.inference_mode()
def probabilities(model: FineTuned, signal: NDArray[np.float32]) -> dict[str, float]:
    """Probability of each class for a record as the model is shown it, (leads, samples)."""
    device = next(model.model.parameters()).device
    scores = model.model(torch.from_numpy(signal)[None].to(device))[0]
    task = model.header.task
    found = scores.softmax(dim=0) if task.kind == "single-label" else scores.sigmoid()
    return dict(zip(task.classes, found.tolist(), strict=True))
