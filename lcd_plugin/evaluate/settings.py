"""Settings of the evaluation protocols."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class LinearSettings(BaseModel):
    """Logistic regression on frozen features.

    Attributes:
        inverse_penalties: values of C that are tried; validation log-loss chooses.
        max_iterations: of the solver, for each C.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inverse_penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    max_iterations: int = Field(300, ge=1)

    @field_validator("inverse_penalties")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or min(values) <= 0:
            raise ValueError("inverse_penalties must be one or more positive numbers")
        return tuple(sorted(values))


class LinearPaperSettings(BaseModel):
    """A linear layer on frozen features as in the LCD paper; the epoch with the best validation.

    Attributes:
        epochs: passes over the labelled records of a fraction.
        batch_size: records a step, at most.
        learning_rate: of Adam.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(128, ge=1)
    learning_rate: float = Field(1e-3, gt=0)


class _EarlyStopping(BaseModel):
    """Training with AdamW that stops by validation loss.

    Attributes:
        epochs: budget in passes over all labelled training records; a smaller label fraction
            gets as many updates, so that few labels do not also mean little training.
        batch_size: records a step, at most.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        patience: passes without a better validation loss after which training stops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    patience: int = Field(6, ge=1)


class AttentiveSettings(_EarlyStopping):
    """Attention pooling over time and leads on a frozen encoder; fields as in `_EarlyStopping`."""

    learning_rate: float = Field(5e-3, gt=0)


class FinetuneSettings(_EarlyStopping):
    """Training of the whole encoder with a linear classifier, and of the supervised baseline.

    Attributes:
        layer_decay: factor on the learning rate from each layer of the encoder to the one before
            it, as of the classifier backwards; 1 trains all layers at the same rate. Training from
            scratch always does. The others are those of `_EarlyStopping`.
    """

    layer_decay: float = Field(1.0, gt=0, le=1)


class FinetunePaperSettings(BaseModel):
    """Training of the whole encoder as in the LCD paper; the epoch with the best validation.

    Attributes:
        epochs: passes over the labelled records of a fraction.
        batch_size: records a step, at most.
        learning_rate: of Adam.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(128, ge=2)
    learning_rate: float = Field(1e-4, gt=0)


class KNNSettings(BaseModel):
    """Vote of the nearest training records by cosine similarity of features.

    Attributes:
        neighbours: numbers that are tried; validation log-loss chooses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    neighbours: tuple[int, ...] = (5, 10, 20, 50)

    @field_validator("neighbours")
    @classmethod
    def _positive(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values or min(values) < 1:
            raise ValueError("neighbours must be one or more numbers of at least 1")
        return tuple(sorted(values))
