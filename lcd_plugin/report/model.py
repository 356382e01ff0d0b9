"""The leaderboard as a typed document: what `leaderboard.json` holds and every export shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from lcd_plugin.errors import DataError
from lcd_plugin.files import read_limited
from lcd_plugin.json_number import Number
from lcd_plugin.report.document import Document
from lcd_plugin.report.run_record import Curve, DataSummary, RunSource, UnfinishedCell

# Bytes of a leaderboard.json that are read; one of a thousand results has some millions.
MOST = 2**28

METRIC_TITLES = {
    "auroc": "macro AUROC",
    "auprc": "macro AUPRC",
    "f1": "macro F1",
    # Of each class against the rest: in single-label tasks too, where others mean mean recall.
    "balanced_accuracy": "balanced accuracy (one-vs-rest)",
    "ece": "expected calibration error",
}


class Place(NamedTuple):
    """A line of a comparison: what is averaged over seeds, compared and ranked.

    Attributes:
        method: its name.
        recipe: the suite's recipe that it was trained under; "" in a suite without recipes.
        pretrain_dataset: as in `Row`.
    """

    method: str
    recipe: str
    pretrain_dataset: str


class Row(Document):
    """One number of the leaderboard: a method at a label fraction under one metric.

    Attributes:
        method: its name.
        recipe: the suite's recipe behind it (settings of data, views and method); "" in a suite
            without recipes.
        kind: `pretraining`, or which baseline.
        pretrain_dataset: dataset whose records the encoder was pretrained on (for `random`,
            calibrated on); "" for `supervised`.
        dataset: dataset that was scored.
        task: the set of classes of `dataset` that was predicted.
        leads: leads that the encoder was shown, as the suite calls them; `all` are those of the
            prepared records.
        label_fraction: share of the training labels that was used, in (0, 1].
        n_labels: labelled training records at that fraction.
        metric: a key of `METRIC_TITLES`.
        mean: mean over seeds on the test records.
        validation_mean: the same on the validation records, by which settings may be chosen; None
            in results from before it was written, or where those have no class to score.
        ci_low, ci_high: 95 % bootstrap interval of `mean` over test patients; NaN (`null` in JSON)
            where there are too few patients for one, and for `ece`, whose estimate is biased.
        seed_std: standard deviation over pretraining seeds, of means over label subsets; None for
            one seed.
        label_seed_std: standard deviation over label subsets of one encoder, pooled over
            pretraining seeds; None where each encoder was scored on one subset.
        mean_without_rare: the mean without classes of fewer than 10 test positives; equal to
            `mean` if there are none, NaN if there are no others.
        rare_classes: those classes.
        per_class: mean over seeds for every class.
        rank: None for `ece`; else 1 + the number of rows that are better by the paired permutation
            test, corrected after Holm, within one dataset, task, encoder, protocol, leads, fraction
            and metric. A method that was pretrained on several datasets, or under several recipes,
            has a row for each.
        tied_with: rows that this one cannot be told apart from by that test, by the names of their
            lines (`lcd`, or `lcd (best, pretrained on ptbxl)` where that must be told).
        compared_random: name of the best `random` behind `beats_random`; None where there was none.
        beats_random: whether it is better than the `random` of the same recipe's data and
            pretraining dataset (`supervised`: than every `random` of the same data), by `p_random`
            below 0.05; None for `random` itself or where it was not run. `rank` and `tied_with`
            are corrected for all pairs: a line that beats its `random` may be tied with it there,
            and one that is better there always beats it.
        p_random: two-sided, from the paired permutation test against that `random` (the largest of
            several), corrected after Holm over the lines of this comparison, fraction and metric
            that have a `random`, and no other pairs; None where `beats_random` is None.
        compared_supervised: name of the best `supervised` of the same recipe's data; None for
            `supervised` itself or where it was not run.
        pretrain_wall_s: mean pretraining seconds of a seed (training from scratch for
            `supervised`).
        records_per_s: records that one second of training steps takes in.
        updates: optimiser updates of a pretraining.
        peak_memory_mb: largest memory of the process (CPU) or of the device.
        machine: short text of the machine; times are comparable within one machine only.
        phases: mean seconds of a seed by phase of that training; they add up to `pretrain_wall_s`.
        results: folders with the results behind the number, evaluations first, as
            `OUT/evaluate/KEY` with the name of the output folder.
    """

    method: str
    recipe: str = ""
    kind: Literal["pretraining", "random", "supervised"]
    encoder: str
    pretrain_dataset: str
    dataset: str
    task: str
    protocol: str
    leads: str = "all"
    label_fraction: float
    n_labels: int
    metric: str
    mean: Number
    validation_mean: float | None = None
    ci_low: Number
    ci_high: Number
    seed_std: float | None
    label_seed_std: float | None = None
    n_seeds: int
    n_test: int
    rank: int | None
    tied_with: tuple[str, ...]
    beats_random: bool | None
    compared_random: str | None = None
    p_random: float | None = None
    compared_supervised: str | None = None
    mean_without_rare: Number
    rare_classes: tuple[str, ...]
    per_class: dict[str, Number]
    pretrain_wall_s: Number
    records_per_s: float | None
    updates: int | None
    peak_memory_mb: float | None
    machine: str
    phases: dict[str, float] = Field(default_factory=dict)
    results: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Which line of its comparison this is."""
        return Place(self.method, self.recipe, self.pretrain_dataset)


class _InComparison(Document):
    """Something about one dataset, task, encoder, protocol and set of leads."""

    dataset: str
    task: str
    encoder: str
    protocol: str
    leads: str = "all"


class Pair(_InComparison):
    """Two lines of a comparison at one label fraction, under one metric.

    Attributes:
        a, b: names of the lines, as in `Row.tied_with`.
        difference: a's mean minus b's.
        ci_low, ci_high: 95 % interval of it from the paired bootstrap over patients.
        seed_std: standard deviation over pretraining seeds of the difference; None for one seed.
            The interval and p hold the trained encoders and the label subsets as they are.
        p: two-sided, from the paired permutation test over patients.
        p_holm: the same, corrected after Holm over all pairs of this fraction and metric.
    """

    label_fraction: float
    metric: str
    a: str
    b: str
    difference: Number
    ci_low: Number
    ci_high: Number
    seed_std: float | None = None
    p: Number
    p_holm: Number


class LabelFactor(_InComparison):
    """How many times more labels a baseline needs to reach what a line reaches at a fraction.

    The baseline's macro AUROC over the number of labels is made monotone and interpolated on a
    logarithmic axis.

    Attributes:
        name: of the line; `method`, `recipe` and `pretrain_dataset` as in `Row`.
        baseline: `supervised` or `random`, whose curve is read.
        factor: labels of the baseline over labels of the line.
        ci_low, ci_high: 95 % interval from the paired bootstrap; a bound that lies beyond the
            baseline's curve is the factor at its end.
        bound: `more` where the line's score is above the baseline's whole curve, so that the
            factor is at least this; `less` where it is below; `exact` in between.
        low_bound, high_bound: the same of the ends of the interval.
    """

    method: str
    recipe: str
    pretrain_dataset: str
    name: str
    baseline: str
    label_fraction: float
    n_labels: int
    factor: Number
    ci_low: Number
    ci_high: Number
    bound: Literal["exact", "more", "less"]
    low_bound: Literal["exact", "more", "less"]
    high_bound: Literal["exact", "more", "less"]


class SpeedCurve(_InComparison):
    """Score over pretraining time of one line: the probe on snapshots, mean over seeds.

    Attributes:
        name: of the line; `method`, `recipe` and `pretrain_dataset` as in `Row`.
        share: of the pretraining budget, ascending; 1 is the finished encoder.
        seconds: pretraining seconds up to there, without the snapshots themselves.
        records: records taken in up to there.
        score: macro AUROC with all labels.
        seed_std: spread over seeds at each share; empty for one seed.
        n_seeds: seeds behind the means.
        machine: as in `Row`.
    """

    method: str
    recipe: str
    pretrain_dataset: str
    name: str
    share: tuple[Number, ...]
    seconds: tuple[Number, ...]
    records: tuple[Number, ...]
    score: tuple[Number, ...]
    seed_std: tuple[Number, ...] = ()
    n_seeds: int
    machine: str


class AverageRanks(Document):
    """Ranks of lines over several datasets and tasks, after Demsar (JMLR 2006).

    There are none of fewer than three lines or three comparisons.

    Attributes:
        encoder, protocol, leads, label_fraction, metric: what the comparisons have in common;
            `label_fraction` is None where they were made with each dataset's largest fraction.
        comparisons: `dataset / task` of each.
        names: lines that are in all of the comparisons, best average rank first.
        left_out: lines that are in some of them only.
        average_rank: of each, 1 is best; ties share their mean rank.
        friedman_p: of the Friedman test that all are equal; None with fewer than five comparisons,
            where its distribution is not that of chi-square.
        critical_difference: two average ranks further apart than this differ at the 5 % level
            (Nemenyi).
    """

    encoder: str
    protocol: str
    leads: str = "all"
    label_fraction: float | None
    metric: str
    comparisons: tuple[str, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    average_rank: tuple[Number, ...]
    friedman_p: float | None
    critical_difference: Number


class Leaderboard(Document):
    """Everything a report shows; `leaderboard.json` is this document.

    Attributes:
        rows: best first within each comparison.
        pairs: every two lines of a comparison against each other.
        label_factors: labels saved against `supervised` and `random`.
        speed: score over pretraining time, where snapshots were scored.
        ranks: over datasets and tasks, where there are several.
        notes: sentences a reader must know (stale results left out, several machines, ...).
        runs: the output folders behind it.
        provenance: package versions, git state, command line, machines, times.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    suite: str
    created: str = Field(description="UTC, ISO 8601")
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...] = ()
    label_factors: tuple[LabelFactor, ...] = ()
    speed: tuple[SpeedCurve, ...] = ()
    ranks: tuple[AverageRanks, ...] = ()
    recipes: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="recipe -> the settings that it changes"
    )
    unfinished: tuple[UnfinishedCell, ...] = ()
    data: tuple[DataSummary, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    runs: tuple[RunSource, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Leaderboard:
        """The document of a `leaderboard.json`.

        Raises:
            DataError: the file cannot be read, or holds something else.
        """
        try:
            return cls.model_validate_json(read_limited(path, MOST))
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            raise DataError(
                f"{path} is no leaderboard.json of this version of lcd-bench; make it anew from "
                f"the results with `lcd-bench report`."
            ) from error
