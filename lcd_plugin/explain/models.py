"""The models of a figure: loaded, or fine-tuned on the spot on a dataset's labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.cohorts import open_cohort
from lcd_plugin.bench.datasets import Progress, chosen_tasks, open_store
from lcd_plugin.errors import ConfigError
from lcd_plugin.explain.as_trained import NOTED, suite_as_trained
from lcd_plugin.explain.fine_tuning import Recipe, Start, fine_tune
from lcd_plugin.explain.model_file import (
    FineTuned,
    check_class,
    encoder_header,
    is_model,
    load_model,
)
from lcd_plugin.pretrain.device import choose_device, choose_precision

if TYPE_CHECKING:
    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.data.cohort import Cohort, Task
    from lcd_plugin.data.store import Store
    from lcd_plugin.pretrain.device import DeviceName


@dataclass(frozen=True)
class LabelledData:
    """A dataset with the task that models are fine-tuned on.

    Attributes:
        suite: settings of data and fine-tuning.
        cohort: reads the records.
        store: prepared records.
        task: main task, or the one that was asked for.
    """

    suite: Suite
    cohort: Cohort
    store: Store
    task: Task


@dataclass(frozen=True)
class Wish:
    """What models are wanted.

    Attributes:
        files: encoder files, which are fine-tuned, and model files, which are taken as they are.
        dataset: `NAME` or `NAME=FOLDER`; None will do where all files are models.
        task: of the dataset; None is that of the first model, or the dataset's main task.
        class_name: whose score is to be explained; None is decided later.
        label_fraction: share of the labelled training records.
        seed: of label subset, weights and order.
        scratch: also train the first encoder from scratch.
        assignments: `key=value` for data and fine-tuning.
        device: where to compute.
    """

    files: Sequence[Path]
    dataset: str | None = None
    task: str | None = None
    class_name: str | None = None
    label_fraction: float = 0.1
    seed: int = 0
    scratch: bool = False
    assignments: Sequence[str] = ()
    device: DeviceName = "auto"


def make_models(
    wish: Wish, preparing: Progress, training: Callable[[str], None]
) -> tuple[list[FineTuned], LabelledData | None, list[FineTuned]]:
    """Load or fine-tune what is wished for.

    Args:
        wish: which models.
        preparing: called with dataset, records done and their total.
        training: called with the name of each model before it is trained.

    Returns:
        The models in the order of the files, the one from scratch last; the dataset, if one was
        named, as the first model is shown it; and those of the models that are new.

    Raises:
        ConfigError: an encoder is to be fine-tuned and no dataset is named, a setting is wrong, or
            training fails.
        DataError: a file or the dataset cannot be read.
    """
    kept = {path: load_model(path) for path in wish.files if is_model(path)}
    fresh = [path for path in wish.files if path not in kept]
    if wish.scratch and not fresh:
        raise ConfigError(
            "--scratch trains beside an encoder that is fine-tuned; give the encoder's file, or "
            "the saved model from scratch as another --encoder."
        )
    wish = _with_task(wish, list(kept.values()))
    data = {path: _data_for(path, kept.get(path), wish, preparing) for path in wish.files}
    # Before a training of minutes.
    for labelled in filter(None, data.values()):
        if wish.class_name is not None:
            check_class(wish.class_name, labelled.task)
    starts = [(path, Start.pretrained(path)) for path in fresh]
    if wish.scratch:
        first = starts[0][1]
        starts.append((fresh[0], Start.scratch(first.encoder, first.settings, wish.seed)))
    new = [_train(start, data[path], wish, training) for path, start in starts]
    made = iter(new)
    found = [kept[path] if path in kept else next(made) for path in wish.files]
    return [*found, *made], data[wish.files[0]], new


def _with_task(wish: Wish, models: list[FineTuned]) -> Wish:
    """The wish with the task that all models are to have."""
    for model in models:
        task, dataset = model.header.task.name, model.header.dataset
        if wish.task not in (None, task):
            raise ConfigError(
                f"'{model.header.name}' was fine-tuned on {dataset}/{task}, not on "
                f"'{wish.task}'; models of one figure have one task."
            )
        wish = replace(wish, task=task)
    return wish


def _data_for(
    path: Path, model: FineTuned | None, wish: Wish, preparing: Progress
) -> LabelledData | None:
    if wish.dataset is None:
        if model is None:
            raise ConfigError(
                f"{path} is an encoder without a classifier: give --data NAME[=FOLDER], a dataset "
                f"on whose labels it is fine-tuned, or the file of a model that was."
            )
        return None
    return open_labelled(wish, _noted(path, model), preparing)


def _noted(path: Path, model: FineTuned | None) -> dict[str, Any]:
    if model is None:
        notes = encoder_header(path).notes
        return {key: notes[key] for key in NOTED if key in notes}
    said = model.header.data.model_dump(mode="json")
    return {key: said[key] for key in (*NOTED, "longer", "shorter")}


def open_labelled(wish: Wish, noted: dict[str, Any], preparing: Progress) -> LabelledData:
    """Open the dataset of a wish as an encoder was shown its records."""
    assert wish.dataset is not None, "the caller looks"
    name, _, folder = wish.dataset.partition("=")
    place = Path(folder).expanduser().absolute() if folder else None
    suite = suite_as_trained(noted, wish.assignments, name, place)
    if wish.task is not None:
        suite = suite.model_copy(update={"tasks": (wish.task,)})
    store = open_store(name, suite, preparing)
    [task] = chosen_tasks(store, suite, name)[:1]
    return LabelledData(suite, open_cohort(name, suite), store, task)


def _train(
    start: Start, data: LabelledData | None, wish: Wish, training: Callable[[str], None]
) -> FineTuned:
    assert data is not None, "an encoder without a dataset is refused before"
    training(start.name)
    device = choose_device(wish.device)
    recipe = Recipe(
        store=data.store,
        task=data.task,
        label_fraction=wish.label_fraction,
        seed=wish.seed,
        settings=data.suite.finetune,
        device=device,
        precision=choose_precision(data.suite.precision, device),
    )
    try:
        return fine_tune(start, recipe)
    except FloatingPointError as error:
        raise ConfigError(f"'{start.name}' cannot be fine-tuned: {error}.") from error
