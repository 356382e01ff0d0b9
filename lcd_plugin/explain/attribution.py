"""Which moments of which leads moved a class's score: integrated gradients, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from lcd_plugin.data.cohort import Recording
    from lcd_plugin.data.settings import DataSettings

STEPS = 256
AT_ONCE = 64
SMOOTHING_S = 0.02


@dataclass(frozen=True)
class Attribution:
    """How much each sample moved a score away from that of an empty record.

    Attributes:
        values: shape (leads, samples); positive where the sample speaks for the class.
        score: of the record, before softmax or sigmoid.
        empty_score: of the record of zeros, which is the baseline.
    """

    values: NDArray[np.float32]
    score: float
    empty_score: float

    @property
    def error(self) -> float:
        """Completeness error: the values should add up to the difference of the two scores."""
        return float(self.values.sum(dtype=np.float64)) - (self.score - self.empty_score)

    @property
    def relative_error(self) -> float:
        """Completeness error as a share of the difference; infinite where there is none."""
        moved = abs(self.score - self.empty_score)
        return abs(self.error) / moved if moved else float("inf")


def integrated_gradients(
    model: nn.Module, signal: NDArray[Any], column: int, steps: int = STEPS
) -> Attribution:
    """Attribution of one class's score to the samples of a record.

    The mean gradient along the straight line from the record of zeros, times the signal:
    Sundararajan, Taly and Yan, ICML 2017, https://arxiv.org/abs/1703.01365, as Captum computes it.

    Args:
        model: in eval mode; maps (batch, leads, time) to scores (batch, classes).
        signal: the record as the model is shown it, shape (leads, time).
        column: of the class.
        steps: points on the line.

    Raises:
        ConfigError: Captum is not installed.
    """
    gradients = captum().IntegratedGradients(model)
    device = next(model.parameters()).device
    inputs = torch.from_numpy(np.array(signal, dtype=np.float32))[None].to(device)
    with torch.enable_grad():
        values = gradients.attribute(
            inputs, torch.zeros_like(inputs), column, n_steps=steps, internal_batch_size=AT_ONCE
        )
    with torch.inference_mode():
        scores = model(torch.cat([inputs, torch.zeros_like(inputs)]))[:, column].tolist()
    found: NDArray[np.float32] = values[0].detach().float().cpu().numpy()
    return Attribution(found, scores[0], scores[1])


def captum() -> Any:
    """Captum's attribution methods.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise ConfigError('Attributions need Captum: pip install "lcd-plugin[explain]".') from error
    return captum.attr


def smoothed(values: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """Attribution with a Gaussian of 20 ms over time; sums over time stay as they are.

    Single samples say little: gradients change sign from one to the next.
    """
    found: NDArray[np.float64] = gaussian_filter1d(
        values.astype(np.float64), SMOOTHING_S * rate, axis=1, mode="reflect"
    )
    return found


def model_times(recording: Recording, data: DataSettings) -> NDArray[np.float64]:
    """When in the recording each sample that a model is shown was taken, in s, shape (samples,).

    A longer recording is cut to its middle; a shorter one has zeros at both ends, whose times are
    before its beginning and after its end.
    """
    total, length = recording.signal.shape[1], round(recording.rate * data.seconds)
    start = (total - length) // 2 / recording.rate
    if total < length:
        # As resampling and padding count samples; see `shape_recording`.
        there = int(np.ceil(total * data.rate / recording.rate - 1e-9))
        start = -((data.samples - min(there, data.samples)) // 2) / data.rate
    times: NDArray[np.float64] = start + np.arange(data.samples) / data.rate
    return times
