"""Two runs side by side as a typed document: what `lcd-bench compare --json` prints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lcd_plugin.report.document import Document
from lcd_plugin.report.run_record import UnfinishedCell

Verdict = Literal["better", "worse", "cannot be told apart", "same", "not tested"]
Doubt = Literal["", "no seed in common", "fewer than 3 seeds", "within seeds"]


class Side(Document):
    """One of the two runs.

    Attributes:
        out: name of its output folder.
        suite: its suite.
        created: when its newest plan was made, UTC.
        results: how many scores it has, without those of encoders under way.
        machines: that they were computed on.
        notes: what was left out when it was read.
    """

    out: str
    suite: str
    created: str
    results: int
    machines: tuple[str, ...]
    notes: tuple[str, ...] = ()


class LineDifference(Document):
    """A line of a comparison in both runs, at one label fraction under one metric.

    Means are over the pairs of evaluations with the same pretraining seed and label seed; where no
    seed is in both, over all evaluations of each.

    Attributes:
        dataset, task, encoder, protocol, leads, label_fraction: as in `Row`.
        method, recipe, pretrain_dataset: as in `Row`, of run B where they differ.
        metric: which.
        mean_a, mean_b: mean scores; NaN (`null` in JSON) where no class has one.
        difference: b's mean minus a's.
        ci_low, ci_high: 95 % interval of it from the paired bootstrap over patients; NaN where
            there is none.
        seed_std: standard deviation over pretraining seeds of the difference; None for one seed.
        p: two-sided, of the paired permutation test over patients; None where it was not made.
        p_holm: the same, corrected after Holm over all lines of this metric.
        verdict: on b. `same` where all predictions are equal, so that there is nothing to test;
            `not tested` where the test records are not the same, or one has no score.
        reason: why it was not tested; else "".
        doubt: why the verdict may be of the seeds alone, since the test holds the trained encoders
            as they are: `no seed in common` of both runs, so that nothing is paired;
            `fewer than 3 seeds` in both behind a `better` or `worse`; or one that lies
            `within seeds`, by a t test over them at the 5 % level.
        n_pairs: pairs of evaluations behind the means.
        seeds: pretraining seeds behind the means; () where none is in both runs.
        seeds_only_a, seeds_only_b: pretraining seeds that only one of them has.
        n_test_a, n_test_b: test records.
        same_settings: all of the pairs have one key: the very same settings, versions and data.
    """

    dataset: str
    task: str
    encoder: str
    protocol: str
    leads: str
    label_fraction: float
    method: str
    recipe: str = ""
    pretrain_dataset: str = ""
    metric: str
    mean_a: float
    mean_b: float
    difference: float
    ci_low: float
    ci_high: float
    seed_std: float | None
    p: float | None
    p_holm: float | None
    verdict: Verdict
    reason: str = ""
    doubt: Doubt = ""
    n_pairs: int
    seeds: tuple[int, ...]
    seeds_only_a: tuple[int, ...] = ()
    seeds_only_b: tuple[int, ...] = ()
    n_test_a: int
    n_test_b: int
    same_settings: bool


class Change(Document):
    """Something that is not the same in both runs.

    Attributes:
        name: dotted, such as `pretrain.epochs`.
        a, b: its values; None where a run has none, a list where it has several, a table where
            only one of the suites has anything of that name.
        of: which methods it concerns; () where it concerns all.
    """

    name: str
    a: Any = None
    b: Any = None
    of: tuple[str, ...] = ()


class Changes(Document):
    """What differs between the two runs, apart from their scores.

    Attributes:
        suite: settings of the resolved suites.
        settings: what else is behind matched results, such as versions of methods.
        environment: packages, machine, git state, plugins.
        data: the prepared records.
        notes: what could not be looked at.
    """

    suite: tuple[Change, ...] = ()
    settings: tuple[Change, ...] = ()
    environment: tuple[Change, ...] = ()
    data: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


class TimeDifference(Document):
    """Cost of one method's pretraining in both runs, on one machine.

    Attributes:
        method, recipe, encoder, pretrain_dataset: which.
        n_seeds: that are in both.
        seconds_a, seconds_b: mean pretraining seconds of those seeds.
        ratio: b's over a's.
        ratio_low, ratio_high: smallest and largest of a seed.
        records_per_s_a, records_per_s_b: mean records that a second of steps takes in.
        records_per_s_ratio: b's over a's.
        same_results: how many of the seeds are one stored result in both runs: its time was
            measured once.
    """

    method: str
    recipe: str = ""
    encoder: str
    pretrain_dataset: str
    n_seeds: int
    seconds_a: float
    seconds_b: float
    ratio: float
    ratio_low: float
    ratio_high: float
    records_per_s_a: float | None = None
    records_per_s_b: float | None = None
    records_per_s_ratio: float | None = None
    same_results: int = 0


class Times(Document):
    """Wall-time of both runs.

    Attributes:
        lines: of pretrainings whose machine is the same in both runs.
        notes: which were not compared, and why.
    """

    lines: tuple[TimeDifference, ...] = ()
    notes: tuple[str, ...] = ()


class Gate(Document):
    """Whether run B may take the place of run A.

    Attributes:
        worse_by: a loss of score above it fails.
        passed: nothing failed.
        failures: lines that failed, one sentence each.
        missing: what A has and B lacks, one sentence for each kind.
        allow_missing: whether the gate passes for all that.
        notes: what a reader of the outcome must know.
    """

    worse_by: float
    passed: bool
    failures: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    allow_missing: bool = False
    notes: tuple[str, ...] = ()


class RunComparison(Document):
    """Everything that is said of two runs.

    Attributes:
        a, b: the runs.
        metrics: that were compared.
        lines: every line that both have, worst first.
        only_a, only_b: titles of scores that one of them has and the other lacks.
        lines_only_a, lines_only_b: titles of whole lines of that kind.
        unfinished_a, unfinished_b: cells of their plans without a result.
        changes: what differs apart from the scores.
        times: wall-time.
        gate: where one was asked for.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    a: Side
    b: Side
    metrics: tuple[str, ...]
    lines: tuple[LineDifference, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    lines_only_a: tuple[str, ...] = ()
    lines_only_b: tuple[str, ...] = ()
    unfinished_a: tuple[UnfinishedCell, ...] = ()
    unfinished_b: tuple[UnfinishedCell, ...] = ()
    changes: Changes = Changes()
    times: Times = Times()
    gate: Gate | None = None
