"""One host loop for every method: same records, same order, same optimiser, same clock."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from lcd_plugin.encoders import LeadwiseEncoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.methods.base import Method
from lcd_plugin.pretrain.batch_norm import calibrate_batch_norm
from lcd_plugin.pretrain.device import make_fabric, peak_memory_mb, reset_peak_memory, synchronise
from lcd_plugin.pretrain.settings import PretrainSettings, ViewSettings
from lcd_plugin.timing import Phases
from lcd_plugin.views import MultiLeadViews

# Records whose features are watched for collapse; a few hundred give the spread well enough.
MONITOR_RECORDS = 256


@dataclass(frozen=True)
class PretrainOutcome:
    """A finished pretraining.

    Attributes:
        encoder: the single-lead encoder on the CPU, in eval mode.
        history: one row an epoch: epoch, updates, loss, the method's terms, learning_rate,
            embedding_std (spread of normalised features: 0 is collapse), seconds since the start.
        updates: optimiser updates.
        phases: seconds by phase: load, steps, monitor, calibrate.
        records_per_s: records taken in by one second of training steps.
        peak_memory_mb: largest memory of the process or GPU.
    """

    encoder: nn.Module
    history: list[dict[str, float]]
    updates: int
    phases: dict[str, float]
    records_per_s: float | None
    peak_memory_mb: float


@dataclass
class _Run:
    """What the loop hands around."""

    method: Method
    signals: Tensor
    settings: PretrainSettings
    views: MultiLeadViews
    seed: int
    phases: Phases
    progress: Callable[[int, int, float], None]
    history: list[dict[str, float]] = field(default_factory=list)


def pretrain(
    build: Callable[[], Method],
    signals: Any,
    settings: PretrainSettings,
    views: ViewSettings,
    *,
    seed: int,
    device: torch.device,
    precision: Literal["fp32", "bf16"],
    train: bool = True,
    progress: Callable[[int, int, float], None] = lambda epoch, epochs, loss: None,
) -> PretrainOutcome:
    """Train a method on records, or only calibrate its encoder.

    Args:
        build: makes the method; called under the seed, so that equal seeds start from equal
            encoders whatever the method.
        signals: training records, a float16 array of shape (records, leads, time).
        settings: budget and optimiser.
        views: augmentation.
        seed: of weights, order of records and views.
        device: where to train.
        precision: of the forward and backward pass; losses are computed in float32.
        train: False for the random baseline.
        progress: called after each epoch with epoch, epochs and loss.

    Returns:
        The encoder with the record of its training.

    Raises:
        ConfigError: the batch is larger than the data.
        FloatingPointError: the loss is no longer finite.
    """
    if train:
        check_batch(settings.batch_size, len(signals))
    phases = Phases(lambda: synchronise(device))
    reset_peak_memory(device)
    # Heads, dropout and masks of a method draw from torch's own generator: it is theirs for the
    # time of the pretraining, and the caller's again after that.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        with phases.phase("load"):
            method = build().to(device)
            resident = torch.from_numpy(signals).to(device)
        run = _Run(
            method=method,
            signals=resident,
            settings=settings,
            views=MultiLeadViews(method.views, views.crop, views.time_out, views.per),
            seed=seed,
            phases=phases,
            progress=progress,
        )
        updates = _train(run, precision) if train else 0
    if settings.calibrate_batch_norm or not train:
        with phases.phase("calibrate"):
            calibrate_batch_norm(LeadwiseEncoder(method.encoder), resident)
    steps = phases.seconds.get("steps")
    return PretrainOutcome(
        encoder=copy.deepcopy(method.encoder).cpu().eval(),
        history=run.history,
        updates=updates,
        phases=phases.seconds,
        records_per_s=updates * settings.batch_size / steps if steps else None,
        peak_memory_mb=peak_memory_mb(device),
    )


def check_batch(batch_size: int, n_records: int) -> None:
    """Raise ConfigError if not even one batch can be filled."""
    if batch_size > n_records:
        raise ConfigError(
            f"The batch size {batch_size} is larger than the {n_records} training records; "
            f"use --batch-size {n_records} or less."
        )


def _train(run: _Run, precision: Literal["fp32", "bf16"]) -> int:
    settings, device = run.settings, run.signals.device
    fabric = make_fabric(device, precision)
    parameters = [p for p in run.method.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    method, optimiser = fabric.setup(run.method, optimiser)
    method.mark_forward_method("training_step")
    method.train()
    steps_per_epoch = len(run.signals) // settings.batch_size
    scheduler = LambdaLR(optimiser, lr_factor(settings, steps_per_epoch))
    order = torch.Generator().manual_seed(run.seed)
    draws = torch.Generator(device).manual_seed(run.seed)
    for epoch in range(1, settings.epochs + 1):
        with run.phases.phase("steps"):
            sums: dict[str, Tensor] = {}
            rows = torch.randperm(len(run.signals), generator=order).to(device)
            whole = rows[: steps_per_epoch * settings.batch_size]
            for batch in torch.split(whole, settings.batch_size):
                step = method.training_step(run.views(run.signals[batch], draws))
                fabric.backward(step.loss)
                optimiser.step()
                optimiser.zero_grad()
                rate = scheduler.get_last_lr()[0]
                scheduler.step()
                run.method.after_step()
                # Summed on the device: reading a value here would make the device wait.
                for name, value in {"loss": step.loss, **step.terms}.items():
                    sums[name] = sums.get(name, 0) + value.detach()
        _close_epoch(run, epoch, steps_per_epoch, sums, float(rate))
    return settings.epochs * steps_per_epoch


def _close_epoch(
    run: _Run, epoch: int, steps: int, sums: dict[str, Tensor], learning_rate: float
) -> None:
    means = {name: float(value) / steps for name, value in sums.items()}
    if not math.isfinite(means["loss"]):
        raise FloatingPointError(
            f"the loss is {means['loss']} in epoch {epoch}; try a smaller learning rate"
        )
    with run.phases.phase("monitor"):
        spread = _embedding_std(run.method.encoder, run.signals)
    seconds = run.phases.seconds["steps"]
    run.history.append(
        {"epoch": epoch, "updates": epoch * steps, **means, "learning_rate": learning_rate}
        | {"embedding_std": spread, "seconds": seconds}
    )
    run.progress(epoch, run.settings.epochs, means["loss"])


@torch.no_grad()
def _embedding_std(encoder: nn.Module, signals: Tensor) -> float:
    """Spread of one lead's normalised features over records; 1/sqrt(dim) is as wide as can be."""
    encoder.eval()
    step = max(1, len(signals) // MONITOR_RECORDS)
    features = encoder(signals[::step][:MONITOR_RECORDS, :1].float())
    encoder.train()
    return float(std_of_l2_normalized(features))


def lr_factor(settings: PretrainSettings, steps_per_epoch: int) -> Callable[[int], float]:
    """Learning rate at an update as a share of its peak."""
    warmup = settings.warmup_epochs * steps_per_epoch
    total = settings.epochs * steps_per_epoch

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (update - warmup) / max(1, total - warmup)))

    return factor
