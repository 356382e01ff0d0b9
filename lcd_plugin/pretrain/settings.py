"""What all methods share in a pretraining: budget, optimiser and views."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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

    @model_validator(mode="after")
    def _ranges(self) -> ViewSettings:
        for name, (low, high) in (("crop", self.crop), ("time_out", self.time_out)):
            if not 0 <= low <= high <= 1 or (name == "crop" and low == 0):
                raise ValueError(f"{name} must be a range within 0 and 1, got [{low:g}, {high:g}]")
        return self
