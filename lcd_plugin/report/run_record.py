"""What the leaderboard's document tells of the runs behind it, beside their scores."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lcd_plugin.json_number import Number
from lcd_plugin.report.document import Document


class UnfinishedCell(Document):
    """A cell of a plan without a result in the report, or what no cell could be planned of.

    Attributes:
        title: what it would have been.
        status: `failed`; `missing` where it was not computed yet; `unreadable` where its files are
            not what a run writes, or the plan says something else of it than its result; `stale`
            where it is of another version than what it would stand beside; `conflict` where two
            folders have different results under its key; `unavailable` for a dataset, method or
            encoder that a run could not use, so that none of its cells was planned.
        reason: why, and what to do.
        out: name of its output folder, or of several with a comma.
    """

    title: str
    status: Literal["failed", "missing", "unreadable", "stale", "conflict", "unavailable"]
    reason: str
    out: str = ""


class DataSummary(Document):
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


class RunSource(Document):
    """An output folder whose results are in the report.

    Attributes:
        out: its name, the beginning of `Row.results`.
        suite: its suite.
        created: when its newest plan was made, UTC.
        results: how many of its results are in the report.
        machines: that they were computed on.
        provenance: of its newest result: package versions, git state, command line, times.
    """

    out: str
    suite: str
    created: str
    results: int
    machines: tuple[str, ...]
    provenance: dict[str, Any] = Field(default_factory=dict)


class Curve(Document):
    """Training history of one pretraining.

    Attributes:
        out: name of its output folder.
        settings: hash of all that is behind it but the seed.
    """

    method: str
    recipe: str = ""
    out: str = ""
    settings: str = ""
    encoder: str
    dataset: str
    seed: int
    epoch: tuple[Number, ...]
    loss: tuple[Number, ...]
    embedding_std: tuple[Number, ...] = Field(
        description="spread of normalised features; 1/sqrt(dim) is healthy, 0 is collapse"
    )
