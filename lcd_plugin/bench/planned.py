"""The cells of a plan, each with the hash of all that can change its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from lcd_plugin.bench.results import SCHEMA, key_of
from lcd_plugin.bench.suite import ALL_LEADS, Suite
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Store
from lcd_plugin.evaluate.protocols import PROTOCOLS
from lcd_plugin.evaluate.protocols.base import Protocol
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.plugins import ENCODERS, METHODS, MethodSpec, Origin
from lcd_plugin.pretrain.settings import EngineSettings

# Raise it when the numbers of a pretraining change for equal settings.
ENGINE_VERSION = 2
# Of the supervised baseline: the protocol that trains it, from fresh weights.
SCRATCH = {"scratch": "finetune", "scratch-paper": "finetune-paper"}


@dataclass(frozen=True)
class PlannedMethod:
    """A method with its validated settings."""

    spec: MethodSpec
    config: MethodConfig
    method_class: type[Method]


@dataclass(frozen=True)
class Target:
    """What encoders are scored on.

    Attributes:
        store: the dataset.
        tasks: its tasks.
        fractions: label fractions that each task has enough records for, ascending, by its name.
    """

    store: Store
    tasks: tuple[Task, ...]
    fractions: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class PretrainCell:
    """One pretraining: a method on a dataset with an encoder and a seed, under a recipe."""

    identity: dict[str, Any]
    recipe: str
    method: str
    encoder: str
    dataset: str
    seed: int
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.identity))

    @property
    def title(self) -> str:
        """For progress and messages."""
        under = f" ({self.recipe})" if self.recipe else ""
        return f"pretrain {self.method}{under} on {self.dataset}, {self.encoder}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class EvaluateCell:
    """One score: an encoder on a task under a protocol with some of the labels.

    There can be very many of them, so that what they have in common is kept once.

    Attributes:
        common: of its identity, what all cells of its group share.
        recipe: of the suite; "" where it has none.
        dataset: the dataset that is scored.
        protocol: the suite's protocol, or one of `SCRATCH` for the supervised baseline.
        leads: leads that the encoder is shown, as the suite calls them.
        label_fraction: share of the labelled training records.
        label_seed: of the label subset.
        seed: of the pretraining, or of training from scratch.
        snapshot: share of the pretraining budget after which the encoder was taken; None for the
            finished one.
        pretrain_key: the pretraining whose encoder is scored; None for `scratch`.
        pretrain_dataset: the dataset of that pretraining; None for `scratch`.
    """

    common: dict[str, Any]
    recipe: str
    method: str
    encoder: str
    dataset: str
    task: str
    protocol: str
    leads: str
    label_fraction: float
    label_seed: int
    seed: int
    snapshot: float | None
    pretrain_key: str | None
    pretrain_dataset: str | None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.identity))

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that can change its numbers."""
        return self.common | {"label_fraction": self.label_fraction, "label_seed": self.label_seed}

    @property
    def group(self) -> tuple[Any, ...]:
        """Equal for cells that differ in their labels only, which are computed together."""
        return (
            self.recipe, self.method, self.encoder, self.dataset, self.task, self.protocol,
            self.leads, self.seed, self.snapshot, self.pretrain_key,
        )  # fmt: skip

    @property
    def title(self) -> str:
        """For progress and messages."""
        foreign = self.pretrain_dataset not in (None, self.dataset)
        parts = [
            f"{self.protocol} {self.method}{f' ({self.recipe})' if self.recipe else ''} on "
            f"{self.dataset}/{self.task}",
            f"pretrained on {self.pretrain_dataset}" if foreign else "",
            f"after {100 * self.snapshot:.4g}% of the budget" if self.snapshot else "",
            self.encoder,
            f"leads {self.leads}" if self.leads != ALL_LEADS else "",
            f"{100 * self.label_fraction:.4g}% of labels",
            f"seed {self.seed}",
            f"labels {self.label_seed}" if self.label_seed != self.seed else "",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class CellMaker:
    """Makes the cells of one recipe and encoder.

    Attributes:
        suite: what was asked for, as the recipe has it.
        recipe: its name; "" without one.
        encoder: of all cells, as the suite names it.
        trained: what changes the numbers of a training on this machine.
    """

    suite: Suite
    recipe: str
    encoder: str
    trained: dict[str, str]

    def pretraining(self, method: PlannedMethod, store: Store, seed: int) -> PretrainCell | None:
        """The pretraining of a method on a dataset; None for a supervised baseline."""
        if method.spec.kind == "supervised":
            return None
        suite = self.suite
        identity = self._base_identity(store, seed) | {
            "kind": "pretrain",
            "method": method.spec.name,
            "method_version": method.spec.version,
            **_foreign_code("method", METHODS.origin(method.spec.name)),
        }
        if suite.pretrain_part != "train":
            # Only named where it is not the usual one, so that older results keep their keys.
            identity["pretrain_part"] = suite.pretrain_part
        if method.spec.kind == "pretraining":
            # An untrained encoder does not depend on the budget: changing it costs no new result.
            identity |= {
                "config": method.config.model_dump(mode="json"),
                "pretrain": suite.pretrain.model_dump(mode="json"),
                "views": suite.views.model_dump(mode="json"),
                **self.trained,
                **_rounding(suite.engine),
            }
            if suite.snapshots:
                # They change no number, but a result without their files has nothing to score.
                identity["snapshots"] = list(suite.snapshots)
        name, dataset = method.spec.name, store.manifest.dataset
        return PretrainCell(identity, self.recipe, name, self.encoder, dataset, seed)

    def evaluations(
        self, method: PlannedMethod, target: Target, seed: int, pretraining: PretrainCell | None
    ) -> Iterator[EvaluateCell]:
        """The scores of a method on a dataset, those that differ in labels only side by side.

        Args:
            method: the method.
            target: what it is scored on.
            seed: of the pretraining, or of training from scratch.
            pretraining: where the encoder comes from; None for a supervised baseline.
        """
        protocols: tuple[str, ...] = self.suite.protocols
        if pretraining is None:
            # Beside the paper's protocols stands training from scratch with the paper's settings.
            paper = [p.endswith("-paper") for p in protocols]
            protocols = ("scratch",) * (not all(paper)) + ("scratch-paper",) * any(paper)
        for task in target.tasks:
            for protocol in protocols:
                labels = self._labels(protocol, target.fractions[task.name], seed)
                for leads in self.suite.lead_subsets:
                    yield from self._group(
                        method, target.store, task, protocol, leads, labels, seed, pretraining
                    )

    def snapshots(
        self,
        method: PlannedMethod,
        target: Target,
        seed: int,
        pretraining: PretrainCell | None,
        shares: Iterable[float],
    ) -> Iterator[EvaluateCell]:
        """Scores of the encoder under way: the first probe of the suite, with most labels."""
        probes = [p for p in self.suite.protocols if not PROTOCOLS[p].trains_encoder]
        if pretraining is None or method.spec.kind != "pretraining" or not probes:
            return
        task, leads = target.tasks[0], self.suite.lead_subsets[0]
        labels = self._labels(probes[0], target.fractions[task.name][-1:], seed)[:1]
        for share in shares:
            yield from self._group(
                method, target.store, task, probes[0], leads, labels, seed, pretraining, share
            )

    def _labels(
        self, protocol: str, fractions: tuple[float, ...], seed: int
    ) -> list[tuple[float, int]]:
        """Fractions with the seeds of their subsets."""
        seeds = self.suite.label_seeds or (seed,)
        if protocol_of(protocol, self.suite)[0].trains_encoder:
            seeds = self._own_label_seeds(seeds, seed)
        # All labels are the same records under every seed.
        return [(f, own) for f in fractions for own in (seeds if f < 1 else seeds[:1])]

    def _own_label_seeds(self, labels: tuple[int, ...], seed: int) -> tuple[int, ...]:
        """Label seeds for trainings under a seed, dealt out so that each is used by one."""
        turns = range(self._turns[seed], max(len(self._turns), len(labels)), len(self._turns))
        return tuple(labels[turn % len(labels)] for turn in turns)

    @cached_property
    def _turns(self) -> dict[int, int]:
        """Places of the seeds."""
        return {seed: place for place, seed in enumerate(self.suite.seeds)}

    def _group(
        self,
        method: PlannedMethod,
        store: Store,
        task: Task,
        protocol: str,
        leads: str,
        labels: Iterable[tuple[float, int]],
        seed: int,
        pretraining: PretrainCell | None,
        snapshot: float | None = None,
    ) -> Iterator[EvaluateCell]:
        """Cells that differ in their labels only."""
        common = self._base_identity(store, seed) | {
            # The pretraining's key stands for its dataset too. The classes that are scored follow
            # from the task and the data.
            "kind": "evaluate",
            "method": method.spec.name,
            "method_version": method.spec.version,
            **_foreign_code("method", METHODS.origin(method.spec.name)),
            "pretrain_key": pretraining.key if pretraining else None,
            "task": task.name,
            **({"leads": leads} if leads != ALL_LEADS else {}),
            **({"snapshot": snapshot} if snapshot is not None else {}),
            **self._protocol_identity(protocol),
        }
        for label_fraction, label_seed in labels:
            yield EvaluateCell(
                common=common,
                recipe=self.recipe,
                method=method.spec.name,
                encoder=self.encoder,
                dataset=store.manifest.dataset,
                task=task.name,
                protocol=protocol,
                leads=leads,
                label_fraction=label_fraction,
                label_seed=label_seed,
                seed=seed,
                snapshot=snapshot,
                pretrain_key=pretraining.key if pretraining else None,
                pretrain_dataset=pretraining.dataset if pretraining else None,
            )

    def _base_identity(self, store: Store, seed: int) -> dict[str, Any]:
        return self._encoder_identity | {
            "dataset": store.manifest.dataset,
            "data": store.manifest.fingerprint,
            "seed": seed,
        }

    @cached_property
    def _encoder_identity(self) -> dict[str, Any]:
        encoder = self.suite.encoder(self.encoder)
        return {
            "schema": SCHEMA,
            "engine": ENGINE_VERSION,
            "encoder": encoder.name,
            "encoder_version": ENCODERS.spec(encoder.name).version,
            "encoder_settings": encoder.settings,
            **_foreign_code("encoder", ENCODERS.origin(encoder.name)),
        }

    def _protocol_identity(self, name: str) -> dict[str, Any]:
        protocol, settings = protocol_of(name, self.suite)
        return {
            "protocol": name,
            "protocol_version": protocol.version,
            "protocol_settings": settings.model_dump(mode="json"),
            **(self.trained if protocol.trains_encoder else {"precision": "fp32"}),
        }


def protocol_of(name: str, suite: Suite) -> tuple[Protocol, BaseModel]:
    """How a cell is scored, with the settings of it."""
    protocol = PROTOCOLS[SCRATCH.get(name, name)]
    settings = suite.settings_of(protocol.name)
    if name == "scratch":
        # No layer knows anything yet, so that all of them learn at the same rate.
        settings = settings.model_copy(update={"layer_decay": 1.0})
    return protocol, settings


def _foreign_code(role: str, origin: Origin) -> dict[str, str]:
    """The code of a plugin from elsewhere: whoever edits theirs gets new results.

    Ours has versions, which change with what is computed and not with each new comment.
    """
    return {} if origin.own else {f"{role}_code": origin.code}


def _rounding(engine: EngineSettings) -> dict[str, Any]:
    """What of the engine changes numbers; nothing at its defaults."""
    compiled = {"compile": "always"} if engine.compile == "always" else {}
    return compiled | ({} if engine.devices == 1 else {"devices": engine.devices})
