"""`lcd-bench run`: compare methods, go on where the last run ended, show the leaderboard."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.datasets import folders_of, names_of
from lcd_plugin.cli.ending import CELLS_FAILED, command, quiet_fabric
from lcd_plugin.cli.own_stdout import own_stdout
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files

if TYPE_CHECKING:
    from lcd_plugin.bench.events import RunSummary
    from lcd_plugin.bench.executors.choose import Workers
    from lcd_plugin.bench.plan import Plan
    from lcd_plugin.bench.suite import Suite

# Of a list of cells that are printed at once: a hundred thousand prints would take seconds.
LINES = 1000


class Protocol(StrEnum):
    """How encoders are scored."""

    linear = "linear"
    linear_paper = "linear-paper"
    attentive = "attentive"
    knn = "knn"
    finetune = "finetune"
    finetune_paper = "finetune-paper"


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    """Precision of training."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Executor(StrEnum):
    """Who computes the cells."""

    local = "local"
    ray = "ray"


@command
def run_command(
    suite: Annotated[
        str, typer.Argument(help="A bundled suite or a TOML file; see `list suites`.")
    ] = "quick",
    methods: Annotated[
        list[str] | None, typer.Option("-m", "--method", help="A method, again for more.")
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            "-d", "--dataset", metavar="NAME[=FOLDER]", help="A dataset and where it lies."
        ),
    ] = None,
    pretrain_datasets: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--pretrain-dataset",
            metavar="NAME[=FOLDER]",
            help="Pretrain on this dataset, in place of each on itself.",
        ),
    ] = None,
    encoders: Annotated[
        list[str] | None, typer.Option("-e", "--encoder", help="An encoder, again for more.")
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option("--recipe", help="A recipe: paper or best; again for both side by side."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Pretraining epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Records a pretraining step.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, such as 0,1,2.")] = None,
    label_fractions: Annotated[
        str | None, typer.Option(help="Shares of the labels, such as 0.01,0.1,1.")
    ] = None,
    label_counts: Annotated[
        str | None, typer.Option(help="Numbers of labelled records, such as 50,100.")
    ] = None,
    protocols: Annotated[
        list[Protocol] | None, typer.Option("--protocol", help="How encoders are scored.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as lcd.gamma=0.01."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many records.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    devices: Annotated[
        int | None, typer.Option(help="GPUs (on a CPU: processes) that share a pretraining.")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help="Precision of training.")] = None,
    out: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="PATH", help="Folder of the results; runs/SUITE."),
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="Who computes: workers on this machine, or a Ray cluster.")
    ] = Executor.local,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=0,
            envvar="LCD_BENCH_JOBS",
            help="Workers, with a cell each at a time: 1; 0 computes in this process.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster; none starts one on this machine.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Seconds that a cell may take.")
    ] = None,
    memory_limit: Annotated[
        float | None, typer.Option(metavar="GB", help="Memory that a worker may take.")
    ] = None,
    trackers: Annotated[
        list[str] | None, typer.Option("--log", help="Follow it with tensorboard or mlflow.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what is done; train nothing.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute again what failed before.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End with the first cell that fails.")
    ] = False,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare pretraining methods; the same command again goes on where the last one ended.

    Examples:
      lcd-bench run

      lcd-bench run ptbxl -d ptbxl=FOLDER --seeds 0,1,2

      lcd-bench run quick -p synthetic -d wfdb=FOLDER

      lcd-bench run quick -m lcd -m simclr --set lcd.gamma=0.01 --dry-run
    """
    from lcd_plugin.bench.interruption import require_none
    from lcd_plugin.bench.suite import load_suite
    from lcd_plugin.cli.outcome import show_outcome

    add_plugin_files(plugin_files)
    flags = _flags(
        methods=methods or None,
        datasets=names_of(datasets),
        pretrain_datasets=names_of(pretrain_datasets),
        encoders=encoders or None,
        seeds=_numbers("--seeds", seeds, int),
        label_fractions=_numbers("--label-fractions", label_fractions, float),
        label_counts=_numbers("--label-counts", label_counts, int),
        recipes=recipes or None,
        protocols=[p.value for p in protocols] if protocols else None,
        limit=limit,
        precision=precision.value if precision else None,
        pretrain=_flags(epochs=epochs, batch_size=batch_size),
        engine=_flags(devices=devices),
        settings=folders_of([*(datasets or []), *(pretrain_datasets or [])]),
    )
    resolved = load_suite(suite, assignments or [], flags)
    folder = _folder(out, resolved.name)
    plan = _plan(resolved, device.value)
    require_none()
    if dry_run:
        _show_plan(plan, folder, as_json)
        return
    from lcd_plugin.bench.executors.choose import Workers

    how = Workers(executor.value, jobs, address, time_limit, memory_limit)
    outcome = _compute(plan, folder, device.value, how, trackers or [], retry_failed, fail_fast)
    show_outcome(outcome, folder, as_json)
    require_none()
    if not outcome.complete:
        raise typer.Exit(CELLS_FAILED)


def _flags(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}


def _folder(given: str | None, suite: str) -> Path:
    """Where the results go."""
    from lcd_plugin.errors import ConfigError

    if given == "":
        raise ConfigError("-o names no folder; give one, or leave it out for runs/SUITE.")
    folder = Path("runs") / suite if given is None else Path(given)
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            "The path of the results' folder is not UTF-8, and could not be written down; give "
            "another one with -o."
        ) from error
    return folder


def _numbers(flag: str, text: str | None, kind: type[int] | type[float]) -> list[Any] | None:
    from lcd_plugin.errors import ConfigError

    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{flag} takes numbers joined by commas; got '{text}'.") from error


def _plan(suite: Suite, device: Any) -> Plan:
    from lcd_plugin.bench.plan import make_plan
    from lcd_plugin.cli.progress import preparing
    from lcd_plugin.pretrain.device import check_devices, choose_device, choose_precision

    quiet_fabric()
    chosen = choose_device(device)
    check_devices(chosen, suite.engine.devices)
    precision = choose_precision(suite.precision, chosen)
    with own_stdout(), preparing() as progress:
        return make_plan(suite, precision, chosen.type, progress)


def _compute(
    plan: Plan,
    out: Path,
    device: Any,
    workers: Workers,
    trackers: list[str],
    retry_failed: bool,
    fail_fast: bool,
) -> RunSummary:
    from lcd_plugin.bench.events import tell_all
    from lcd_plugin.bench.executors.choose import executor_for
    from lcd_plugin.bench.observe import tracked
    from lcd_plugin.bench.runner import Runner
    from lcd_plugin.cli.live import running
    from lcd_plugin.pretrain.device import choose_device

    chosen = choose_device(device)
    with (
        own_stdout(),
        tracked(trackers, out, plan.suite.name) as followers,
        running([*plan.pretrain, *plan.evaluate]) as show,
    ):
        runner = Runner(
            plan,
            out,
            chosen,
            executor=executor_for(plan, out, chosen, workers),
            retry_failed=retry_failed,
            fail_fast=fail_fast,
            listen=tell_all([show, *(follower.listen for follower in followers)]),
        )
        return runner.run()


def _show_plan(plan: Plan, out: Path, as_json: bool) -> None:
    from collections import Counter
    from dataclasses import asdict
    from itertools import islice

    from lcd_plugin.bench.listing import listing

    if as_json:
        cells = [asdict(entry) for entry in listing(plan, out)]
        document = {"schema": 1, "out": str(out), "cells": cells, "unavailable": plan.unavailable}
        typer.echo(json.dumps(document, indent=1))
        return
    counts: Counter[str] = Counter()
    entries = listing(plan, out)
    while lines := list(islice(entries, LINES)):
        counts.update(entry.status for entry in lines)
        typer.echo("\n".join(f"{e.status:<9} {e.key}  {e.title}" for e in lines))
    total, done = counts.total(), counts["complete"]
    typer.echo(f"{total} cells, {done} complete, {total - done} to do, in {out}")
