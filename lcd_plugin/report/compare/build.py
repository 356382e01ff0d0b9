"""Putting the comparison of two runs together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lcd_plugin.errors import ConfigError, DataError, suggest
from lcd_plugin.evaluate.metrics import TESTED
from lcd_plugin.report.collect import Collected, collect
from lcd_plugin.report.compare.changes import changes_between
from lcd_plugin.report.compare.gate import judge, missing_from, title
from lcd_plugin.report.compare.matching import finished, match
from lcd_plugin.report.compare.model import RunComparison, Side
from lcd_plugin.report.compare.scores import line_differences
from lcd_plugin.report.compare.times import compare_times
from lcd_plugin.report.folders import named_folders
from lcd_plugin.report.plain_text import one_line
from lcd_plugin.report.speed import machines_of


def compare_runs(
    out_a: Path,
    out_b: Path,
    metrics: Sequence[str] = ("auroc",),
    fail_if_worse: float | None = None,
    *,
    allow_missing: bool = False,
) -> RunComparison:
    """Compare the scores, settings, environment, data and time of two runs.

    Args:
        out_a: folder of the run that is compared with.
        out_b: folder of the run that is judged.
        metrics: from `TESTED`.
        fail_if_worse: a loss of score above it fails the gate, see `judge`; None for no gate.
        allow_missing: whether the gate lets B lack what A has.

    Raises:
        ConfigError: a metric that is not tested, a threshold that is no loss of score, or
            something allowed to a gate that was not asked for.
        DataError: a folder holds no run, or the runs have no score in common.
    """
    for metric in metrics:
        if metric not in TESTED:
            raise ConfigError(f"Runs cannot be compared by '{metric}'{suggest(metric, TESTED)}")
    if fail_if_worse is not None and not 0 <= fail_if_worse < 1:
        raise ConfigError(
            f"The loss of score that fails is from 0 up to 1, such as 0.01; got {fail_if_worse:g}."
        )
    if allow_missing and fail_if_worse is None:
        raise ConfigError("--allow-missing is said of a gate: give --fail-if-worse X too.")
    a, b = collect([out_a]), collect([out_b])
    matched = match(a.scored, b.scored)
    if not matched.lines:
        raise DataError(_nothing_in_common(out_a, out_b, a, b))
    lines = line_differences(matched.lines, tuple(dict.fromkeys(metrics)))
    only_a, only_b = (tuple(r.cell.title for r in own) for own in (matched.only_a, matched.only_b))
    names = list(named_folders([out_a, out_b]))
    return RunComparison(
        a=_side(names[0], a),
        b=_side(names[-1], b),
        metrics=tuple(dict.fromkeys(metrics)),
        lines=tuple(lines),
        only_a=only_a,
        only_b=only_b,
        lines_only_a=tuple(map(title, matched.lines_only_a)),
        lines_only_b=tuple(map(title, matched.lines_only_b)),
        unfinished_a=tuple(a.unfinished),
        unfinished_b=tuple(b.unfinished),
        changes=changes_between(out_a, out_b, a, b, matched),
        times=compare_times(matched),
        gate=None
        if fail_if_worse is None
        else judge(fail_if_worse, lines, missing_from(matched), allow_missing=allow_missing),
    )


def _side(name: str, collected: Collected) -> Side:
    (plan,) = collected.plans.values()
    runs = finished(collected.scored)
    return Side(
        out=name,
        suite=plan.suite,
        created=plan.created,
        results=len(runs),
        machines=tuple(dict.fromkeys(machines_of([run]) for run in runs)),
        notes=tuple(collected.notes),
    )


def _nothing_in_common(out_a: Path, out_b: Path, a: Collected, b: Collected) -> str:
    for out, collected in ((out_a, a), (out_b, b)):
        if not finished(collected.scored):
            reason = next((cell.reason for cell in collected.unfinished), "nothing was computed")
            return f"{out} has no score to compare: {one_line(reason)}."
    return (
        f"{out_a} and {out_b} have no score in common: no method was scored in both on the same "
        f"dataset, task, encoder, protocol, leads and label fraction."
    )
