"""What all methods share in a pretraining: budget, optimiser, views, and how it is computed."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)


class PretrainSettings(BaseModel):
    """Budget and optimiser, the same for every method.

    Attributes:
        epochs: passes over the training records.
        batch_size: records a step; the last incomplete batch of an epoch is dropped.
        learning_rate: of Adam, at its peak.
        weight_decay: of Adam, decoupled.
        schedule: `constant` as in the LCD paper, or `cosine` down to zero.
        warmup_epochs: epochs of linear rise of the learning rate.
        calibrate_batch_norm: whether the batch-norm statistics of the finished encoder are taken
            anew from whole, unaugmented training records of all leads. The random baseline always
            is calibrated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(256, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = Field(0.0, ge=0)
    calibrate_batch_norm: bool = True


class ViewSettings(BaseModel):
    """Augmentation of every view, see `MultiLeadViews`; defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: tuple[float, float] = (0.5, 1.0)
    time_out: tuple[float, float] = (0.0, 0.5)
    per: Literal["batch", "sample"] = "batch"
    gain: tuple[float, float] = (1.0, 1.0)

    @model_validator(mode="after")
    def _ranges(self) -> ViewSettings:
        for name, (low, high) in (("crop", self.crop), ("time_out", self.time_out)):
            if not 0 <= low <= high <= 1 or (name == "crop" and low == 0):
                raise ValueError(f"{name} must be a range within 0 and 1, got [{low:g}, {high:g}]")
        low, high = self.gain
        if not (0 < low <= high and math.isfinite(high)):
            raise ValueError(
                f"gain must be a range of positive, finite factors, got [{low:g}, {high:g}]"
            )
        return self

    @model_serializer(mode="wrap")
    def _only_a_gain_that_is_on(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is written down without it says the same, and older results keep their keys.
        values: dict[str, Any] = serialise(self)
        if self.gain == (1.0, 1.0):
            values.pop("gain", None)
        return values


class EngineSettings(BaseModel):
    """How a pretraining is computed, which does not change what is learned.

    `compile` changes rounding, and several devices have batch-norm statistics of their own: a
    result with `compile = "always"` or `devices` above 1 has a key of its own.

    Attributes:
        records: where records live: `resident` on the device, read ahead of the steps from the
            prepared store (`stream`), or `auto`: resident if they fit.
        memory_gb: memory of the device that resident records may take, in GB (1e9 bytes); none is
            half of what is free.
        compile: compile the encoder: `auto` where the number of steps pays for it, which on a CPU
            it never does.
        cuda_graphs: replay a step as one CUDA graph where the method allows it.
        devices: GPUs, or processes on a CPU, that share each batch.
        checkpoint_s: seconds between checkpoints, which are written at the end of an epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: Literal["auto", "resident", "stream"] = "auto"
    memory_gb: float | None = Field(None, gt=0)
    compile: Literal["auto", "always", "never"] = "auto"
    cuda_graphs: bool = True
    devices: int = Field(1, ge=1)
    checkpoint_s: float = Field(60.0, ge=0)
