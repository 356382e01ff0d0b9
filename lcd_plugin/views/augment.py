"""Augmentations of LCD for a whole batch at once, on the device that the batch is on.

Random draws are one per record: all leads of a record are cropped, silenced and amplified alike,
because they were recorded at the same time and from the same chest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def random_resized_crop(
    signals: Tensor,
    keep: tuple[float, float] = (0.5, 1.0),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Cut a random span out of every record and stretch it back to full length.

    The share kept is uniform in `keep`, the position uniform in what that leaves. Samples between
    the grid points of the recording are interpolated linearly.

    Args:
        signals: shape (batch, leads, time).
        keep: least and greatest share of the record that is kept.
        generator: source of randomness on the device of `signals`.

    Returns:
        A new tensor of the shape of `signals`.

    Raises:
        ValueError: if `signals` is not (batch, leads, time) or `keep` is no range in (0, 1].
    """
    batch = _check_signals(signals)
    check_range("keep", keep, low=0.0, low_open=True)
    share, place = torch.rand(2, batch, 1, device=signals.device, generator=generator)
    return resized_crop(signals, keep, share, place)


def resized_crop(
    signals: Tensor, keep: tuple[float, float], share: Tensor, place: Tensor
) -> Tensor:
    """As `random_resized_crop`, with draws given: uniform in [0, 1], shape (batch, 1 or leads)."""
    time = signals.shape[2]
    span = (keep[0] + (keep[1] - keep[0]) * share) * (time - 1)
    start = place * (time - 1 - span)
    grid = torch.linspace(0, 1, time, device=signals.device)
    position = start[..., None] + span[..., None] * grid
    left = position.floor().clamp_(0, time - 2).long()
    weight = (position - left).to(signals.dtype)
    left = left.expand(signals.shape)
    return torch.lerp(signals.gather(2, left), signals.gather(2, left + 1), weight)


def time_out(
    signals: Tensor,
    span: tuple[float, float] = (0.0, 0.5),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Set a random span of every record to zero.

    The share silenced is uniform in `span`, its position uniform in what that leaves.

    Args:
        signals: shape (batch, leads, time).
        span: least and greatest share of the record that is silenced.
        generator: source of randomness on the device of `signals`.

    Returns:
        A new tensor of the shape of `signals`.

    Raises:
        ValueError: if `signals` is not (batch, leads, time) or `span` is no range in [0, 1].
    """
    batch = _check_signals(signals)
    check_range("span", span, low=0.0)
    share, place = torch.rand(2, batch, 1, device=signals.device, generator=generator)
    return silence(signals, span, share, place)


def silence(signals: Tensor, span: tuple[float, float], share: Tensor, place: Tensor) -> Tensor:
    """As `time_out`, with draws given: uniform in [0, 1], shape (batch, 1 or leads)."""
    time = signals.shape[2]
    length = ((span[0] + (span[1] - span[0]) * share) * time).round()
    start = (place * (time - length)).round()
    index = torch.arange(time, device=signals.device)
    silent = (index >= start[..., None]) & (index < (start + length)[..., None])
    return signals.masked_fill(silent, 0.0)


def random_gain(
    signals: Tensor,
    factors: tuple[float, float] = (0.5, 2.0),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Multiply every record by a factor of its own.

    Electrodes, their place and the chest scale an ECG. The factor is log-uniform in `factors`:
    half is as likely as double in a range that is even around 1.

    Args:
        signals: shape (batch, leads, time).
        factors: least and greatest factor.
        generator: source of randomness on the device of `signals`.

    Returns:
        A new tensor of the shape of `signals`.

    Raises:
        ValueError: if `signals` is not (batch, leads, time) or `factors` is no range of positive,
            finite numbers.
    """
    batch = _check_signals(signals)
    check_gain("factors", factors)
    draw = torch.rand(batch, 1, device=signals.device, generator=generator)
    return amplify(signals, factors, draw)


def amplify(signals: Tensor, factors: tuple[float, float], draw: Tensor) -> Tensor:
    """As `random_gain`, with the draw given: uniform in [0, 1], shape (batch, 1 or leads)."""
    low, high = factors
    factor = low * torch.pow(high / low, draw)
    return signals * factor[..., None].to(signals.dtype)


def check_gain(name: str, values: tuple[float, float]) -> None:
    """Raise ValueError unless 0 < values[0] <= values[1] and both are finite."""
    low, high = values
    if not (0.0 < low <= high and math.isfinite(high)):
        raise ValueError(
            f"{name} must be a range of positive, finite factors, got ({low:g}, {high:g})."
        )


def check_range(
    name: str, values: tuple[float, float], low: float, *, low_open: bool = False
) -> None:
    """Raise ValueError unless low <= values[0] <= values[1] <= 1 (low < values[0] if open)."""
    first, last = values
    if not (low <= first <= last <= 1.0) or (low_open and first == low):
        raise ValueError(
            f"{name} must be a range within {'(' if low_open else '['}{low:g}, 1], "
            f"got ({first:g}, {last:g})."
        )


def _check_signals(signals: Tensor) -> int:
    if signals.dim() != 3 or signals.shape[2] < 2:
        raise ValueError(
            f"signals must be (batch, leads, time) with at least two samples, "
            f"got {tuple(signals.shape)}."
        )
    return signals.shape[0]
