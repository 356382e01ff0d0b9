"""What a comparison consists of: the suite, from defaults, a TOML file, --set and flags."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lcd_plugin.bench.encoder_choice import EncoderChoice, as_value, encoder_choice
from lcd_plugin.bench.names import check_names
from lcd_plugin.bench.recipes import CHANGEABLE, choose, overridden
from lcd_plugin.bench.secrets import refuse_secrets
from lcd_plugin.data.leads import LEAD_SUBSETS, canonical_lead
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.errors import ConfigError, suggest
from lcd_plugin.evaluate.settings import (
    AttentiveSettings,
    FinetunePaperSettings,
    FinetuneSettings,
    KNNSettings,
    LinearPaperSettings,
    LinearSettings,
)
from lcd_plugin.files import read_limited
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS
from lcd_plugin.pretrain.settings import EngineSettings, PretrainSettings, ViewSettings

Protocol = Literal["linear", "linear-paper", "attentive", "knn", "finetune", "finetune-paper"]
ALL_LEADS = "all"
# Bytes of a suite's file, tables in tables, entries of a list and recipes; real ones are far below.
MOST_OF_SUITE, DEEPEST, MOST_ENTRIES, MOST_RECIPES = 2**18, 32, 10_000, 100
MOST_POINTS = 256
LONGEST_SHOWN = 200


class Suite(BaseModel):
    """A comparison: every method x encoder x dataset x seed, scored alike.

    Attributes:
        name: short name, for titles.
        description: one sentence.
        methods, datasets, encoders: names of plugins; `datasets` are those that are scored, and
            encoders may carry settings, see `encoder_choice`.
        pretrain_datasets: datasets that are pretrained on, each for all of `datasets`; none is
            each of `datasets` for itself.
        pretrain_part: records of a pretraining dataset that are used: those of its training part,
            or `all` of one that nothing is scored on.
        recipes: settings under which every method is run, by name, see `under`; none is the
            suite's own settings. A list names bundled recipes.
        seeds: of weights, order of records and views.
        label_fractions: shares of the labelled training records, in (0, 1].
        label_counts: numbers of labelled training records, beside the fractions.
        label_seeds: of label subsets; a probe is fitted on each, training of a whole encoder takes
            one for each of `seeds` in turn. None is one subset, under the seed of the pretraining.
        lead_subsets: which leads the encoder is shown: `all` of `data.leads`, `12`, `8`, `6-limb`,
            `4`, `3`, `2`, or single leads by name.
        snapshots: shares of the pretraining budget after which the encoder is scored too.
        protocols: how encoders are scored.
        tasks: tasks of all datasets by name, or of one as `dataset/task`; a dataset without any
            is scored on its main task.
        limit: use only so many records of each dataset.
        precision: of training; `auto` is bf16 where the hardware has it.
        settings: settings of plugins by name, such as `settings.lcd.gamma`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "custom"
    description: str = ""
    methods: tuple[str, ...] = Field(min_length=1)
    datasets: tuple[str, ...] = Field(min_length=1)
    pretrain_datasets: tuple[str, ...] = ()
    pretrain_part: Literal["train", "all"] = "train"
    encoders: tuple[str, ...] = Field(("vgg16_1d",), min_length=1)
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    label_fractions: tuple[float, ...] = Field((0.01, 0.1, 1.0), min_length=1)
    label_counts: tuple[int, ...] = ()
    label_seeds: tuple[int, ...] = ()
    lead_subsets: tuple[str, ...] = Field((ALL_LEADS,), min_length=1)
    snapshots: tuple[float, ...] = ()
    protocols: tuple[Protocol, ...] = Field(("linear",), min_length=1)
    tasks: tuple[str, ...] = ()
    limit: int | None = Field(None, ge=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    data: DataSettings = DataSettings()
    pretrain: PretrainSettings = PretrainSettings()
    views: ViewSettings = ViewSettings()
    engine: EngineSettings = EngineSettings()
    linear: LinearSettings = LinearSettings()
    linear_paper: LinearPaperSettings = LinearPaperSettings()
    attentive: AttentiveSettings = AttentiveSettings()
    knn: KNNSettings = KNNSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    finetune_paper: FinetunePaperSettings = FinetunePaperSettings()
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def pretrained_on(self) -> tuple[str, ...]:
        """Datasets that are pretrained on."""
        return self.pretrain_datasets or self.datasets

    def settings_of(self, protocol: str) -> BaseModel:
        """Settings of a protocol."""
        found: BaseModel = getattr(self, protocol.replace("-", "_"))
        return found

    def encoder(self, text: str) -> EncoderChoice:
        """One of `encoders`, with its settings."""
        return encoder_choice(text, self.settings)

    def under(self, recipe: str) -> Suite:
        """The suite as a recipe changes it, without recipes of its own.

        Raises:
            ConfigError: the recipe holds an impossible setting.
        """
        document = self.model_dump(mode="json") | {"recipes": {}}
        _merge(document, self.recipes[recipe])
        try:
            return Suite.model_validate(document)
        except ValidationError as error:
            raise ConfigError(explain(error, Suite, f"recipes.{recipe}.")) from error

    @field_validator(
        "seeds", "label_fractions", "label_counts", "label_seeds", "lead_subsets", "snapshots",
        "methods", "datasets", "pretrain_datasets", "encoders", "protocols",
    )  # fmt: skip
    @classmethod
    def _no_repeats(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) > MOST_ENTRIES:
            raise ValueError(f"there may be {MOST_ENTRIES:,} entries, got {len(values):,}")
        return tuple(dict.fromkeys(values))

    @field_validator("label_fractions")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < value <= 1 for value in values):
            raise ValueError("label fractions must be above 0 and at most 1")
        return tuple(sorted(values))

    @field_validator("seeds", "label_seeds")
    @classmethod
    def _not_negative(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if values and min(values) < 0:
            raise ValueError("seeds must not be negative")
        if values and max(values) >= 2**63:
            raise ValueError("seeds must be below 2**63")
        return values

    @field_validator("label_counts")
    @classmethod
    def _counts(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if values and min(values) < 1:
            raise ValueError("label counts must be at least 1")
        return tuple(sorted(values))

    @field_validator("snapshots")
    @classmethod
    def _parts_of_budget(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < value < 1 for value in values):
            raise ValueError("snapshots must be shares of the budget above 0 and below 1")
        return tuple(sorted(values))

    @field_validator("lead_subsets")
    @classmethod
    def _leads(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        known = {ALL_LEADS, *LEAD_SUBSETS}
        return tuple(v if v in known else canonical_lead(v) for v in values)

    @field_validator("recipes")
    @classmethod
    def _changeable(cls, recipes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if len(recipes) > MOST_RECIPES:
            raise ValueError(f"there may be {MOST_RECIPES} recipes, got {len(recipes):,}")
        for name, changes in recipes.items():
            for key in changes:
                if key not in CHANGEABLE:
                    raise ValueError(
                        f"recipe '{name}' cannot change '{key}', only {', '.join(CHANGEABLE)}"
                    )
            for plugin in changes.get("settings", {}):
                if plugin in {*DATASETS.names(), *ENCODERS.names()}:
                    raise ValueError(
                        f"recipe '{name}' cannot change '{plugin}', only settings of methods"
                    )
        return recipes


def bundled_suites() -> dict[str, Path]:
    """Suites that come with the package, by name."""
    packaged = Path(__file__).parent / "suites"
    # In a checkout they lie where benchmarks are kept; the wheel carries them in the package.
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "benchmarks" / "suites"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(
    name: str | None, assignments: Iterable[str] = (), flags: dict[str, Any] | None = None
) -> Suite:
    """Resolve a suite: defaults, then the file, then `--set`, then flags.

    Args:
        name: a bundled suite, the path of a TOML file, or None for defaults alone.
        assignments: `key=value` strings; keys are dotted, values are TOML.
        flags: nested values that override everything.

    Raises:
        ConfigError: no such suite, not TOML, an unknown key or an impossible value.
    """
    document = _read(name) if name is not None else {}
    flags = dict(flags or {})
    # First, so that `--set` can change a recipe that a flag names.
    document["recipes"] = choose(document.get("recipes", {}), flags.pop("recipes", None))
    for assignment in assignments:
        path, value = _assignment(assignment)
        if overridden(path, document["recipes"]):
            key, recipe = ".".join(path), next(iter(document["recipes"]))
            raise ConfigError(
                f"--set {assignment} would change nothing, since every recipe sets {key} itself; "
                f"use --set recipes.{recipe}.{key}=..."
            )
        _merge(document, _nest(path, value))
    _merge(document, flags)
    try:
        suite = Suite.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(error, Suite)) from error
    refuse_secrets(suite.settings, "settings")
    refuse_secrets(suite.recipes, "recipes")
    for encoder in suite.encoders:
        refuse_secrets(suite.encoder(encoder).settings, encoder.partition(":")[0])
    check_names(suite)
    for recipe in suite.recipes:
        check_names(suite.under(recipe))
    return suite


def _read(name: str) -> dict[str, Any]:
    bundled = bundled_suites()
    path = bundled.get(name) or Path(name)
    try:
        return read_document(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ConfigError(f"There is no suite '{name}'{suggest(name, bundled)}") from None
    except OSError as error:
        raise ConfigError(f"The suite {path} cannot be read: {error.strerror}.") from error


def read_document(path: Path) -> dict[str, Any]:
    """What a suite's file says, as it is written there.

    Raises:
        ConfigError: it is not TOML, or no suite is nested as deeply.
        OSError: it cannot be read, or is too large.
    """
    content = read_limited(path, MOST_OF_SUITE)
    try:
        text = content.decode("utf-8")
        # The parser takes the square of a dotted key's length.
        if any(part.count(".") > MOST_POINTS for part in re.split("[=\n]", text)):
            raise RecursionError
        document = tomllib.loads(text)
        _check_depth(document)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply for a suite.") from None
    except ValueError as error:  # also of numbers with thousands of digits, and of names
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    return document


def _check_depth(value: Any, left: int = DEEPEST) -> None:
    """Raise RecursionError where tables and lists are nested more than any setting needs."""
    if not left:
        raise RecursionError
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def _assignment(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set takes key=value, such as pretrain.epochs=30; got '{text}'.")
    if path[0] not in Suite.model_fields:
        plugins = {*METHODS.names(), *DATASETS.names(), *ENCODERS.names()}
        if path[0] not in plugins:
            near = suggest(path[0], plugins | set(Suite.model_fields))
            raise ConfigError(f"--set {text}: unknown key '{path[0]}'{near}")
        path = ["settings", *path]
    return path, as_value(value)


def _nest(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def _merge(document: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = value


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """The first complaint of pydantic as one sentence, with a near name for an unknown key."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    where = prefix + ".".join(part for part in location if not part.isdigit())
    if first["type"] == "extra_forbidden":
        return f"Unknown key '{where}'{suggest(location[-1], _fields(model, location[:-1]))}"
    message = re.sub(r"^(Value|Assertion) error, ", "", first["msg"])
    message = message.replace("Input should be", "must be")
    given = (
        "" if first["type"] in ("missing", "value_error") else f" (got {_shown(first['input'])})"
    )
    return f"{where}: {message}{given}."


def _shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return "what is too long to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _fields(model: type[BaseModel], location: list[str]) -> list[str]:
    for part in location:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
