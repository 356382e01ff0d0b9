"""Batch-norm statistics of a finished encoder, taken from whole records."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# At least so many records, if there are, and fewer than twice as many: enough for means and
# variances over records x leads x time.
CALIBRATION_RECORDS = 1024
CALIBRATION_BATCH = 64


@torch.no_grad()
def calibrate_batch_norm(encoder: nn.Module, signals: Tensor) -> None:
    """Replace running statistics by plain means over records with all of their leads.

    Variances are means of those within batches.

    Running averages follow the last few batches, and in pretraining each of those showed one or
    two leads of cropped and silenced records. A random network has never seen a record at all: its
    features are close to useless without this.

    Args:
        encoder: maps (batch, leads, time) to features.
        signals: training records on the encoder's device, shape (records, leads, time).
    """
    layers = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [layer.momentum for layer in layers]
    was_training = encoder.training
    for layer in layers:
        layer.reset_running_stats()
    encoder.train()
    seen = 0
    # Evenly over the store, so that no time or place of recording is preferred.
    step = max(1, len(signals) // CALIBRATION_RECORDS)
    for batch in torch.split(signals[::step], CALIBRATION_BATCH):
        seen += len(batch)
        for layer in layers:
            # The running value becomes the mean over all records so far, the last batch included.
            layer.momentum = len(batch) / seen
        encoder(batch.float())
    encoder.train(was_training)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
