"""The leaderboard as a typed document: what `leaderboard.json` holds and every export shows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

METRIC_TITLES = {
    "auroc": "macro AUROC",
    "auprc": "macro AUPRC",
    "f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
}


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Row(_Document):
    """One number of the leaderboard: a method at a label fraction under one metric.

    Attributes:
        method: its name.
        kind: `pretraining`, or which baseline.
        pretrain_dataset: dataset whose records the encoder was pretrained on (for `random`,
            calibrated on); "" for `supervised`.
        dataset: dataset that was scored.
        task: the set of classes of `dataset` that was predicted.
        label_fraction: share of the training labels that was used, in (0, 1].
        n_labels: labelled training records at that fraction.
        metric: a key of `METRIC_TITLES`.
        mean: mean over seeds on the test records.
        ci_low, ci_high: 95 % bootstrap interval of `mean` over test patients.
        seed_std: standard deviation over seeds; None for one seed.
        mean_without_rare: the mean without classes of fewer than 10 test positives; equal to
            `mean` if there are none.
        rare_classes: those classes.
        per_class: mean over seeds for every class.
        rank: 1 + the number of rows that are better by the paired bootstrap interval, within
            one dataset, task, encoder, protocol, fraction and metric. A method that was pretrained
            on several datasets has a row for each.
        tied_with: rows whose paired difference to this one has an interval around zero, by method,
            or as `lcd (pretrained on ptbxl)` where pretraining datasets must be told apart.
        beats_random: whether the paired interval to `random` of the same pretraining dataset is
            above zero (for `supervised`, to every `random`); None for `random` itself or where it
            was not run.
        pretrain_wall_s: mean pretraining seconds of a seed (training from scratch for
            `supervised`).
        records_per_s: records that one second of training steps takes in.
        updates: optimiser updates of a pretraining.
        peak_memory_mb: largest memory of the process (CPU) or of the device.
        machine: short text of the machine; times are comparable within one machine only.
    """

    method: str
    kind: Literal["pretraining", "random", "supervised"]
    encoder: str
    pretrain_dataset: str
    dataset: str
    task: str
    protocol: str
    label_fraction: float
    n_labels: int
    metric: str
    mean: float
    ci_low: float
    ci_high: float
    seed_std: float | None
    n_seeds: int
    n_test: int
    rank: int
    tied_with: tuple[str, ...]
    beats_random: bool | None
    mean_without_rare: float
    rare_classes: tuple[str, ...]
    per_class: dict[str, float]
    pretrain_wall_s: float
    records_per_s: float | None
    updates: int | None
    peak_memory_mb: float | None
    machine: str


class UnfinishedCell(_Document):
    """A cell of the plan without a result."""

    title: str
    status: Literal["failed", "missing"]
    reason: str


class DataSummary(_Document):
    """A dataset as it was used."""

    dataset: str
    fingerprint: str
    n_train: int
    n_validation: int
    n_test: int
    n_left_out: int
    left_out: tuple[tuple[str, str], ...] = Field(description="(record, reason), the first few")
    settings: dict[str, Any]
    tasks: dict[str, dict[str, int]] = Field(description="task -> class -> records with it")
    classes_left_out: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="task -> classes without a positive or a negative training record",
    )


class Curve(_Document):
    """Training history of one pretraining."""

    method: str
    encoder: str
    dataset: str
    seed: int
    epoch: tuple[float, ...]
    loss: tuple[float, ...]
    embedding_std: tuple[float, ...] = Field(
        description="spread of normalised features; 1/sqrt(dim) is healthy, 0 is collapse"
    )


class Leaderboard(_Document):
    """Everything a report shows; `leaderboard.json` is this document.

    Attributes:
        rows: best first within each comparison.
        notes: sentences a reader must know (stale results left out, several machines, ...).
        provenance: package versions, git state, command line, machines, times.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    suite: str
    created: str = Field(description="UTC, ISO 8601")
    rows: tuple[Row, ...]
    unfinished: tuple[UnfinishedCell, ...] = ()
    data: tuple[DataSummary, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict)
