"""`lcd-bench compare`: what got better or worse between two runs, and what else is different."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lcd_plugin.cli.ending import GATE_FAILED, command, say


class Metric(StrEnum):
    """What runs can be compared by."""

    auroc = "auroc"
    auprc = "auprc"
    f1 = "f1"
    balanced_accuracy = "balanced_accuracy"


@command
def compare_command(
    out_a: Annotated[
        Path, typer.Argument(help="Folder of the run to compare with.", show_default=False)
    ],
    out_b: Annotated[
        Path, typer.Argument(help="Folder of the run that is judged.", show_default=False)
    ],
    fail_if_worse: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="End with code 4 if a score of B is lower by more than X, or B lacks a score that "
            "A has.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="With --fail-if-worse: judge only what both have."),
    ] = False,
    metrics: Annotated[
        list[Metric] | None,
        typer.Option("--metric", help="Compare by this, again for more; macro AUROC if none."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare two runs: scores, settings, environment, data and time.

    Lines are matched by the key of their results, or else by what they are (dataset, task, encoder,
    protocol, leads, labels, method, recipe), seed by seed. Differences are B - A, with a paired
    95 % interval over patients. Time is compared where one machine computed both.

    --fail-if-worse judges each difference as it was measured, in macro AUROC or in each --metric
    given: B fails by losing more than X, whether that is more than chance or not, which is said. So
    choose an X that is not below the intervals shown. A line whose test records are not the same
    fails too, and so does what B lacks, unless --allow-missing is given.

    Examples:
      lcd-bench compare runs/before runs/after

      lcd-bench compare runs/before runs/after --fail-if-worse 0.01
    """
    from lcd_plugin.cli.comparison import print_comparison
    from lcd_plugin.report.compare import compare_runs

    names = [metric.value for metric in metrics or [Metric.auroc]]
    comparison = compare_runs(out_a, out_b, names, fail_if_worse, allow_missing=allow_missing)
    if as_json:
        typer.echo(comparison.model_dump_json(indent=1, by_alias=True))
    else:
        print_comparison(comparison)
    if comparison.gate is not None and not comparison.gate.passed:
        say("The gate failed; the output says why.")
        raise typer.Exit(GATE_FAILED)
