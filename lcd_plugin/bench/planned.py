"""The cells of a plan, each with the hash of all that can change its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lcd_plugin.bench.results import SCHEMA, key_of
from lcd_plugin.bench.suite import Protocol, Suite
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Store
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.plugins import ENCODERS, MethodSpec
from lcd_plugin.pretrain.settings import EngineSettings

# Raise one when its numbers change for equal settings.
PROTOCOL_VERSIONS = {"linear": 1, "finetune": 1, "knn": 1, "scratch": 1}
ENGINE_VERSION = 2


@dataclass(frozen=True)
class PlannedMethod:
    """A method with its validated settings."""

    spec: MethodSpec
    config: MethodConfig
    method_class: type[Method]


@dataclass(frozen=True)
class PretrainCell:
    """One pretraining: a method on a dataset with an encoder and a seed."""

    identity: dict[str, Any]
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
        return f"pretrain {self.method} on {self.dataset}, {self.encoder}, seed {self.seed}"


@dataclass(frozen=True)
class EvaluateCell:
    """One score: an encoder on a task under a protocol at a label fraction.

    Attributes:
        dataset: the dataset that is scored.
        protocol: the suite's protocol, or `scratch` for the supervised baseline.
        pretrain_key: the pretraining whose encoder is scored; None for `scratch`.
        pretrain_dataset: the dataset of that pretraining; None for `scratch`.
    """

    identity: dict[str, Any]
    method: str
    encoder: str
    dataset: str
    task: str
    protocol: Protocol | Literal["scratch"]
    label_fraction: float
    seed: int
    pretrain_key: str | None
    pretrain_dataset: str | None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.identity))

    @property
    def title(self) -> str:
        """For progress and messages."""
        foreign = self.pretrain_dataset not in (None, self.dataset)
        source = f"pretrained on {self.pretrain_dataset}, " if foreign else ""
        return (
            f"{self.protocol} {self.method} on {self.dataset}/{self.task}, {source}"
            f"{self.encoder}, {100 * self.label_fraction:.4g}% of labels, seed {self.seed}"
        )


@dataclass(frozen=True)
class CellMaker:
    """Makes the cells of one encoder and seed.

    Attributes:
        suite: what was asked for.
        encoder, seed: of all cells.
        trained: what changes the numbers of a training on this machine.
    """

    suite: Suite
    encoder: str
    seed: int
    trained: dict[str, str]

    def pretraining(self, method: PlannedMethod, store: Store) -> PretrainCell | None:
        """The pretraining of a method on a dataset; None for a supervised baseline."""
        if method.spec.kind == "supervised":
            return None
        suite = self.suite
        identity = self._base_identity(store) | {
            "kind": "pretrain",
            "method": method.spec.name,
            "method_version": method.spec.version,
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
        name = method.spec.name
        return PretrainCell(identity, name, self.encoder, store.manifest.dataset, self.seed)

    def evaluations(
        self,
        method: PlannedMethod,
        store: Store,
        tasks: tuple[Task, ...],
        pretraining: PretrainCell | None,
    ) -> list[EvaluateCell]:
        """The scores of a method on the tasks of a dataset, by task, protocol and fraction.

        Args:
            method: the method.
            store: the dataset that is scored.
            tasks: its tasks.
            pretraining: where the encoder comes from; None for a supervised baseline.
        """
        protocols = self.suite.protocols if pretraining is not None else ("scratch",)
        return [
            EvaluateCell(
                self._evaluate_identity(method, store, task, protocol, fraction, pretraining),
                method.spec.name,
                self.encoder,
                store.manifest.dataset,
                task.name,
                protocol,  # type: ignore[arg-type]
                fraction,
                self.seed,
                pretraining.key if pretraining else None,
                pretraining.dataset if pretraining else None,
            )
            for task in tasks
            for protocol in protocols
            for fraction in self.suite.label_fractions
        ]

    def _base_identity(self, store: Store) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "engine": ENGINE_VERSION,
            "encoder": self.encoder,
            "encoder_version": ENCODERS.spec(self.encoder).version,
            "encoder_settings": self.suite.settings.get(self.encoder, {}),
            "dataset": store.manifest.dataset,
            "data": store.manifest.fingerprint,
            "seed": self.seed,
        }

    def _evaluate_identity(
        self,
        method: PlannedMethod,
        store: Store,
        task: Task,
        protocol: str,
        fraction: float,
        pretraining: PretrainCell | None,
    ) -> dict[str, Any]:
        # The pretraining's key stands for its dataset too. The classes that are scored follow
        # from the task and the data.
        scratch = protocol == "scratch"
        settings = self.suite.finetune if scratch else getattr(self.suite, protocol)
        trains = protocol in ("finetune", "scratch")
        return self._base_identity(store) | {
            "kind": "evaluate",
            "method": method.spec.name,
            "method_version": method.spec.version,
            "pretrain_key": pretraining.key if pretraining else None,
            "task": task.name,
            "protocol": protocol,
            "protocol_version": PROTOCOL_VERSIONS[protocol],
            "protocol_settings": settings.model_dump(mode="json"),
            "label_fraction": fraction,
            **(self.trained if trains else {"precision": "fp32"}),
        }


def _rounding(engine: EngineSettings) -> dict[str, Any]:
    """What of the engine changes numbers; nothing at its defaults."""
    compiled = {"compile": "always"} if engine.compile == "always" else {}
    return compiled | ({} if engine.devices == 1 else {"devices": engine.devices})
