"""`lcd-bench explain`: what in an ECG moves a fine-tuned model's score, on paper to scale."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.embed import Device
from lcd_plugin.cli.ending import command, quiet_fabric, say
from lcd_plugin.cli.own_stdout import own_stdout
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lcd_plugin.explain.explanation import Explanation
    from lcd_plugin.explain.model_file import FineTuned
    from lcd_plugin.explain.models import LabelledData
    from lcd_plugin.explain.subject import Subject


class Layout(StrEnum):
    """How leads are put on the paper."""

    rows = "12x1"
    quarters = "3x4"


@command
def explain_command(
    record: Annotated[
        str | None,
        typer.Argument(
            help="A WFDB record, or a record of the dataset; its first test record with the class.",
            metavar="[RECORD]",
            show_default=False,
        ),
    ] = None,
    encoders: Annotated[
        list[Path] | None,
        typer.Option(
            "-e", "--encoder", help="An encoder, or a model saved by this command; again for more."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="The figure, as .svg, .pdf or .png.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--data", metavar="NAME[=FOLDER]", help="Fine-tune on this dataset."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="A task of the dataset; its main task.")] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="The class; what the first model holds likeliest.")
    ] = None,
    label_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the labels to fine-tune on.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of labels, weights and order.")] = 0,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Beside it the same network without pretraining.")
    ] = False,
    layout: Annotated[Layout, typer.Option(help="All of every lead, or 3x4.")] = Layout.rows,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as finetune.epochs=10."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Draw a record with what moved the score of a class; models are fine-tuned where needed.

    Examples:
      lcd-bench explain -e encoder.safetensors --data ptbxl=FOLDER --class MI --scratch -o mi.svg

      lcd-bench explain my-records/0001 -e mi.lcd.safetensors -o 0001.pdf
    """
    from lcd_plugin.cli.progress import preparing
    from lcd_plugin.errors import ConfigError
    from lcd_plugin.explain.attribution import captum
    from lcd_plugin.explain.explanation import explain_record
    from lcd_plugin.explain.figure import check_figure_name, draw, figure_bytes
    from lcd_plugin.explain.model_file import model_bytes
    from lcd_plugin.explain.models import Wish, make_models
    from lcd_plugin.files import write_whole

    if not encoders or out is None:
        raise ConfigError("Give --encoder FILE and -o FIGURE.")
    check_figure_name(out)
    captum()  # before a training of minutes
    add_plugin_files(plugin_files)
    wish = Wish(
        encoders,
        dataset,
        task,
        class_name,
        label_fraction,
        seed,
        scratch,
        assignments or (),
        device.value,
    )
    with own_stdout(), preparing() as progress:
        quiet_fabric()
        models, data, new = make_models(wish, progress, lambda name: say(f"fine-tuning {name}"))
        saved = []
        for model in new:
            path = out.with_name(f"{out.stem}.{_slug(model, models)}.safetensors")
            write_whole(path, model_bytes(model))
            saved.append(path)
        subject, chosen = _choose(record, models, data, class_name)
        explanations = [explain_record(subject, model, chosen, seed) for model in models]
        figure, darkest = draw(subject, explanations, layout.value)
        write_whole(out, figure_bytes(figure, out.suffix))
    if as_json:
        document = _document(subject, explanations, darkest, out, saved)
        typer.echo(json.dumps(document, indent=1))
        return
    for line in _lines(subject, explanations):
        typer.echo(line)
    for path in (out, *saved):
        typer.echo(str(path))


def _slug(model: FineTuned, models: Sequence[FineTuned]) -> str:
    """A model's name as part of a file name; with a number where others have it too."""
    slug = re.sub(r"[^\w]+", "-", model.header.name).strip("-") or "model"
    alike = [other for other in models if other.header.name == model.header.name]
    place = next(i for i, other in enumerate(alike) if other is model)
    return slug if place == 0 else f"{slug}-{place + 1}"


def _choose(
    record: str | None,
    models: Sequence[FineTuned],
    data: LabelledData | None,
    class_name: str | None,
) -> tuple[Subject, str]:
    """The record, and the class whose score is explained."""
    from lcd_plugin.errors import ConfigError
    from lcd_plugin.explain.explanation import probabilities
    from lcd_plugin.explain.model_file import check_class
    from lcd_plugin.explain.subject import is_file, subject_of_dataset, subject_of_file

    if class_name is not None:
        for model in models:
            check_class(class_name, model.header.task)
    if record is not None and is_file(record):
        subject = subject_of_file(record, *((data.store, data.task) if data else ()))
    elif data is not None:
        subject = subject_of_dataset(record, data.cohort, data.store, data.task, class_name)
    elif record is None:
        raise ConfigError("Name a RECORD, or with --data the dataset to take one from.")
    else:
        raise ConfigError(f"'{record}' is no WFDB record; a dataset's record needs its --data.")
    for model in models:
        part = subject.part(model)
        if part == "train":
            raise ConfigError(
                f"{subject.name} is in the training part of {model.header.dataset}: what a model "
                f"makes of records that it has learned says little; take a test record."
            )
        if part:
            say(f"{subject.name} is in the validation part, which chose when training stopped.")
    if class_name is None:
        found = probabilities(models[0], subject.shown(models[0].header.data))
        class_name = max(found, key=lambda name: found[name])
    return subject, class_name


def _lines(subject: Subject, explanations: Sequence[Explanation]) -> list[str]:
    """What was found, for people."""
    from lcd_plugin.explain.legend import deletion_text, moved, trained_on
    from lcd_plugin.explain.records import printable

    labels = "not known" if subject.labels is None else ", ".join(subject.labels) or "none"
    lines = [f"{printable(subject.name)}, labels: {printable(labels)}"]
    for found in explanations:
        name = f"{found.model.header.name}: P({found.class_name}) = {found.probability:.3f}"
        lines.append(printable(f"{name}; {trained_on(found)}; {moved(found)}"))
        lines += [f"  {printable(deletion_text(found, i))}" for i in range(len(found.deletions))]
    return lines


def _document(
    subject: Subject,
    explanations: Sequence[Explanation],
    darkest: float,
    out: Path,
    saved: Sequence[Path],
) -> dict[str, Any]:
    """What was found, for programs."""
    models = []
    for found in explanations:
        header, attribution = found.model.header, found.attribution
        by_lead = abs(found.overlay).sum(axis=1)
        models.append(
            {
                "name": header.name,
                "encoder": header.encoder,
                "task": f"{header.dataset}/{header.task.name}",
                "training": header.training,
                "probability": found.probability,
                "score": attribution.score,
                "empty_score": attribution.empty_score,
                "completeness_error": attribution.error,
                "share_by_lead": dict(
                    zip(found.leads, (by_lead / (by_lead.sum() or 1)).tolist(), strict=True)
                ),
                "deletion": [asdict(point) for point in found.deletions],
            }
        )
    return {
        "schema": 1,
        "record": subject.name,
        "labels": None if subject.labels is None else list(subject.labels),
        "class": explanations[0].class_name,
        "figure": str(out),
        "saved_models": [str(path) for path in saved],
        "darkest_percent": darkest,
        "models": models,
    }
