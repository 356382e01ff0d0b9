"""Spans of a signal that a method hides, aligned to the positions of its encoder's features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.encoders import in_leads_of
from lcd_plugin.errors import ConfigError

# Two lengths that most strides divide; what lies between them is free of effects at the edges.
PROBED_SAMPLES = (4800, 9600)


@torch.no_grad()
def samples_per_position(encoder: nn.Module) -> int:
    """Samples by which one position of an encoder's features is further on than the one before.

    Args:
        encoder: has `forward_features`, (batch, in_leads, time) to (batch, features, positions).

    Raises:
        ConfigError: it has not, or its positions do not go along with time.
    """
    name = type(encoder).__name__
    network = getattr(encoder, "forward_features", None)
    if network is None:
        raise ConfigError(
            f"{name} cannot be trained by hiding spans, which needs features over time; give it a "
            f"method forward_features from (batch, in_leads, time) to "
            f"(batch, num_features, positions), or choose another encoder."
        )
    weight = next(encoder.parameters())
    was_training = encoder.training
    encoder.eval()
    shapes = [network(weight.new_zeros(1, in_leads_of(encoder), n)).shape for n in PROBED_SAMPLES]
    encoder.train(was_training)
    if any(len(shape) != 3 or shape[1] != encoder.num_features for shape in shapes):
        raise ConfigError(
            f"forward_features of {name} gives shape {tuple(shapes[0])} for one record; make that "
            f"(1, {encoder.num_features}, positions)."
        )
    positions: int = shapes[1][2] - shapes[0][2]
    if positions < 1:
        raise ConfigError(
            f"{name} gives {shapes[0][2]} positions for {PROBED_SAMPLES[0]} samples and "
            f"{shapes[1][2]} for {PROBED_SAMPLES[1]}; choose an encoder whose positions are "
            f"spans of time."
        )
    return round((PROBED_SAMPLES[1] - PROBED_SAMPLES[0]) / positions)


def draw_span_mask(
    batch: int, positions: int, ratio: float, span: int, device: torch.device
) -> Tensor:
    """Draw which positions are hidden; as many in every record.

    Time is cut into spans, each record's from a start of its own, and whole spans are hidden in
    random order until the share is reached; the last one may be cut.

    Args:
        batch: records.
        positions: positions of a record.
        ratio: share of them that is hidden; at least one is, and one is not.
        span: positions that are hidden together.
        device: where the mask is drawn, from torch's own generator.

    Returns:
        True where hidden, shape (batch, positions).

    Raises:
        ValueError: there are fewer than two positions.
    """
    if positions < 2:
        raise ValueError(
            f"Hiding spans takes records of two or more positions of the encoder, got {positions}; "
            f"use longer records."
        )
    hidden = min(max(round(ratio * positions), 1), positions - 1)
    # A span is never so long that one would be all that is hidden or all that is seen.
    span = max(1, min(span, positions // 2))
    start = torch.randint(span, (batch, 1), device=device)
    spans = (torch.arange(positions, device=device) + start) // span
    # One number a span: sorting by it keeps the positions of a span together.
    numbers = torch.rand(batch, positions // span + 2, device=device).gather(1, spans)
    rank = numbers.argsort(dim=1, stable=True).argsort(dim=1)
    return rank < hidden


def hide(signals: Tensor, mask: Tensor, samples: int) -> Tensor:
    """Set the samples of hidden positions to zero, in all leads alike.

    Args:
        signals: shape (batch, leads, time).
        mask: True where hidden, shape (batch, positions).
        samples: of one position; what lies beyond the last one is kept.

    Returns:
        A new tensor of the shape of `signals`.
    """
    hidden = mask.repeat_interleave(samples, dim=1)
    hidden = F.pad(hidden, (0, signals.shape[2] - hidden.shape[1]))
    return signals.masked_fill(hidden[:, None], 0.0)
